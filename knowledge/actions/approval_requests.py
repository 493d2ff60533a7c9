"""What of a knowledge point is sent for approval. In the caller's transaction, the point locked."""

from accounts.approvals import actions as approvals
from accounts.approvals.authors import record_author
from accounts.approvals.digest import digest_of
from accounts.approvals.models import ApprovalRequest
from accounts.models import Staff
from knowledge.approval_kinds import PHRASINGS, VERSION
from knowledge.models import Phrasing, Point, Version
from knowledge.snapshots import accepted_phrasings, before_and_after, with_objects

State = Version.State


def note_writer(point: Point, by: Staff | None) -> None:
    """Remember who wrote a part of what the point is to say."""
    record_author(VERSION, point.key, by)


def request_version(*, by: Staff, version: Version) -> ApprovalRequest:
    """Send a version in review for approval, with what it takes the place of."""
    point = version.point
    before, after = version_content(point)
    proposal = approvals.RequestDraft(point.key, version.title, before, after)
    return approvals.request_approval(by=by, kind=VERSION, proposal=proposal)


def version_content(point: Point) -> tuple[dict[str, object], dict[str, object]]:
    """What is said now, and the version in review; each as an approver is shown it, or empty."""
    versions = with_objects(point.versions.filter(state__in=(State.PUBLISHED, State.REVIEW)))
    found = {version.state: version for version in versions}
    return before_and_after(found.get(State.PUBLISHED), found.get(State.REVIEW), accepted_phrasings(point))


def shown_digest(point: Point, published: Version | None, version: Version, accepted: list[str]) -> str:
    """The digest of a version as a page shows it, made of the very objects that are shown: a colleague may save between
    two reads of one page."""
    before, after = before_and_after(published, version, accepted)
    return digest_of(VERSION, point.key, before, after)


def renew_version_request(*, by: Staff, point: Point) -> None:
    """The phrasings that a version in review takes to customers have changed: what waits shows the new ones."""
    version = point.versions.filter(state=State.REVIEW).first()
    if version is not None and version.is_public:
        version.point = point
        request_version(by=by, version=version)


def is_offered_to_customers(point: Point) -> bool:
    """Whether the box may offer the point, now or from a day for which that is approved."""
    said = point.versions.filter(state__in=(State.PUBLISHED, State.APPROVED), is_public=True)
    return said.exists()


def phrasings_content(point: Point) -> tuple[dict[str, object], dict[str, object]]:
    """The title of what is said now, for context, and beside it the phrasings that wait."""
    title = point.published.title if point.published is not None else ""
    waiting = point.phrasings.filter(state=Phrasing.State.WAITING).order_by("pk")
    texts = list(waiting.values_list("text", flat=True))
    return {"title": title}, {"title": title, "phrasings": texts}


def request_phrasings(*, by: Staff, point: Point) -> ApprovalRequest | None:
    """Send the phrasings that wait for approval, or take the request back where none waits any more."""
    before, after = phrasings_content(point)
    if not after["phrasings"]:
        approvals.cancel(by=by, kind=PHRASINGS, subject=point.key, state=ApprovalRequest.State.WITHDRAWN)
        return None
    proposal = approvals.RequestDraft(point.key, str(before["title"]) or point.key, before, after)
    return approvals.request_approval(by=by, kind=PHRASINGS, proposal=proposal)
