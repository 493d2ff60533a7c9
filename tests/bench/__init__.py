"""The benchmark (`make bench`): measures Lianxin against its budgets, on its own PostgreSQL and Redis.

docs/performance.md explains it. `load` imitates the real visitors and consoles, with the clients of tests/harness.
`servers` starts the measured servers, and `fixtures` fills their database. `rows` has the budgets and the table. Most
of the other modules measure one subject each. A run is void if a message is refused, if an acknowledged message is
missing from the database or did not reach the agent's screen, or if `load` was too busy or sent its messages too late.
"""
