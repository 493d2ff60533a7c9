"""A simulation of a whole day of the bank on a simulated clock: customers, agents and routers on the real database."""
