"""The choice of the agent for each waiting conversation: policies of departments, matching, offers, and the router that assigns."""
