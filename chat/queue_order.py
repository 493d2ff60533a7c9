"""The order of the queue: by queue time, earliest first.

The queue time is the start of the wait, moved back for each level of priority, and far back for an emergency. As
everyone's wait grows at the same speed, the order of two waiting conversations never changes by itself, so the database
can keep it in an index. A visitor with priority still never passes one who has waited much longer.
"""

from datetime import datetime, timedelta

from chat.models import Emergency

QUEUE_ORDER = ("queue_time", "id")
# A level of priority counts as much as this time of waiting.
PRIORITY_LEVEL = timedelta(minutes=5)
EMERGENCY_HEAD_START = timedelta(days=365)
URGENT = (Emergency.RAISED, Emergency.CONFIRMED)


def queue_time(waiting_since: datetime, priority: int, emergency: str) -> datetime:
    """Return the queue time of a conversation."""
    head_start = EMERGENCY_HEAD_START if emergency in URGENT else timedelta(0)
    return waiting_since - priority * PRIORITY_LEVEL - head_start
