"""The life of a knowledge point: written, reviewed by a second person, said, replaced, withdrawn."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, Q
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
from knowledge.actions.approval_requests import note_writer, request_version
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
    """A new point with a first draft. Without `by`: made by a command. Raises KeyTaken, PointIncomplete."""
    if by is not None:
        require(by, "edit_points")
    values, texts = content.checked(), phrasings_of(phrasings)
    try:
        with transaction.atomic():
            point = Point.objects.create(key=key, language=language, owner=owner)
            version = Version.objects.create(point=point, number=1, author=by, **values)
            Phrasing.objects.bulk_create([Phrasing(point=point, text=text, by=by) for text in texts])
            note_writer(point, by)
            audit.record(by, "point.created", point, key=key)
    except IntegrityError as error:
        raise KeyTaken from error
    return version


def save_draft(*, by: Staff, point: int, content: Content, seen: datetime | None = None) -> Version:
    """Writes the point's draft; where there is none, a new version becomes one.

    One that was in review or approved goes back to being a draft. `seen` is the `written_at` of the draft that the
    editor began with: DraftChanged when another has written since. Raises PointIncomplete.
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
            _write(version, **changes)
        note_writer(locked, by)
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
    """Send a version for a second person's approval. Sending the same words twice is harmless. Raises NotInState."""
    with transaction.atomic():
        found = access.lock_version(by, version)
        if found.state != State.REVIEW:
            _require_state(found, State.DRAFT)
            _write(found, state=State.REVIEW, remark="")
            audit.record(by, "point.submitted", found.point, version=found.number)
        request_version(by=by, version=found)


def waiting_for(version: Version) -> ApprovalRequest | None:
    """The request by which a version in review waits for approval; its digest stands for what a page shows."""
    if version.state != State.REVIEW:
        return None
    pending = ApprovalRequest.objects.filter(kind=VERSION, subject=version.point.key)
    return pending.filter(state=ApprovalRequest.State.PENDING).prefetch_related("authors").first()


def send_back(*, by: Staff, version: int, remark: str) -> None:
    """Back to its author, with what is to be mended. Raises NotInState."""
    with transaction.atomic():
        found = access.lock_version(by, version, "approve_points")
        request = waiting_for(found)
        if request is None:
            raise NotInState
        approvals.reject(by=by, uuid=request.uuid, reason=clean_line(remark, 500))


def approve(*, by: Staff, version: int, digest: str) -> None:
    """Approve a version in the words that `digest` stands for: they are said from now on, or from their first day.

    Approving what is approved is harmless. Raises NotInState, OwnWork for everybody who wrote any of it since the last
    publication, and what `approvals.approve` raises.
    """
    with transaction.atomic():
        found = access.lock_version(by, version, "approve_points")
        if found.state in (State.APPROVED, State.PUBLISHED) and found.reviewer_id == by.pk:
            return
        request = waiting_for(found)
        if request is None:
            raise NotInState
        approvals.approve(by=by, uuid=request.uuid, digest=digest)


def accept(*, by: Staff, version: Version) -> None:
    """Write that a version is approved. In the caller's transaction, its point locked."""
    audit.record(by, "point.approved", version.point, version=version.number)
    _write(version, state=State.APPROVED, reviewer=by, reviewed_at=timezone.now())
    if version.valid_from is None or version.valid_from <= timezone.localdate():
        publish(version)


def return_to_author(*, by: Staff | None, version: Version, remark: str) -> None:
    """Make a version in review a draft again. In the caller's transaction, its point locked."""
    changes: dict[str, Any] = {"state": State.DRAFT}
    if remark:
        changes |= {"remark": remark, "reviewer": by, "reviewed_at": timezone.now()}
        audit.record(by, "point.sent_back", version.point, version=version.number)
    _write(version, **changes)


def publish(version: Version) -> None:
    """Puts an approved version in place of the one before. In the caller's transaction, its point locked."""
    point, now = version.point, timezone.now()
    before = point.published
    if before is not None:
        _write(before, state=State.REPLACED, ended_at=now)
        withdraw_replies(source=before.source)
    _write(version, state=State.PUBLISHED, published_at=now)
    point.published = version
    touch(point, "published")
    forget_authors(VERSION, [point.key])


def withdraw(*, by: Staff, point: int, reason: str) -> None:
    """Nobody says it any more, nor a canned reply that was made of it. Withdrawing twice is harmless."""
    with transaction.atomic():
        locked = access.lock_point(by, point)
        if locked.published is not None:
            audit.record(by, "point.withdrawn", locked, version=locked.published.number)
            _write(locked.published, remark=clean_line(reason, 500))
            end(locked)


def end(point: Point) -> None:
    """Takes the published version out of use. In the caller's transaction, the point locked."""
    assert point.published is not None
    withdraw_replies(source=point.published.source)
    _write(point.published, state=State.WITHDRAWN, ended_at=timezone.now())
    point.published = None
    touch(point, "published")


def keep_validity(today: date | None = None) -> int:
    """Withdraws what has expired and publishes what was approved for today; returns how many points changed.

    Any process may call it at any time: what another has just done is not done again.
    """
    today = today or timezone.localdate()
    due = Q(state=State.PUBLISHED, valid_until__lt=today) | (
        Q(state=State.APPROVED) & (Q(valid_from__isnull=True) | Q(valid_from__lte=today))
    )
    changed = 0
    for point in sorted(set(Version.objects.filter(due).values_list("point", flat=True))):
        with transaction.atomic():
            locked = Point.objects.select_for_update(of=("self",)).select_related("published").get(pk=point)
            changed += _keep_valid(locked, today)
    return changed


def _keep_valid(point: Point, today: date) -> bool:
    next_one = point.versions.select_related("point__published").filter(state=State.APPROVED).first()
    if next_one is not None and (next_one.valid_from is None or next_one.valid_from <= today):
        next_one.point = point
        publish(next_one)
        audit.record(None, "point.published_on_its_day", point, version=next_one.number)
        return True
    if point.published is not None and point.published.valid_until and point.published.valid_until < today:
        audit.record(None, "point.expired", point, version=point.published.number)
        end(point)
        return True
    return False


def discard_draft(*, by: Staff, version: int) -> None:
    """Removes a version that was never said; a point that has no other goes with it. Raises NotInState."""
    with transaction.atomic():
        found = access.lock_version(by, version)
        if found.state not in UNPUBLISHED_STATES:
            raise NotInState
        audit.record(by, "point.draft_discarded", found.point, version=found.number)
        point = found.point
        # Who wrote it stays known: the same words typed again are no less their author's.
        approvals.cancel(by=by, kind=VERSION, subject=point.key, state=ApprovalRequest.State.WITHDRAWN)
        found.delete()
        if not point.versions.exists():
            point.delete()


def touch(point: Point, *fields: str) -> None:
    """Store these fields of a point, and make a new edition: a search has to see it."""
    point.edition = new_edition()
    point.save(update_fields=[*fields, "edition"])


def _write(version: Version, **values: Any) -> None:
    for name, value in values.items():
        setattr(version, name, value)
    version.save(update_fields=list(values))


def _require_state(version: Version, state: Version.State) -> None:
    if version.state != state:
        raise NotInState


def content_of(version: Version) -> Content:
    return Content(**{name: getattr(version, name) for name in FIELDS})
