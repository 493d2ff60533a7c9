"""Presence: what an agent says they are, believed only while their console gives signs of life."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import Presence, PresenceStatus, Staff

LEASE_SECONDS = 60


def set_status(*, staff: Staff, status: PresenceStatus) -> Presence:
    """Saves and audits a change of status; setting the same again only renews the lease."""
    now = timezone.now()
    with transaction.atomic():
        presence, _ = Presence.objects.select_for_update().get_or_create(staff=staff)
        if presence.status != status:
            presence.status, presence.since = status, now
            audit.record(staff, "presence.changed", staff, status=status)
        presence.seen_at = now
        presence.save(update_fields=["status", "since", "seen_at"])
    return presence


def renew(staff_ids: list[int]) -> None:
    """A sign of life of the consoles of these staff, in one statement."""
    Presence.objects.filter(staff_id__in=staff_ids).update(seen_at=timezone.now())


def lease_start() -> datetime:
    """Whose last sign of life is older counts as offline."""
    return timezone.now() - timedelta(seconds=LEASE_SECONDS)


def current(presence: Presence | None) -> PresenceStatus:
    """The status that may be believed now: a lease that has run out reads as offline."""
    if presence is None or presence.seen_at < lease_start():
        return PresenceStatus.OFFLINE
    return PresenceStatus(presence.status)


def online_ids(department_id: int | None = None) -> set[int]:
    """Ids of the staff who are online now, of one department or of all."""
    rows = Presence.objects.filter(
        status=PresenceStatus.ONLINE, seen_at__gte=lease_start(), staff__is_active=True
    )
    if department_id is not None:
        rows = rows.filter(staff__departments=department_id)
    return set(rows.values_list("staff_id", flat=True))
