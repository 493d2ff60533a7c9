"""Simulated visitors who write over real WebSockets to a running server, and simulated agents who answer
them; see docs/simulate.md.

It uses only the server's public interfaces: the visitor socket, the login form, the console socket and POSTs.
"""
