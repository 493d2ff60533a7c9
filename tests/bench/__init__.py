"""Measures Lianxin against its budgets, on PostgreSQL and Redis of its own: `make bench`; docs/performance.md.

`load` speaks as the real screens do, over sockets of `wire`; `servers` starts what is measured, `stage` fills its
database; `paths` and the other nouns measure; `rows` holds the budgets and the table. A run in which an acknowledged
message is missing from the database, or has not reached the agent's screen, is void, and so is one whose load was late.
"""
