"""Visitors who talk over real WebSockets to a running server, and agents who answer them. docs/simulate.md tells how.

It knows the server only by its public doors: the box's socket, the login form, the console's socket and POSTs.
"""
