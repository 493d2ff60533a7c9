"""All changes to staff accounts. Each change is audited; a change that removes a right also closes the open consoles of
that person."""

from collections.abc import Collection, Mapping

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from accounts import audit, presence, skills
from accounts.access import CAPABILITIES, require
from accounts.models import Department, PresenceStatus, Role, Staff

# This signal is sent with `staff_id` inside the transaction that removes a right. `chat` receives it and closes
# consoles. A signal is used because this app may not import `chat`.
rights_ended = Signal()

STAFF_FIELDS = ("username", "name", "name_en", "number", "role", "capacity", "is_active")


class OwnRightsRefused(Exception):
    """An administrator tried to change their own role or deactivate themselves. Refused, so that at least one
    administrator remains."""


def create_staff(
    *, by: Staff | None, staff: Staff, password: str, departments: Collection[Department]
) -> Staff:
    """Store a new staff member. `by` is the administrator who creates the account, or None on the server's command
    line."""
    if by is not None:
        require(by, "set_up")
    with transaction.atomic():
        staff.is_staff = Role(staff.role) in CAPABILITIES["use_admin"]
        staff.set_password(password)
        # Without `by`, the account is created on the command line, where its owner chooses the password.
        staff.must_change_password = by is not None
        staff.save(force_insert=True)
        staff.departments.set(departments)
        audit.record(by, "staff.created", staff, role=staff.role)
    return staff


def removes_own_rights(*, by: Staff, staff: Staff) -> bool:
    """Return whether the unsaved changes in `staff` would deactivate `by` or change the role of `by`."""
    return by.pk == staff.pk and (not staff.is_active or staff.role != by.role)


def change_staff(*, by: Staff, staff: Staff, departments: Collection[Department]) -> Staff:
    """Store the changed values of STAFF_FIELDS and the departments of a staff member.

    Changing the role, removing a department or deactivating the account closes the person's open consoles. Deactivating
    the account also ends the person's sessions. Raises OwnRightsRefused.
    """
    require(by, "set_up")
    if removes_own_rights(by=Staff.objects.get(pk=by.pk), staff=staff):
        raise OwnRightsRefused
    return _store_change(by, staff, departments)


def change_agent(
    *, by: Staff, staff: Staff, departments: Collection[Department], levels: Mapping[int, int]
) -> Staff:
    """Store the changed capacity, departments and skills of a staff member who answers customers.

    `levels` has the level of each skill by its id. Removing a department closes the person's open consoles.
    """
    require(by, "manage_agents")
    require(staff, "answer")
    with transaction.atomic():
        _store_change(by, staff, departments)
        skills.set_levels(by=by, staff=staff, levels=levels)
    return staff


def _store_change(by: Staff, staff: Staff, departments: Collection[Department]) -> Staff:
    with transaction.atomic():
        before = Staff.objects.select_for_update().get(pk=staff.pk)
        old_departments = set(before.departments.values_list("pk", flat=True))
        new_departments = {department.pk for department in departments}
        changed = [name for name in STAFF_FIELDS if getattr(before, name) != getattr(staff, name)]
        if not changed and old_departments == new_departments:
            return staff
        staff.is_staff = Role(staff.role) in CAPABILITIES["use_admin"]
        staff.save(update_fields=[*changed, "is_staff"])
        staff.departments.set(departments)
        fields = changed + (["departments"] if old_departments != new_departments else [])
        audit.record(by, "staff.changed", staff, fields=fields, role=staff.role, is_active=staff.is_active)
        if not staff.is_active and before.is_active:
            presence.set_status(staff=staff, status=PresenceStatus.OFFLINE)
            _end_sessions(staff)
        if before.role != staff.role or not staff.is_active or old_departments - new_departments:
            rights_ended.send(Staff, staff_id=staff.pk)
    return staff


def set_password(*, by: Staff, staff: Staff, password: str, keep_session: str = "") -> None:
    """Set a staff member's password, end all their sessions except `keep_session`, and close their open consoles.

    Setting another person's password requires the capability "set_up", and that person must choose a new one at the
    next sign-in. Callers must first ask `by` for their own password and check it.
    """
    if by.pk != staff.pk:
        require(by, "set_up")
    with transaction.atomic():
        staff.set_password(password)
        staff.must_change_password = by.pk != staff.pk
        staff.save(update_fields=["password", "must_change_password"])
        _end_sessions(staff, keep=keep_session)
        audit.record(by, "staff.password_set", staff)
        rights_ended.send(Staff, staff_id=staff.pk)


def _end_sessions(staff: Staff, *, keep: str = "") -> None:
    """End the sessions of a staff member, except the one with the key `keep`.

    Every session is decoded, because the session table has no column for the user. Only staff have sessions, so there
    are few.
    """
    open_sessions = Session.objects.filter(expire_date__gt=timezone.now()).exclude(session_key=keep)
    keys = [
        session.pk
        for session in open_sessions.iterator()
        if session.get_decoded().get(SESSION_KEY) == str(staff.pk)
    ]
    Session.objects.filter(pk__in=keys).delete()
