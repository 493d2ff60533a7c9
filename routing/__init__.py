"""Who gets the next conversation: policies of departments, matching, offers, and the router that assigns."""
