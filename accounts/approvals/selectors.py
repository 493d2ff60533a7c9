"""Reads of requests for approval. Each says how many queries it makes."""

from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.access import may
from accounts.approvals.errors import RequestNotFound
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.registry import kind_of, kinds_approvable_by
from accounts.models import Staff

State = ApprovalRequest.State


def pending() -> QuerySet[ApprovalRequest]:
    """What waits and has not expired, the longest waiting first."""
    return ApprovalRequest.objects.filter(state=State.PENDING, expires_at__gt=timezone.now()).order_by(
        "requested_at", "pk"
    )


def approvable_by(staff: Staff) -> QuerySet[ApprovalRequest]:
    """What waits for this member of staff: of a kind that they may approve, and not their own. Two queries when read,
    with the authors."""
    found = pending().filter(kind__in=kinds_approvable_by(staff)).exclude(authors=staff)
    return found.prefetch_related("authors")


def approvable_count(staff: Staff) -> int:
    """How many requests wait for this member of staff. At most one query."""
    return approvable_by(staff).count() if kinds_approvable_by(staff) else 0


def written_by(staff: Staff) -> QuerySet[ApprovalRequest]:
    """What this member of staff has written and still waits. Two queries when read, with the authors."""
    waiting = ApprovalRequest.objects.filter(state=State.PENDING, authors=staff)
    return waiting.order_by("requested_at", "pk").prefetch_related("authors")


def recently_decided(staff: Staff, limit: int = 20) -> list[ApprovalRequest]:
    """The newest closed requests that this member of staff wrote or decided. Two queries."""
    closed = ApprovalRequest.objects.exclude(state__in=(State.PENDING, State.SUPERSEDED))
    mine = closed.filter(Q(authors=staff) | Q(decided_by=staff)).distinct()
    return list(mine.select_related("decided_by").order_by("-decided_at", "-pk")[:limit])


def request_for(staff: Staff, uuid: UUID) -> ApprovalRequest:
    """A request that this member of staff wrote or may approve. Raises RequestNotFound. Two queries at most."""
    found = ApprovalRequest.objects.select_related("requested_by", "decided_by").filter(uuid=uuid).first()
    if found is None or not (may(staff, kind_of(found).right) or found.authors.filter(pk=staff.pk).exists()):
        raise RequestNotFound
    return found
