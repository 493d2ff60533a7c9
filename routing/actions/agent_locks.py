"""The lock that every action takes before it gives an agent one more conversation.

It is the row of the agent's presence. Without it, two actions that run at the same time could both see the last free
place. Every transaction locks presences first, in the order of their ids, and conversations after them.
"""

from collections.abc import Collection

from accounts import presence
from accounts.models import Presence, PresenceStatus

# With one of these statuses, an agent may take conversations by hand. The router gives some only to agents online.
READY = (PresenceStatus.ONLINE, PresenceStatus.BUSY)


def lock_presences(staff_ids: Collection[int]) -> dict[int, PresenceStatus]:
    """Lock the presences of these staff members; return the status of each that is valid now. One query.

    A staff member who has never set a presence is offline.
    """
    rows = Presence.objects.select_for_update().filter(pk__in=staff_ids).order_by("pk")
    statuses = {row.pk: presence.current(row) for row in rows}
    return {pk: statuses.get(pk, PresenceStatus.OFFLINE) for pk in staff_ids}
