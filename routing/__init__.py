"""The choice of the agent for each waiting conversation.

Policies of departments, matching, offers, and the router that assigns.
"""
