"""Functions that read approval requests. Each docstring gives the number of database queries."""

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
    """Return the pending requests that have not expired, oldest first. One query when evaluated."""
    return ApprovalRequest.objects.filter(state=State.PENDING, expires_at__gt=timezone.now()).order_by(
        "requested_at", "pk"
    )


def approvable_by(staff: Staff) -> QuerySet[ApprovalRequest]:
    """Return the pending requests that a staff member may approve. Requests that this person wrote are left out.

    Authors are prefetched. Two queries when evaluated.
    """
    requests = pending().filter(kind__in=kinds_approvable_by(staff)).exclude(authors=staff)
    return requests.prefetch_related("authors")


def approvable_count(staff: Staff) -> int:
    """Return the number of requests that a staff member may approve. At most one query."""
    return approvable_by(staff).count() if kinds_approvable_by(staff) else 0


def written_by(staff: Staff) -> QuerySet[ApprovalRequest]:
    """Return the pending requests written by a staff member, with prefetched authors. Two queries when evaluated."""
    waiting = ApprovalRequest.objects.filter(state=State.PENDING, authors=staff)
    return waiting.order_by("requested_at", "pk").prefetch_related("authors")


def recently_decided(staff: Staff, limit: int = 20) -> list[ApprovalRequest]:
    """Return at most `limit` closed requests that a staff member wrote or decided, newest first. One query.

    Superseded requests are left out.
    """
    closed = ApprovalRequest.objects.exclude(state__in=(State.PENDING, State.SUPERSEDED))
    mine = closed.filter(Q(authors=staff) | Q(decided_by=staff)).distinct()
    return list(mine.select_related("decided_by").order_by("-decided_at", "-pk")[:limit])


def request_for(staff: Staff, uuid: UUID) -> ApprovalRequest:
    """Return a request that a staff member wrote or may approve. Raises RequestNotFound. At most two queries."""
    request = ApprovalRequest.objects.select_related("requested_by", "decided_by").filter(uuid=uuid).first()
    if request is None or not (
        may(staff, kind_of(request).right) or request.authors.filter(pk=staff.pk).exists()
    ):
        raise RequestNotFound
    return request
