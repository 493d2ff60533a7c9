"""The reference for comparisons: the chat of the Channels tutorial, plus one stored row per message.

We have made two additions: each message is stored through the ORM before it is broadcast, and each message has an id by
which the load generator recognises it. We have also improved two settings: Django keeps its database connections open,
and the capacity of the channel layer is large enough that no message is lost.
"""
