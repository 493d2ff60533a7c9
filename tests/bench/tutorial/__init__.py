"""The reference for comparisons: the chat of the Channels tutorial, plus one stored row per message.

Added to the tutorial: each message is stored through the ORM before it is broadcast, and has an id by which the load
recognises it. Better than in the tutorial: Django keeps its database connections open, and the capacity of the channel
layer is large enough for all messages under way, so that none is lost.
"""
