"""The one approval mechanism for every change that a second person must approve."""
