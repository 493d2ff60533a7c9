"""Which role may do what. One table, read by every door; what is not in it is denied."""

from collections.abc import Iterable

from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.utils import timezone

from accounts.models import Role, Staff

CAPABILITIES: dict[str, frozenset[Role]] = {
    "use_console": frozenset({Role.AGENT, Role.SUPERVISOR}),
    "answer": frozenset({Role.AGENT, Role.SUPERVISOR}),
    "see_all_conversations": frozenset({Role.SUPERVISOR}),
    "assign_to_others": frozenset({Role.SUPERVISOR}),
    "choose_from_queue": frozenset({Role.SUPERVISOR}),
    "edit_shared_replies": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "use_admin": frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMINISTRATOR}),
    "read_records": frozenset({Role.SUPERVISOR, Role.AUDITOR}),
    "export_records": frozenset({Role.SUPERVISOR, Role.AUDITOR}),
    "read_audit": frozenset({Role.AUDITOR, Role.ADMINISTRATOR}),
    "set_up": frozenset({Role.ADMINISTRATOR}),
}


def may(staff: Staff, capability: str) -> bool:
    """Whether this member of staff may do it now. An unknown capability is a programming error (KeyError)."""
    return staff.is_active and staff.role in CAPABILITIES[capability]


def require(staff: Staff, capability: str) -> None:
    """Raises PermissionDenied unless `may`."""
    if not may(staff, capability):
        raise PermissionDenied(capability)


def revoked(connections: Iterable[tuple[str, int, str]]) -> set[str]:
    """Of these open consoles, the session keys whose right has ended. Two queries for all of them.

    Each is (session key, staff id, role at connection). The right ends with the session (sign-out, expiry,
    changed password), with the account being switched off, and with another role.
    """
    wanted = list(connections)
    if not wanted:
        return set()
    alive = set(
        Session.objects.filter(
            Q(session_key__in=[key for key, _, _ in wanted]) & Q(expire_date__gt=timezone.now())
        ).values_list("session_key", flat=True)
    )
    roles = dict(
        Staff.objects.filter(pk__in={pk for _, pk, _ in wanted}, is_active=True).values_list("pk", "role")
    )
    return {key for key, pk, role in wanted if key not in alive or roles.get(pk) != role}
