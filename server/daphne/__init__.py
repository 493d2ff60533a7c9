"""Everything that depends on the internals of Daphne, Twisted and Autobahn."""
