"""Points and branches as tables: brought in from a file, with a preview that writes nothing, and taken away."""
