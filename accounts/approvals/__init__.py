"""One mechanism of approval for everything that a second person has to agree to."""
