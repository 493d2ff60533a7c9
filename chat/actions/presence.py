"""Set an agent's presence and announce it to every console."""

from django.db import transaction

from accounts import presence
from accounts.access import require
from accounts.models import PresenceStatus, Staff
from chat.errors import NoConsoleOpen
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


def set_presence_of(*, by: Staff, staff: Staff, status: PresenceStatus) -> None:
    """Set the presence of an agent on behalf of a supervisor. The announcement names the supervisor.

    The status is valid only while a console of the agent is open. If none is, the agent is offline: setting that does
    nothing, and any other status raises NoConsoleOpen.
    """
    require(by, "manage_agents")
    require(staff, "answer")
    with transaction.atomic():
        if not presence.is_connected(staff):
            if status == PresenceStatus.OFFLINE:
                return
            raise NoConsoleOpen
        presence.set_status(staff=staff, status=status, by=by)
        frame = PresenceFrame(staff.pk, status, by="" if by.pk == staff.pk else by.name)
        delivery.announce_on_commit(PresenceChanged(frame))
