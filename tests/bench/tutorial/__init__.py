"""The reference: the chat of the Channels tutorial as its pages build it, plus one stored row per message.

Added to the tutorial: each message is stored through the ORM before it is broadcast, and carries the id by
which the load recognises it. Better than in the tutorial: Django keeps its database connections open, and the
layer's capacity is large enough for all messages under way, so that it loses none.
"""
