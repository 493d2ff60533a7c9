"""The actions of routing. All writes go through them."""
