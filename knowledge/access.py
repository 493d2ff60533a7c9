"""Access checks of knowledge: staff with `use_knowledge` may read published points, editors may read and change all."""

from collections.abc import Iterable

from accounts.access import may, require
from accounts.approvals.models import ApprovalRequest
from accounts.models import Staff
from chat.access import readable_ids
from knowledge.errors import PointNotFound
from knowledge.models import Phrasing, Point, PointFile, UnansweredQuestion, Version

UNPUBLISHED_STATES = (Version.State.DRAFT, Version.State.REVIEW, Version.State.APPROVED)


def point_for(staff: Staff, key: str) -> Point:
    """Return a published point; editors get unpublished ones too. Raises PointNotFound or PermissionDenied."""
    require(staff, "use_knowledge")
    point = Point.objects.select_related("published", "owner").filter(key=key).first()
    if point is None or (point.published is None and not _is_editor(staff)):
        raise PointNotFound
    return point


def recipients_point_for(staff: Staff, key: str) -> Point:
    """Return a point whose recipients this staff member may see. Raises PointNotFound or PermissionDenied."""
    require(staff, "see_who_was_told")
    point = Point.objects.select_related("published").filter(key=key).first()
    if point is None:
        raise PointNotFound
    return point


def version_for(staff: Staff, point: Point, number: int | None) -> Version:
    """Return a version of the point. Raises PointNotFound.

    Editors get version `number`. Without a number, they get the published version, or the newest one if none is
    published. Everyone else always gets the published version.
    """
    versions = point.versions.select_related(
        "point", "author", "reviewer", "category", "department", "region", "branch"
    )
    if not _is_editor(staff):
        number = point.published.number if point.published else -1
    if number is not None:
        version = versions.filter(number=number).first()
    elif point.published is not None:
        version = versions.filter(pk=point.published.pk).first()
    else:
        version = versions.order_by("-number").first()
    if version is None:
        raise PointNotFound
    return version


def file_for(staff: Staff, pk: int) -> PointFile:
    """Return a file of a point that this staff member may read. Only editors may read a file that waits for approval.

    Raises PointNotFound or PermissionDenied.
    """
    file = PointFile.objects.select_related("point").filter(pk=pk).first()
    if file is None or not (file.is_approved or _is_editor(staff)):
        require(staff, "use_knowledge")
        raise PointNotFound
    point_for(staff, file.point.key)
    return file


def readable_examples(staff: Staff, questions: Iterable[UnansweredQuestion]) -> set[int]:
    """Return the ids of the conversations in the questions' `examples` that this staff member may read. One query."""
    conversations = [
        example.conversation_id
        for question in questions
        for example in question.examples  # type: ignore[attr-defined]
    ]
    return readable_ids(staff, conversations)


def lock_point(staff: Staff, pk: int) -> Point:
    """Return a point that this editor may change, locked until the transaction ends.

    Raises PointNotFound or PermissionDenied.
    """
    require(staff, "edit_points")
    point = Point.objects.select_for_update(of=("self",)).select_related("published").filter(pk=pk).first()
    if point is None:
        raise PointNotFound
    return point


def lock_version(staff: Staff, pk: int, right: str = "edit_points") -> Version:
    """Return a version, and lock its point until the transaction ends. Raises PointNotFound, and PermissionDenied
    without `right`."""
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
    question = UnansweredQuestion.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if question is None:
        raise PointNotFound
    return question


def _is_editor(staff: Staff) -> bool:
    return may(staff, "edit_points")


def moves_for(
    staff: Staff, point: Point, version: Version, waiting: ApprovalRequest | None = None
) -> frozenset[str]:
    """Return the names of the actions that this staff member may take on this version now, for the buttons of a page.

    The actions themselves check the rights again. `waiting` is the pending approval request for exactly the content
    shown, if there is one.
    """
    state, is_editor, is_approver = version.state, _is_editor(staff), may(staff, "approve_points")
    is_open = waiting is not None and waiting.is_open
    was_written_by_others = waiting is not None and staff not in waiting.authors.all()
    is_unsent = state == Version.State.DRAFT or (state == Version.State.REVIEW and not is_open)
    allowed = {
        "edit": is_editor
        and (state in UNPUBLISHED_STATES or version.pk == point.published_id or not point.published),
        "submit": is_editor and is_unsent,
        "approve": is_approver and state == Version.State.REVIEW and was_written_by_others and is_open,
        "send_back": is_approver and state == Version.State.REVIEW and was_written_by_others,
        "discard": is_editor and state in UNPUBLISHED_STATES,
        "withdraw": is_editor and state == Version.State.PUBLISHED,
        "keep_reply": may(staff, "use_console") and state == Version.State.PUBLISHED,
        "see_told": may(staff, "see_who_was_told"),
    }
    return frozenset(name for name, is_allowed in allowed.items() if is_allowed)
