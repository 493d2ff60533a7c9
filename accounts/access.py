"""Which role may do what. One table, read by every door; what is not in it is denied."""

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
    "choose_from_queue": frozenset({Role.SUPERVISOR}),
    "edit_shared_replies": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "use_knowledge": frozenset({Role.AGENT, Role.SUPERVISOR, Role.EDITOR, Role.ADMINISTRATOR}),
    "edit_points": frozenset({Role.SUPERVISOR, Role.EDITOR, Role.ADMINISTRATOR}),
    "approve_points": frozenset({Role.SUPERVISOR, Role.EDITOR, Role.ADMINISTRATOR}),
    # Whoever sets exams or judges questions sees the answers, so nobody with "set_exams" is in here.
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
    # Sites, their texts, departments and shared replies: what customers read besides knowledge points.
    "approve_set_up": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
}


def may(staff: Staff, capability: str) -> bool:
    """Whether this member of staff may do it now. An unknown capability is a programming error (KeyError)."""
    return staff.is_active and not staff.must_change_password and staff.role in CAPABILITIES[capability]


def require(staff: Staff, capability: str) -> None:
    """Raises PermissionDenied unless `may`."""
    if not may(staff, capability):
        raise PermissionDenied(capability)


def restricted_departments(staff: Staff) -> QuerySet[QueueRestriction]:
    """What keeps this member of staff from taking conversations of a department today. Nobody is kept from it who may
    choose from the queue: that is a decision by hand."""
    held = QueueRestriction.objects.filter(staff=staff, is_lifted=False, since__lte=timezone.localdate())
    return held.none() if may(staff, "choose_from_queue") else held


class Connection(NamedTuple):
    """An open console, and the rights that it was opened with."""

    session_key: str
    staff_id: int
    role: str
    departments: frozenset[int]


def rights_lost(connections: Iterable[Connection]) -> set[Connection]:
    """Those of these open consoles whose right has ended. Three queries for all of them.

    The right ends with the session (sign-out, expiry, changed password), with the account being switched off, with
    another role and with a department less.
    """
    wanted = set(connections)
    if not wanted:
        return set()
    sessions = {
        session.session_key: session
        for session in Session.objects.filter(
            session_key__in={each.session_key for each in wanted}, expire_date__gt=timezone.now()
        )
    }
    members = {
        staff.pk: staff
        for staff in Staff.objects.filter(
            pk__in={each.staff_id for each in wanted}, is_active=True
        ).prefetch_related("departments")
    }
    return {
        each
        for each in wanted
        if not _stands(each, sessions.get(each.session_key), members.get(each.staff_id))
    }


def _stands(connection: Connection, session: Session | None, staff: Staff | None) -> bool:
    if session is None or staff is None or staff.role != connection.role or staff.must_change_password:
        return False
    if not connection.departments <= {department.pk for department in staff.departments.all()}:
        return False
    signed_in = session.get_decoded()
    # The hash is of the password: Django ends the sessions of a changed one when they are next used.
    expected = (staff.get_session_auth_hash(), *staff.get_session_auth_fallback_hash())
    return str(signed_in.get(SESSION_KEY)) == str(staff.pk) and any(
        constant_time_compare(str(signed_in.get(HASH_SESSION_KEY, "")), each) for each in expected
    )
