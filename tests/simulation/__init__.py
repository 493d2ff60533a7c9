"""A simulation of visitors and agents who use a running server over real WebSockets; see docs/simulate.md.

It uses only the server's public interfaces: the visitor socket, the login form, the console socket and POST requests.
"""
