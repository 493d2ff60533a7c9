"""Every change of staff. All are audited; what takes a right away also ends open consoles."""

from collections.abc import Collection

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from accounts import audit, presence
from accounts.access import CAPABILITIES, require
from accounts.models import Department, PresenceStatus, Role, Staff

# Sent with `staff_id`, in the transaction that takes the right away. `chat`, which this app does not know, listens.
rights_ended = Signal()

STAFF_FIELDS = ("username", "name", "name_en", "number", "role", "capacity", "is_active")


class OwnRightsRefused(Exception):
    """An administrator may not take their own rights away: so there is always one left."""


def create_staff(
    *, by: Staff | None, staff: Staff, password: str, departments: Collection[Department]
) -> Staff:
    """Stores a new member of staff. Without `by` it is the first, made at the server's command line."""
    if by is not None:
        require(by, "set_up")
    with transaction.atomic():
        staff.is_staff = Role(staff.role) in CAPABILITIES["use_admin"]
        staff.set_password(password)
        # Whoever runs the command line chooses their own.
        staff.must_change_password = by is not None
        staff.save(force_insert=True)
        staff.departments.set(departments)
        audit.record(by, "staff.created", staff, role=staff.role)
    return staff


def removes_own_rights(*, by: Staff, staff: Staff) -> bool:
    return by.pk == staff.pk and (not staff.is_active or staff.role != by.role)


def change_staff(*, by: Staff, staff: Staff, departments: Collection[Department]) -> Staff:
    """Stores what of STAFF_FIELDS and the departments differs from what is stored.

    Another role, a department less and an account switched off end the open consoles of this member of staff; an
    account switched off also ends the sessions. Raises OwnRightsRefused.
    """
    require(by, "set_up")
    if removes_own_rights(by=Staff.objects.get(pk=by.pk), staff=staff):
        raise OwnRightsRefused
    with transaction.atomic():
        before = Staff.objects.select_for_update().get(pk=staff.pk)
        had = set(before.departments.values_list("pk", flat=True))
        has = {department.pk for department in departments}
        changed = [name for name in STAFF_FIELDS if getattr(before, name) != getattr(staff, name)]
        if not changed and had == has:
            return staff
        staff.is_staff = Role(staff.role) in CAPABILITIES["use_admin"]
        staff.save(update_fields=[*changed, "is_staff"])
        staff.departments.set(departments)
        fields = changed + (["departments"] if had != has else [])
        audit.record(by, "staff.changed", staff, fields=fields, role=staff.role, is_active=staff.is_active)
        if not staff.is_active and before.is_active:
            presence.set_status(staff=staff, status=PresenceStatus.OFFLINE)
            _end_sessions(staff)
        if before.role != staff.role or not staff.is_active or had - has:
            rights_ended.send(Staff, staff_id=staff.pk)
    return staff


def set_password(*, by: Staff, staff: Staff, password: str, keep_session: str = "") -> None:
    """Sets one's own password, or with the right to it somebody else's, who has to choose another at the next sign-in.

    All sessions but `keep_session` end. The caller has had `by` confirm their own password.
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
    """Sessions do not say in a column whose they are, but only staff have any: there are few to look into."""
    alive = Session.objects.filter(expire_date__gt=timezone.now()).exclude(session_key=keep)
    theirs = [
        session.pk for session in alive.iterator() if session.get_decoded().get(SESSION_KEY) == str(staff.pk)
    ]
    Session.objects.filter(pk__in=theirs).delete()
