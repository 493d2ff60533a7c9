"""Signal receivers that end a staff member's open consoles when they lose a right or sign out."""

from typing import Any

from chat.protocol import AccessRevoked
from chat.realtime import delivery


def end_consoles(sender: Any, staff_id: int, **_: Any) -> None:
    delivery.announce_on_commit(AccessRevoked(staff_id))


def end_consoles_of_session(sender: Any, session_key: str, **_: Any) -> None:
    delivery.announce_on_commit(AccessRevoked(session=session_key))
