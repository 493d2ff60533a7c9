"""Queries for the console's pages of knowledge points. Docstrings say how many queries a function makes.

A queryset makes one when it is evaluated. A filter by category makes one more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_

from django.db.models import Case, Exists, OuterRef, Prefetch, Q, QuerySet, Subquery, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.access import may
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.selectors import approvable_by
from accounts.models import Staff
from chat.models import CannedReply
from core.text.chinese_variants import matches_any_form
from knowledge import message_sources
from knowledge.approval_kinds import VERSION
from knowledge.differences import Piece, differences
from knowledge.models import Phrasing, Point, UnansweredQuestion, UnansweredQuestionExample, Version
from knowledge.published_index import published
from knowledge.selectors import (
    EXPIRY_WARNING,
    UNPUBLISHED_STATES,
    category_paths,
    expiring,
    in_state,
    subtree_ids,
    suggested_phrasings,
)

State = Version.State

# Filters of a list in addition to the states of a version.
TO_APPROVE, SENT_BACK, EXPIRING = "to_approve", "sent_back", "expiring"
STATES = [
    (TO_APPROVE, _("waiting for my approval")),
    (SENT_BACK, _("sent back to me")),
    *[(str(state.value), state.label) for state in State if state != State.REPLACED],
    (EXPIRING, _("expires soon")),
]
MAX_WORDS = 6
# The maximum number of points that the index search adds to a list.
MAX_FOUND = 100
EXAMPLES = 3


@dataclass(frozen=True)
class PointFilter:
    """The filters of a list of points; an empty filter does not apply. `words` is the search text."""

    words: str = ""
    state: str = ""
    category: int | None = None
    department: int | None = None
    owner: int | None = None
    language: str = ""


@dataclass(frozen=True)
class ListedPoint:
    """A row of a list of points.

    `shown` is the published version, else the unpublished one, else the one published last. `making` is an unpublished
    version that exists in addition to `shown`.
    """

    point: Point
    shown: Version
    making: Version | None
    category: str

    @property
    def is_expiring(self) -> bool:
        until = self.shown.valid_until
        return (
            self.shown.state == State.PUBLISHED
            and until is not None
            and until <= timezone.localdate() + EXPIRY_WARNING
        )


@dataclass(frozen=True)
class EditorTasks:
    """Numbers of open tasks of an editor."""

    to_approve: int
    sent_back: int
    expiring: int
    unanswered: int
    phrasings: int


def points_for(staff: Staff, wanted: PointFilter) -> QuerySet[Point]:
    """Return the points of a list. Staff without `edit_points` see published ones only.

    Points changed last come first; with search words, the matches of the index search come before them.
    """
    is_editor = may(staff, "edit_points")
    points = Point.objects.all() if is_editor else Point.objects.filter(published__isnull=False)
    ranked = search_points(wanted.words)
    points = filter_points(points, staff, wanted, ranked)
    if wanted.state == EXPIRING:
        return points.order_by("published__valid_until", "pk")
    newest = Version.objects.filter(point=OuterRef("pk")).order_by("-number").values("written_at")[:1]
    points = points.annotate(changed_at=Subquery(newest))
    if not ranked:
        return points.order_by("-changed_at", "-pk")
    position = Case(*(When(pk=pk, then=position) for position, pk in enumerate(ranked)), default=len(ranked))
    return points.order_by(position, "-changed_at", "-pk")


def search_points(words: str) -> list[int]:
    """Return the ids of the published points that match the words, best first, also by pinyin, synonym or typo.

    The only query is the index's own check for a new edition.
    """
    return published.current().index.look_up(words, MAX_FOUND) if words.strip() else []


def filter_points(
    points: QuerySet[Point], staff: Staff, wanted: PointFilter, ranked: Sequence[int] | None = None
) -> QuerySet[Point]:
    """Filter the points by `wanted`.

    Search words select the points that contain all of them, published or not, and the results of the index search. If
    you have called `search_points` already, pass its results as `ranked`.
    """
    is_editor = may(staff, "edit_points")
    if wanted.state and is_editor:
        points = _in_state(points, staff, wanted.state)
    versions = Version.objects.filter(point=OuterRef("pk")).exclude(state=State.REPLACED)
    if not is_editor:
        versions = versions.filter(state=State.PUBLISHED)
    if wanted.category is not None:
        points = points.filter(Exists(versions.filter(category__in=subtree_ids(wanted.category))))
    if wanted.department is not None:
        points = points.filter(Exists(versions.filter(department=wanted.department)))
    if wanted.owner is not None:
        points = points.filter(owner=wanted.owner)
    if wanted.language:
        points = points.filter(language=wanted.language)
    if words := wanted.words.split()[:MAX_WORDS]:
        contains_all = reduce(and_, (_contains(word, is_editor) for word in words))
        points = points.filter(
            contains_all | Q(pk__in=search_points(wanted.words) if ranked is None else ranked)
        )
    return points


def _in_state(points: QuerySet[Point], staff: Staff, state: str) -> QuerySet[Point]:
    mine = Version.objects.filter(point=OuterRef("pk"))
    match state:
        case "to_approve":
            return points.filter(key__in=_to_approve(staff).values("subject"))
        case "sent_back":
            return points.filter(Exists(mine.filter(state=State.DRAFT, author=staff, reviewer__isnull=False)))
        case "expiring":
            return points.filter(published__in=expiring().order_by().values("pk"))
        case _:
            return in_state(points, state)


def _to_approve(staff: Staff) -> QuerySet[ApprovalRequest]:
    """Return the requests for versions that this staff member may approve. Versions that they helped to write are left
    out."""
    return approvable_by(staff).filter(kind=VERSION).order_by().prefetch_related(None)


def _contains(word: str, is_editor: bool) -> Q:
    """Match points that contain the word. The subqueries are uncorrelated, so each table is scanned only once."""
    versions = Version.objects.exclude(state=State.REPLACED)
    if not is_editor:
        versions = versions.filter(state=State.PUBLISHED)
    versions = versions.filter(matches_any_form(("title", "answer", "note"), word))
    phrasings = Phrasing.objects.filter(matches_any_form(("text",), word), state=Phrasing.State.ACCEPTED)
    return (
        Q(pk__in=versions.order_by().values("point"))
        | Q(pk__in=phrasings.order_by().values("point"))
        | Q(key__iexact=word)
    )


def list_rows(points: QuerySet[Point], is_editor: bool) -> list[ListedPoint]:
    """Return the rows of these points. Three queries."""
    versions = Version.objects.exclude(state=State.REPLACED).order_by("-number")
    if not is_editor:
        versions = versions.filter(state=State.PUBLISHED)
    current = versions.select_related("author", "department")
    paths = category_paths()
    return [
        _row(point, paths)
        for point in points.select_related("owner").prefetch_related(
            Prefetch("versions", current, "current_versions")
        )
    ]


def _row(point: Point, paths: dict[int, str]) -> ListedPoint:
    versions: list[Version] = point.current_versions  # type: ignore[attr-defined]
    unpublished = next((version for version in versions if version.state in UNPUBLISHED_STATES), None)
    published = next((version for version in versions if version.state == State.PUBLISHED), None)
    shown = published or unpublished or versions[0]
    return ListedPoint(
        point, shown, unpublished if unpublished is not shown else None, paths[shown.category_id]
    )


def editor_tasks(staff: Staff) -> EditorTasks:
    """Count the open tasks of this editor. Five queries."""
    mine = Version.objects.filter(state=State.DRAFT, author=staff, reviewer__isnull=False)
    return EditorTasks(
        to_approve=_to_approve(staff).count(),
        sent_back=mine.count(),
        expiring=expiring(staff).count(),
        unanswered=UnansweredQuestion.objects.filter(state=UnansweredQuestion.State.OPEN).count(),
        phrasings=suggested_phrasings().count(),
    )


def history_of(point: Point) -> list[Version]:
    """Return every version of the point, newest first. One query."""
    return list(point.versions.select_related("author", "reviewer").order_by("-number"))


@dataclass(frozen=True)
class FieldChange:
    """A field that differs between two versions. `name` is its label for the reader."""

    name: str
    pieces: list[Piece]


def changes_between(old: Version, new: Version) -> list[FieldChange]:
    """Return the fields that differ, in the order of the page.

    One query, plus those that load the departments, regions and branches of the versions.
    """
    paths = category_paths()
    before, after = _texts(old, paths), _texts(new, paths)
    return [
        FieldChange(name_of(name), differences(before[name], after[name]))
        for name in before
        if before[name] != after[name]
    ]


def name_of(field: str) -> str:
    """Return the label of a field of a version."""
    return str(getattr(Version._meta.get_field(field), "verbose_name", field))


def _texts(version: Version, paths: dict[int, str]) -> dict[str, str]:
    return {
        "title": version.title,
        "answer": version.answer,
        "note": version.note,
        "category": paths[version.category_id],
        "department": str(version.department or ""),
        "region": str(version.region or ""),
        "branch": str(version.branch or ""),
        "links": "\n".join(f"{label} | {address}" for label, address in version.links),
        "is_public": str(_("yes") if version.is_public else _("no")),
        "valid_from": f"{version.valid_from or ''}",
        "valid_until": f"{version.valid_until or ''}",
    }


def points_of_replies(replies: list[CannedReply]) -> dict[int, Point]:
    """Return the points that these canned replies were made from, by the id of the reply. One query."""
    point_ids = {
        reply.pk: named[0] for reply in replies if (named := message_sources.point_version_in(reply.source))
    }
    points = Point.objects.select_related("published").in_bulk(set(point_ids.values())) if point_ids else {}
    return {reply: points[point] for reply, point in point_ids.items() if point in points}


def open_unanswered() -> QuerySet[UnansweredQuestion]:
    """Return the open unanswered questions, most frequent first, each with up to three `examples`.

    Two queries when read.
    """
    newest = UnansweredQuestionExample.objects.select_related("conversation").order_by("-id")[:EXAMPLES]
    questions = UnansweredQuestion.objects.filter(state=UnansweredQuestion.State.OPEN).order_by(
        "-count", "-last_at", "pk"
    )
    return questions.prefetch_related(Prefetch("questions", newest, "examples"))
