"""Measures Lianxin against its budgets, on PostgreSQL and Redis of its own: `make bench`.

Machines are noisy: read the ratios of one run, and repeat it. A run in which an acknowledged message is missing from
the database, or did not reach the agent's screen, is void.
"""
