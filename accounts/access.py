"""The capabilities of each staff role, in one table. Views, sockets and actions all check it; a role has no other
rights."""

from collections.abc import Iterable
from typing import NamedTuple

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import QueueRestriction, Role, Staff

CAPABILITIES: dict[str, frozenset[Role]] = {
    "use_console": frozenset({Role.AGENT, Role.SUPERVISOR}),
    "answer": frozenset({Role.AGENT, Role.SUPERVISOR}),
    "see_all_conversations": frozenset({Role.SUPERVISOR}),
    "assign_to_others": frozenset({Role.SUPERVISOR}),
    # "manage_agents" is about the presence, capacity, departments and skills of the people who answer customers.
    "manage_agents": frozenset({Role.SUPERVISOR}),
    "choose_from_queue": frozenset({Role.SUPERVISOR}),
    "edit_shared_replies": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "use_knowledge": frozenset({Role.AGENT, Role.SUPERVISOR, Role.EDITOR, Role.ADMINISTRATOR}),
    "edit_points": frozenset({Role.SUPERVISOR, Role.EDITOR, Role.ADMINISTRATOR}),
    "approve_points": frozenset({Role.SUPERVISOR, Role.EDITOR, Role.ADMINISTRATOR}),
    # Roles with "set_exams" see the answers when they set exams or review questions, so they are not allowed to sit
    # exams.
    "take_exams": frozenset({Role.AGENT}),
    "use_drill": frozenset({Role.AGENT, Role.SUPERVISOR}),
    "set_exams": frozenset({Role.SUPERVISOR, Role.EDITOR, Role.ADMINISTRATOR}),
    "see_exam_results": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "see_who_was_told": frozenset({Role.SUPERVISOR, Role.AUDITOR}),
    "use_admin": frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.EDITOR, Role.ADMINISTRATOR}),
    "read_records": frozenset({Role.SUPERVISOR, Role.AUDITOR}),
    "export_records": frozenset({Role.SUPERVISOR, Role.AUDITOR}),
    "read_audit": frozenset({Role.AUDITOR, Role.ADMINISTRATOR}),
    "set_up": frozenset({Role.ADMINISTRATOR}),
    # "approve_set_up" covers everything that customers read except knowledge points: sites, their texts, departments
    # and shared replies.
    "approve_set_up": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
}


def may(staff: Staff, capability: str) -> bool:
    """Return whether the staff member has the capability now. Raises KeyError for a name that is not in
    CAPABILITIES."""
    return staff.is_active and not staff.must_change_password and staff.role in CAPABILITIES[capability]


def require(staff: Staff, capability: str) -> None:
    """Raise PermissionDenied unless the staff member has the capability now."""
    if not may(staff, capability):
        raise PermissionDenied(capability)


def restricted_departments(staff: Staff) -> QuerySet[QueueRestriction]:
    """Return the queue restrictions of a staff member that are in force today.

    A restriction keeps the person from taking conversations from the queue of one department.

    Staff with the capability "choose_from_queue" have no restrictions, because they choose each conversation
    themselves.
    """
    restrictions = QueueRestriction.objects.filter(
        staff=staff, is_lifted=False, since__lte=timezone.localdate()
    )
    return restrictions.none() if may(staff, "choose_from_queue") else restrictions


class Connection(NamedTuple):
    """An open console: its session, and the role and departments that the staff member had when it was opened."""

    session_key: str
    staff_id: int
    role: str
    departments: frozenset[int]


def rights_lost(connections: Iterable[Connection]) -> set[Connection]:
    """Return the open consoles that must be closed because their rights have ended. Three queries in total.

    Rights end when the session ends (sign-out, expiry or a changed password), when the account is deactivated, when the
    role changes and when the staff member leaves a department.
    """
    consoles = set(connections)
    if not consoles:
        return set()
    sessions = {
        session.session_key: session
        for session in Session.objects.filter(
            session_key__in={console.session_key for console in consoles}, expire_date__gt=timezone.now()
        )
    }
    members = {
        staff.pk: staff
        for staff in Staff.objects.filter(
            pk__in={console.staff_id for console in consoles}, is_active=True
        ).prefetch_related("departments")
    }
    return {
        console
        for console in consoles
        if not _has_rights(console, sessions.get(console.session_key), members.get(console.staff_id))
    }


def _has_rights(connection: Connection, session: Session | None, staff: Staff | None) -> bool:
    if session is None or staff is None or staff.role != connection.role or staff.must_change_password:
        return False
    if not connection.departments <= {department.pk for department in staff.departments.all()}:
        return False
    session_data = session.get_decoded()
    # The session hash depends on the password. After a password change, Django ends an old session only at its next
    # request, and an open console may never send one.
    expected_hashes = (staff.get_session_auth_hash(), *staff.get_session_auth_fallback_hash())
    return str(session_data.get(SESSION_KEY)) == str(staff.pk) and any(
        constant_time_compare(str(session_data.get(HASH_SESSION_KEY, "")), expected)
        for expected in expected_hashes
    )
