"""Set an agent's presence and announce it to every console."""

from django.db import transaction

from accounts import presence
from accounts.access import require
from accounts.models import PresenceStatus, Staff
from chat.protocol import PresenceChanged, PresenceFrame
from chat.realtime import delivery


def set_presence(*, staff: Staff, status: PresenceStatus) -> None:
    """Set the presence of an agent and announce it. Setting the same status again is harmless."""
    require(staff, "answer")
    with transaction.atomic():
        presence.set_status(staff=staff, status=status)
        delivery.announce_on_commit(PresenceChanged(PresenceFrame(staff.pk, status)))


def set_away(*, staff: Staff, reason: str) -> None:
    """Set an agent to away, because the agent does not react, and announce it with a reason for the agent's console."""
    with transaction.atomic():
        status = PresenceStatus.AWAY
        presence.set_status(staff=staff, status=status, reason=reason)
        delivery.announce_on_commit(PresenceChanged(PresenceFrame(staff.pk, status, reason)))
