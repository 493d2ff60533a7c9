"""The benchmark (`make bench`): measures Lianxin against its budgets, on its own PostgreSQL and Redis.

docs/performance.md explains it. `load` imitates the real visitors and consoles, with the clients of tests/harness.
`servers` starts the measured servers, and `fixtures` fills their database. `rows` has the budgets and the table. Each
of the other modules measures one subject. A run is void if an acknowledged message is missing from the database or did
not reach the agent's screen, or if `load` sent its messages too late.
"""
