"""Measures Lianxin against its budgets, on PostgreSQL and Redis of its own: `make bench`; see
docs/performance.md.

`load` behaves like the real visitors and consoles, with the clients of tests/harness; `servers` starts what is
measured, and `fixtures` fills its database; the other modules each measure one subject; `rows` has the
budgets and the table. A run is void if an acknowledged message is missing from the database or did not reach
the agent's screen, or if the load itself was late.
"""
