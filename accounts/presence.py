"""Presence: the status that a staff member has chosen. It expires unless their console renews it."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone

from accounts import audit
from accounts.models import Presence, PresenceStatus, Staff
from core import database_clock

LEASE_SECONDS = 60


def set_status(
    *, staff: Staff, status: PresenceStatus, by: Staff | None = None, reason: str = ""
) -> Presence:
    """Store and audit a change of status. Setting the current status again only extends its validity.

    `by` is the person who changes it, if it is not `staff`. `reason` is a code for the audit trail.
    """
    now = timezone.now()
    with transaction.atomic():
        presence, _ = Presence.objects.select_for_update().get_or_create(staff=staff)
        if presence.status != status:
            presence.status, presence.since = status, now
            detail = {"status": status} | ({"reason": reason} if reason else {})
            audit.record(by or staff, "presence.changed", staff, **detail)
        # Only the person's own console keeps the status valid.
        if by is None or by.pk == staff.pk:
            presence.seen_at = database_clock.now()
        presence.save(update_fields=["status", "since", "seen_at"])
    return presence


def renew(staff_ids: list[int]) -> None:
    """Extend the validity of the statuses of staff whose consoles are connected. One statement,
    in a transaction of its own unless there is one.

    A presence that another transaction has locked is left to the next call, so that this one never waits.
    """
    with transaction.atomic():
        unlocked = Presence.objects.select_for_update(skip_locked=True).filter(staff_id__in=staff_ids)
        Presence.objects.filter(pk__in=unlocked.values("pk")).update(seen_at=database_clock.now())


def is_valid() -> Q:
    """Return a filter for the presences that are valid now.

    It uses the clock of the database, as `renew` does, because the clocks of several servers differ: a router whose
    clock is ahead must not take every agent for gone.
    """
    return Q(seen_at__gte=database_clock.now() - timedelta(seconds=LEASE_SECONDS))


def lease_start() -> datetime:
    """Return the earliest `seen_at` that is valid now. Staff with an earlier `seen_at` count as offline."""
    return timezone.now() - timedelta(seconds=LEASE_SECONDS)


def is_connected(staff: Staff) -> bool:
    """Return whether a console of the staff member has renewed the presence lately. One query."""
    return Presence.objects.filter(is_valid(), staff=staff).exists()


def current(presence: Presence | None) -> PresenceStatus:
    """Return the status that is valid now: offline if `presence` is None or has expired."""
    if presence is None or presence.seen_at < lease_start():
        return PresenceStatus.OFFLINE
    return PresenceStatus(presence.status)


def since_of(staff_id: int) -> datetime:
    """Return the time since which the staff member has the current status. Raises Presence.DoesNotExist."""
    return Presence.objects.get(pk=staff_id).since


def online_ids(department_id: int | None = None) -> set[int]:
    """Return the ids of the staff members who are online now, of one department or of all. One query."""
    rows = Presence.objects.filter(is_valid(), status=PresenceStatus.ONLINE, staff__is_active=True)
    if department_id is not None:
        rows = rows.filter(staff__departments=department_id)
    return set(rows.values_list("staff_id", flat=True))


def capacity_online(departments: Collection[int]) -> dict[int, int]:
    """Return the capacity of all agents who are online, by department. Departments without such agents are left out.
    One query."""
    online = Presence.objects.filter(
        is_valid(), status=PresenceStatus.ONLINE, staff__is_active=True, staff__departments__in=departments
    )
    return dict(online.order_by().values_list("staff__departments").annotate(Sum("staff__capacity")))
