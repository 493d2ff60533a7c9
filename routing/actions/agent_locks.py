"""The lock that every action takes before it gives an agent one more conversation.

It is the row of the agent's presence. Without it, two actions that run at the same time could both see the last free
place. Every transaction locks presences first, in the order of their ids, and conversations after them.
"""

from collections.abc import Collection

from django.db.models import BooleanField, ExpressionWrapper

from accounts import presence
from accounts.models import Presence, PresenceStatus

# With one of these statuses, an agent may take conversations by hand. The router gives some only to agents online.
READY = (PresenceStatus.ONLINE, PresenceStatus.BUSY)


def lock_presences(staff_ids: Collection[int]) -> dict[int, PresenceStatus]:
    """Lock the presences of these staff members; return the status of each that is valid now. One query.

    A staff member whose presence has expired, or who has never set one, is offline.
    """
    is_valid = ExpressionWrapper(presence.is_valid(), BooleanField())
    rows = Presence.objects.select_for_update().filter(pk__in=staff_ids).order_by("pk")
    statuses = {
        pk: PresenceStatus(status)
        for pk, status, valid in rows.annotate(valid=is_valid).values_list("pk", "status", "valid")
        if valid
    }
    return {pk: statuses.get(pk, PresenceStatus.OFFLINE) for pk in staff_ids}
