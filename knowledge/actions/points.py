"""The life cycle of a knowledge point: drafted, approved by a second person, published, replaced, withdrawn."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, OuterRef, Q, Subquery
from django.utils import timezone

from accounts import audit
from accounts.access import require
from accounts.approvals import actions as approvals
from accounts.approvals.authors import forget_authors
from accounts.approvals.models import ApprovalRequest
from accounts.models import Staff
from chat.actions.canned_replies import withdraw_replies
from core.text.cleaning import clean_line
from knowledge import access
from knowledge.actions.approval_requests import record_writer, request_version
from knowledge.actions.batches import batches
from knowledge.actions.editions import new_edition
from knowledge.approval_kinds import VERSION
from knowledge.content import FIELDS, Content, phrasings_of
from knowledge.errors import DraftChanged, KeyTaken, NotInState
from knowledge.models import Phrasing, Point, Version

State = Version.State
UNPUBLISHED_STATES = (State.DRAFT, State.REVIEW, State.APPROVED)


def create_point(
    *,
    by: Staff | None,
    key: str,
    language: str,
    owner: Staff | None,
    content: Content,
    phrasings: Iterable[str],
) -> Version:
    """Create a point and return its first draft. Raises KeyTaken or PointIncomplete.

    If `by` is None, a server command creates the point, and no right is checked.
    """
    if by is not None:
        require(by, "edit_points")
    values, texts = content.checked(), phrasings_of(phrasings)
    try:
        with transaction.atomic():
            point = Point.objects.create(key=key, language=language, owner=owner)
            version = Version.objects.create(point=point, number=1, author=by, **values)
            Phrasing.objects.bulk_create([Phrasing(point=point, text=text, by=by) for text in texts])
            record_writer(point, by)
            audit.record(by, "point.created", point, key=key)
    except IntegrityError as error:
        raise KeyTaken from error
    return version


def save_draft(*, by: Staff, point: int, content: Content, seen: datetime | None = None) -> Version:
    """Store the content as the point's unpublished version, and return it. The version is created if there is none.

    A version that was in review or approved becomes a draft again. `seen` is the `written_at` of the draft that the
    editor started from. Raises DraftChanged if somebody has saved since, and PointIncomplete.
    """
    values = content.checked()
    with transaction.atomic():
        locked = access.lock_point(by, point)
        version = locked.versions.filter(state__in=UNPUBLISHED_STATES).first()
        if version is None:
            number = (locked.versions.aggregate(last=Max("number"))["last"] or 0) + 1
            version = Version.objects.create(point=locked, number=number, author=by, **values)
        else:
            if seen is not None and version.written_at != seen:
                raise DraftChanged
            changes = values | {
                "state": State.DRAFT, "author": by, "written_at": timezone.now(), "reviewer": None, "reviewed_at": None,
            }  # fmt: skip
            _write([version], **changes)
        record_writer(locked, by)
        approvals.cancel(by=by, kind=VERSION, subject=locked.key)
        audit.record(by, "point.drafted", locked, version=version.number)
    return version


def set_owner(*, by: Staff, point: int, owner: Staff | None) -> None:
    with transaction.atomic():
        locked = access.lock_point(by, point)
        if locked.owner_id != (owner.pk if owner else None):
            locked.owner = owner
            locked.save(update_fields=["owner"])
            audit.record(by, "point.owner_changed", locked, owner=owner.pk if owner else None)


def submit(*, by: Staff, version: int) -> None:
    """Submit a version for approval by a second person. Submitting it twice is harmless. Raises NotInState."""
    with transaction.atomic():
        locked = access.lock_version(by, version)
        if locked.state != State.REVIEW:
            _require_state(locked, State.DRAFT)
            _write([locked], state=State.REVIEW, remark="")
            audit.record(by, "point.submitted", locked.point, version=locked.number)
        request_version(by=by, version=locked)


def waiting_for(version: Version) -> ApprovalRequest | None:
    """Return the pending approval request of a version in review, or None. Its digest identifies the exact content."""
    if version.state != State.REVIEW:
        return None
    pending = ApprovalRequest.objects.filter(kind=VERSION, subject=version.point.key)
    return pending.filter(state=ApprovalRequest.State.PENDING).prefetch_related("authors").first()


def send_back(*, by: Staff, version: int, remark: str) -> None:
    """Return a version to its author. `remark` says what must be changed. Raises NotInState."""
    with transaction.atomic():
        locked = access.lock_version(by, version, "approve_points")
        request = waiting_for(locked)
        if request is None:
            raise NotInState
        approvals.reject(by=by, uuid=request.uuid, reason=clean_line(remark, 500))


def approve(*, by: Staff, version: int, digest: str) -> None:
    """Approve a version if its content still has this `digest`. The version is published now, or on its first valid
    day.

    Approving it twice is harmless. Raises OwnWork if `by` has written any part of it since the last publication. Also
    raises NotInState and the errors of `approvals.approve`.
    """
    with transaction.atomic():
        locked = access.lock_version(by, version, "approve_points")
        if locked.state in (State.APPROVED, State.PUBLISHED) and locked.reviewer_id == by.pk:
            return
        request = waiting_for(locked)
        if request is None:
            raise NotInState
        approvals.approve(by=by, uuid=request.uuid, digest=digest)


def accept(*, by: Staff, version: Version) -> None:
    """Mark a version as approved and publish it if it is valid today.

    Call it in a transaction that holds the lock on the point.
    """
    audit.record(by, "point.approved", version.point, version=version.number)
    _write([version], state=State.APPROVED, reviewer=by, reviewed_at=timezone.now())
    if version.valid_from is None or version.valid_from <= timezone.localdate():
        publish([version])
        touch([version.point_id])


def return_to_author(*, by: Staff | None, version: Version, remark: str) -> None:
    """Make a version in review a draft again. Call it in a transaction that holds the lock on the point."""
    changes: dict[str, Any] = {"state": State.DRAFT}
    if remark:
        changes |= {"remark": remark, "reviewer": by, "reviewed_at": timezone.now()}
        audit.record(by, "point.sent_back", version.point, version=version.number)
    _write([version], **changes)


def publish(versions: Sequence[Version]) -> None:
    """Publish these approved versions, at most one for each point. Each replaces the published version of its point.

    Call it in a transaction that holds the locks on the points, and call `touch` afterwards.
    """
    now = timezone.now()
    replaced = [version.point.published for version in versions if version.point.published is not None]
    for version in replaced:
        withdraw_replies(source=version.source)
    _write(replaced, state=State.REPLACED, ended_at=now)
    _write(versions, state=State.PUBLISHED, published_at=now)
    for version in versions:
        version.point.published = version
    published = Version.objects.filter(point=OuterRef("pk"), state=State.PUBLISHED).values("pk")[:1]
    for pks in batches([version.point_id for version in versions]):
        Point.objects.filter(pk__in=pks).update(published=Subquery(published))
    forget_authors(VERSION, [version.point.key for version in versions])


def withdraw(*, by: Staff, point: int, reason: str) -> None:
    """Withdraw the published version and the canned replies made from it. Withdrawing twice is harmless."""
    with transaction.atomic():
        locked = access.lock_point(by, point)
        if locked.published is not None:
            audit.record(by, "point.withdrawn", locked, version=locked.published.number)
            _write([locked.published], remark=clean_line(reason, 500))
            end(locked)


def end(point: Point) -> None:
    """Withdraw the published version. Call it in a transaction that holds the lock on the point."""
    assert point.published is not None
    withdraw_replies(source=point.published.source)
    _write([point.published], state=State.WITHDRAWN, ended_at=timezone.now())
    point.published = None
    point.save(update_fields=["published"])
    touch([point.pk])


def keep_validity(today: date | None = None) -> int:
    """Withdraw expired versions and publish those approved for today. Returns the number of points changed.

    Every process runs this periodic job. That is harmless, because the job skips points that another process has just
    changed.
    """
    today = today or timezone.localdate()
    due = Q(state=State.PUBLISHED, valid_until__lt=today) | (
        Q(state=State.APPROVED) & (Q(valid_from__isnull=True) | Q(valid_from__lte=today))
    )
    changed = 0
    for point in sorted(set(Version.objects.filter(due).values_list("point", flat=True))):
        with transaction.atomic():
            locked = Point.objects.select_for_update(of=("self",)).select_related("published").get(pk=point)
            changed += _update_validity(locked, today)
    return changed


def _update_validity(point: Point, today: date) -> bool:
    approved = point.versions.select_related("point__published").filter(state=State.APPROVED).first()
    if approved is not None and (approved.valid_from is None or approved.valid_from <= today):
        approved.point = point
        publish([approved])
        touch([point.pk])
        audit.record(None, "point.published_on_its_day", point, version=approved.number)
        return True
    if point.published is not None and point.published.valid_until and point.published.valid_until < today:
        audit.record(None, "point.expired", point, version=point.published.number)
        end(point)
        return True
    return False


def discard_draft(*, by: Staff, version: int) -> None:
    """Delete an unpublished version, and the point if it has no other version. Raises NotInState."""
    with transaction.atomic():
        locked = access.lock_version(by, version)
        if locked.state not in UNPUBLISHED_STATES:
            raise NotInState
        audit.record(by, "point.draft_discarded", locked.point, version=locked.number)
        point = locked.point
        # The authors stay recorded: otherwise, an author could approve the same text after somebody else has typed it
        # again.
        approvals.cancel(by=by, kind=VERSION, subject=point.key, state=ApprovalRequest.State.WITHDRAWN)
        locked.delete()
        if not point.versions.exists():
            point.delete()


def touch(points: Collection[int]) -> None:
    """Store a new edition in these points, so that searches see the change."""
    edition = new_edition()
    for pks in batches(points):
        Point.objects.filter(pk__in=pks).update(edition=edition)


def _write(versions: Sequence[Version], **values: Any) -> None:
    for version in versions:
        for name, value in values.items():
            setattr(version, name, value)
    for pks in batches([version.pk for version in versions]):
        Version.objects.filter(pk__in=pks).update(**values)


def _require_state(version: Version, state: Version.State) -> None:
    if version.state != state:
        raise NotInState


def content_of(version: Version) -> Content:
    return Content(**{name: getattr(version, name) for name in FIELDS})
