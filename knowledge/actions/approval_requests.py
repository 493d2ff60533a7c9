"""Approval requests for knowledge points. Call the functions that write in a transaction that holds the lock on the
point."""

from collections.abc import Collection

from accounts.approvals import actions as approvals
from accounts.approvals.authors import record_author
from accounts.approvals.digest import digest_of
from accounts.approvals.models import ApprovalRequest
from accounts.models import Staff
from knowledge.actions.batches import batches
from knowledge.approval_kinds import PHRASINGS, VERSION
from knowledge.models import Phrasing, Point, Version
from knowledge.snapshots import accepted_phrasings, before_and_after, with_objects

State = Version.State


def record_writer(point: Point, by: Staff | None) -> None:
    """Record `by` as an author of the point's next version, because authors are not allowed to approve it."""
    record_author(VERSION, point.key, by)


def request_version(*, by: Staff, version: Version) -> ApprovalRequest:
    """Send a version in review for approval. The request also shows the published version that would be replaced."""
    point = version.point
    before, after = version_content(point)
    draft = approvals.RequestDraft(point.key, version.title, before, after)
    return approvals.request_approval(by=by, kind=VERSION, proposal=draft)


def version_content(point: Point) -> tuple[dict[str, object], dict[str, object]]:
    """Return the published version and the version in review as an approver sees them; {} for a missing one."""
    versions = with_objects(point.versions.filter(state__in=(State.PUBLISHED, State.REVIEW)))
    by_state = {version.state: version for version in versions}
    return before_and_after(
        by_state.get(State.PUBLISHED), by_state.get(State.REVIEW), accepted_phrasings(point)
    )


def shown_digest(point: Point, published: Version | None, version: Version, accepted: list[str]) -> str:
    """Return the digest of a version as it is shown on a page.

    The digest is computed from the objects that the page shows, which are not read again: a colleague may have saved
    changes since.
    """
    before, after = before_and_after(published, version, accepted)
    return digest_of(VERSION, point.key, before, after)


def renew_version_request(*, by: Staff, point: Point) -> None:
    """Send a public version in review for approval again, because its phrasings have changed."""
    version = point.versions.filter(state=State.REVIEW).first()
    if version is not None and version.is_public:
        version.point = point
        request_version(by=by, version=version)


def offered_points(points: Collection[int]) -> set[int]:
    """Return the ids of the points that the widget may suggest, now or once an approved version becomes valid."""
    versions = Version.objects.filter(state__in=(State.PUBLISHED, State.APPROVED), is_public=True)
    return {
        pk for pks in batches(points) for pk in versions.filter(point__in=pks).values_list("point", flat=True)
    }


def phrasings_content(point: Point) -> tuple[dict[str, object], dict[str, object]]:
    """Return what an approval request for waiting phrasings shows: the content before and after the approval.

    The content before has only the published title, for context. The content after has the title and the waiting
    phrasings.
    """
    title = point.published.title if point.published is not None else ""
    waiting = point.phrasings.filter(state=Phrasing.State.WAITING).order_by("pk")
    texts = list(waiting.values_list("text", flat=True))
    return {"title": title}, {"title": title, "phrasings": texts}


def request_phrasings(*, by: Staff, point: Point) -> ApprovalRequest | None:
    """Request approval of the waiting phrasings, or withdraw the pending request if no phrasing waits any more."""
    before, after = phrasings_content(point)
    if not after["phrasings"]:
        approvals.cancel(by=by, kind=PHRASINGS, subject=point.key, state=ApprovalRequest.State.WITHDRAWN)
        return None
    draft = approvals.RequestDraft(point.key, str(before["title"]) or point.key, before, after)
    return approvals.request_approval(by=by, kind=PHRASINGS, proposal=draft)
