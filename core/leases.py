"""Leases in the database: at most one process holds each, and it loses the lease if it does not renew it in time.

All times are those of the database, because the clocks of several machines differ.
"""

from datetime import timedelta

from django.db.models import Q

from core import database_clock
from core.models import Lease


def hold(name: str, holder: str, seconds: float) -> bool:
    """Take a free or expired lease, or renew the holder's own. Returns whether the holder now has it for `seconds`.

    One statement if the lease exists, otherwise two.
    """
    until = database_clock.now() + timedelta(seconds=seconds)
    free_or_own = Q(holder=holder) | Q(until__lt=database_clock.now())
    if Lease.objects.filter(free_or_own, name=name).update(holder=holder, until=until):
        return True
    if Lease.objects.filter(name=name).exists():
        return False
    Lease.objects.bulk_create([Lease(name=name, holder=holder, until=until)], ignore_conflicts=True)
    return Lease.objects.filter(name=name, holder=holder).exists()


def lock(name: str, holder: str) -> bool:
    """Lock the lease until the end of the transaction. Returns whether the holder still has it.

    While it is locked, no other process can take it, even if it expires meanwhile.
    """
    held = Lease.objects.select_for_update().filter(name=name, holder=holder, until__gte=database_clock.now())
    return held.exists()


def release(name: str, holder: str) -> None:
    """Give the lease back, so that another process can take it at once."""
    Lease.objects.filter(name=name, holder=holder).delete()


def holders(prefix: str) -> set[str]:
    """Return the holders of all leases in force whose name begins with `prefix`. One query."""
    in_force = Lease.objects.filter(name__startswith=prefix, until__gte=database_clock.now())
    return set(in_force.values_list("holder", flat=True))


def delete_expired(prefix: str, *, seconds: float) -> int:
    """Delete the leases with this prefix that expired more than `seconds` ago. Returns their number."""
    deleted, _ = Lease.objects.filter(
        name__startswith=prefix, until__lt=database_clock.now() - timedelta(seconds=seconds)
    ).delete()
    return deleted
