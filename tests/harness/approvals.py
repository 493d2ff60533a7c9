"""Approval of pending requests in tests. As on the real pages, an approval names the digest of the pending content."""

from __future__ import annotations

from accounts.approvals import actions
from accounts.approvals.models import ApprovalRequest
from accounts.models import Staff
from knowledge.actions import points
from knowledge.models import Version


def digest_of_version(version: int) -> str:
    """Return the digest that the page of this version would post, or "" if no request for the version is pending."""
    waiting = points.waiting_for(Version.objects.select_related("point").get(pk=version))
    return waiting.digest if waiting is not None else ""


def approve_version(*, by: Staff, version: int) -> None:
    points.approve(by=by, version=version, digest=digest_of_version(version))


def pending(kind: str = "") -> list[ApprovalRequest]:
    """Return all pending requests, oldest first; only those of `kind`, if given."""
    waiting = ApprovalRequest.objects.filter(state="pending").order_by("pk")
    return list(waiting.filter(kind=kind) if kind else waiting)


def approve_pending(*, by: Staff, kind: str = "") -> int:
    """Approve all pending requests, or only those of `kind`, if given. Return their number."""
    waiting = pending(kind)
    for request in waiting:
        actions.approve(by=by, uuid=request.uuid, digest=request.digest)
    return len(waiting)
