"""The yardstick: the chat of the Channels tutorial, as its pages build it, with one stored row a message.

What is added to the tutorial: each message is stored through the ORM before it is sent on, and carries the id by which
the load recognises it. What is better than in the tutorial: Django holds its database connections open, and the layer
has room for all that the load has on its way, so that it loses nothing.
"""
