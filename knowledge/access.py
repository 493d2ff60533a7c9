"""The doors to knowledge: staff read what is published, editors everything."""

from collections.abc import Iterable

from accounts.access import may, require
from accounts.approvals.models import ApprovalRequest
from accounts.models import Staff
from chat.access import readable_ids
from knowledge.errors import PointNotFound
from knowledge.models import Phrasing, Point, PointFile, UnansweredQuestion, Version

UNPUBLISHED_STATES = (Version.State.DRAFT, Version.State.REVIEW, Version.State.APPROVED)


def point_for(staff: Staff, key: str) -> Point:
    """A point that is published, or for an editor any. Raises PointNotFound, PermissionDenied."""
    require(staff, "use_knowledge")
    point = Point.objects.select_related("published", "owner").filter(key=key).first()
    if point is None or (point.published is None and not _edits(staff)):
        raise PointNotFound
    return point


def recipients_point_for(staff: Staff, key: str) -> Point:
    """A point, for who may see which customers were told it. Raises PointNotFound, PermissionDenied."""
    require(staff, "see_who_was_told")
    point = Point.objects.select_related("published").filter(key=key).first()
    if point is None:
        raise PointNotFound
    return point


def version_for(staff: Staff, point: Point, number: int | None) -> Version:
    """The version of this number, or what is said now, or for an editor what is to be said. Raises PointNotFound."""
    versions = point.versions.select_related(
        "point", "author", "reviewer", "category", "department", "region", "branch"
    )
    if not _edits(staff):
        number = point.published.number if point.published else -1
    if number is not None:
        found = versions.filter(number=number).first()
    elif point.published is not None:
        found = versions.filter(pk=point.published.pk).first()
    else:
        found = versions.order_by("-number").first()
    if found is None:
        raise PointNotFound
    return found


def file_for(staff: Staff, pk: int) -> PointFile:
    """A file of a point that this member of staff may read; one that waits for approval, editors and those who approve.

    Raises PointNotFound, PermissionDenied.
    """
    file = PointFile.objects.select_related("point").filter(pk=pk).first()
    if file is None or not (file.is_approved or _edits(staff)):
        require(staff, "use_knowledge")
        raise PointNotFound
    point_for(staff, file.point.key)
    return file


def readable_examples(staff: Staff, gaps: Iterable[UnansweredQuestion]) -> set[int]:
    """Of the conversations in the gaps' `examples`, those that this member of staff may read. One query."""
    asked = [question.conversation_id for gap in gaps for question in gap.examples]  # type: ignore[attr-defined]
    return readable_ids(staff, asked)


def lock_point(staff: Staff, pk: int) -> Point:
    """A point that this editor may change, locked until the end. Raises PointNotFound, PermissionDenied."""
    require(staff, "edit_points")
    point = Point.objects.select_for_update(of=("self",)).select_related("published").filter(pk=pk).first()
    if point is None:
        raise PointNotFound
    return point


def lock_version(staff: Staff, pk: int, right: str = "edit_points") -> Version:
    """A version, its point locked with it. Raises PointNotFound, PermissionDenied without `right`."""
    require(staff, right)
    point = Version.objects.filter(pk=pk).values_list("point", flat=True).first()
    if point is None:
        raise PointNotFound
    lock_point(staff, point)
    return Version.objects.select_related("point", "point__published").get(pk=pk)


def lock_phrasing(staff: Staff, pk: int) -> Phrasing:
    require(staff, "edit_points")
    phrasing = Phrasing.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if phrasing is None:
        raise PointNotFound
    return phrasing


def lock_unanswered(staff: Staff, pk: int) -> UnansweredQuestion:
    require(staff, "edit_points")
    gap = UnansweredQuestion.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if gap is None:
        raise PointNotFound
    return gap


def _edits(staff: Staff) -> bool:
    return may(staff, "edit_points")


def moves_for(
    staff: Staff, point: Point, version: Version, waiting: ApprovalRequest | None = None
) -> frozenset[str]:
    """What this member of staff may do now with this version of the point; the actions ask again.

    `waiting`: the request for exactly the words that are shown, if one waits.
    """
    state, edits, approves = version.state, _edits(staff), may(staff, "approve_points")
    is_open = waiting is not None and waiting.is_open
    is_others = waiting is not None and staff not in waiting.authors.all()
    is_unsent = state == Version.State.DRAFT or (state == Version.State.REVIEW and not is_open)
    allowed = {
        "edit": edits
        and (state in UNPUBLISHED_STATES or version.pk == point.published_id or not point.published),
        "submit": edits and is_unsent,
        "approve": approves and state == Version.State.REVIEW and is_others and is_open,
        "send_back": approves and state == Version.State.REVIEW and is_others,
        "discard": edits and state in UNPUBLISHED_STATES,
        "withdraw": edits and state == Version.State.PUBLISHED,
        "keep_reply": may(staff, "use_console") and state == Version.State.PUBLISHED,
        "see_told": may(staff, "see_who_was_told"),
    }
    return frozenset(name for name, is_allowed in allowed.items() if is_allowed)
