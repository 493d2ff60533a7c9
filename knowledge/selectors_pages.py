"""Reads for the pages of those who look up and keep knowledge points. Each says how many queries it makes."""

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

# What a list can be narrowed to, besides the states of a version.
TO_APPROVE, SENT_BACK, EXPIRING = "to_approve", "sent_back", "expiring"
STATES = [
    (TO_APPROVE, _("waiting for my approval")),
    (SENT_BACK, _("sent back to me")),
    *[(str(state.value), state.label) for state in State if state != State.REPLACED],
    (EXPIRING, _("expires soon")),
]
MAX_WORDS = 6
# Of what the library finds for words, a list has so many.
LOOKED_UP = 100
EXAMPLES = 3


@dataclass(frozen=True)
class PointFilter:
    """What a list is narrowed to; what is empty narrows nothing."""

    words: str = ""
    state: str = ""
    category: int | None = None
    department: int | None = None
    owner: int | None = None
    language: str = ""


@dataclass(frozen=True)
class ListedPoint:
    """A point of a list: `shown` is what is said, or is to be said, or was said last; `making` waits beside it."""

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
    """How much waits for this editor."""

    to_approve: int
    sent_back: int
    expiring: int
    gaps: int
    phrasings: int


def points_for(staff: Staff, wanted: PointFilter) -> QuerySet[Point]:
    """The points of a list, what was changed last first, but what words mean before what only holds them; staff without
    `edit_points` see those that are published."""
    is_editor = may(staff, "edit_points")
    found = Point.objects.all() if is_editor else Point.objects.filter(published__isnull=False)
    likely = search_points(wanted.words)
    found = filter_points(found, staff, wanted, likely)
    if wanted.state == EXPIRING:
        return found.order_by("published__valid_until", "pk")
    newest = Version.objects.filter(point=OuterRef("pk")).order_by("-number").values("written_at")[:1]
    found = found.annotate(changed_at=Subquery(newest))
    if not likely:
        return found.order_by("-changed_at", "-pk")
    place = Case(*(When(pk=pk, then=place) for place, pk in enumerate(likely)), default=len(likely))
    return found.order_by(place, "-changed_at", "-pk")


def search_points(words: str) -> list[int]:
    """The published points that words mean, likeliest first: by pinyin, synonyms and in spite of slips too. Without a
    query but the library's own."""
    return published.current().index.look_up(words, LOOKED_UP) if words.strip() else []


def filter_points(
    found: QuerySet[Point], staff: Staff, wanted: PointFilter, likely: Sequence[int] | None = None
) -> QuerySet[Point]:
    """Those of the points that are wanted: the words stand in them, published or not, or the library finds them by
    these (`likely`, unless it is not asked yet)."""
    is_editor = may(staff, "edit_points")
    if wanted.state and is_editor:
        found = _in_state(found, staff, wanted.state)
    said = Version.objects.filter(point=OuterRef("pk")).exclude(state=State.REPLACED)
    if not is_editor:
        said = said.filter(state=State.PUBLISHED)
    if wanted.category is not None:
        found = found.filter(Exists(said.filter(category__in=subtree_ids(wanted.category))))
    if wanted.department is not None:
        found = found.filter(Exists(said.filter(department=wanted.department)))
    if wanted.owner is not None:
        found = found.filter(owner=wanted.owner)
    if wanted.language:
        found = found.filter(language=wanted.language)
    if words := wanted.words.split()[:MAX_WORDS]:
        holds_all = reduce(and_, (_holds(word, is_editor) for word in words))
        found = found.filter(holds_all | Q(pk__in=search_points(wanted.words) if likely is None else likely))
    return found


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
    """The versions that wait for this member of staff: they have written no part of them."""
    return approvable_by(staff).filter(kind=VERSION).order_by().prefetch_related(None)


def _holds(word: str, is_editor: bool) -> Q:
    """Not by a subquery for each point: each table is looked through once."""
    said = Version.objects.exclude(state=State.REPLACED)
    if not is_editor:
        said = said.filter(state=State.PUBLISHED)
    said = said.filter(matches_any_form(("title", "answer", "note"), word))
    asked = Phrasing.objects.filter(matches_any_form(("text",), word), state=Phrasing.State.ACCEPTED)
    return (
        Q(pk__in=said.order_by().values("point"))
        | Q(pk__in=asked.order_by().values("point"))
        | Q(key__iexact=word)
    )


def list_rows(points: QuerySet[Point], is_editor: bool) -> list[ListedPoint]:
    """The rows of these points. Three queries."""
    versions = Version.objects.exclude(state=State.REPLACED).order_by("-number")
    if not is_editor:
        versions = versions.filter(state=State.PUBLISHED)
    said = versions.select_related("author", "department")
    paths = category_paths()
    return [
        _row(point, paths)
        for point in points.select_related("owner").prefetch_related(Prefetch("versions", said, "said"))
    ]


def _row(point: Point, paths: dict[int, str]) -> ListedPoint:
    said: list[Version] = point.said  # type: ignore[attr-defined]
    making = next((version for version in said if version.state in UNPUBLISHED_STATES), None)
    published = next((version for version in said if version.state == State.PUBLISHED), None)
    shown = published or making or said[0]
    return ListedPoint(point, shown, making if making is not shown else None, paths[shown.category_id])


def editor_tasks(staff: Staff) -> EditorTasks:
    """Five queries."""
    mine = Version.objects.filter(state=State.DRAFT, author=staff, reviewer__isnull=False)
    return EditorTasks(
        to_approve=_to_approve(staff).count(),
        sent_back=mine.count(),
        expiring=expiring(staff).count(),
        gaps=UnansweredQuestion.objects.filter(state=UnansweredQuestion.State.OPEN).count(),
        phrasings=suggested_phrasings().count(),
    )


def history_of(point: Point) -> list[Version]:
    """Every version, the newest first. One query."""
    return list(point.versions.select_related("author", "reviewer").order_by("-number"))


@dataclass(frozen=True)
class FieldChange:
    """A field that differs between two versions, by its name for the reader."""

    name: str
    pieces: list[Piece]


def changes_between(old: Version, new: Version) -> list[FieldChange]:
    """What differs, in the order of the page. One query besides those for departments, regions and branches."""
    paths = category_paths()
    before, after = _texts(old, paths), _texts(new, paths)
    return [
        FieldChange(name_of(name), differences(before[name], after[name]))
        for name in before
        if before[name] != after[name]
    ]


def name_of(field: str) -> str:
    """What a field of a version is called for the reader."""
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
        "links": "\n".join(f"{words} | {address}" for words, address in version.links),
        "is_public": str(_("yes") if version.is_public else _("no")),
        "valid_from": f"{version.valid_from or ''}",
        "valid_until": f"{version.valid_until or ''}",
    }


def points_of_replies(replies: list[CannedReply]) -> dict[int, Point]:
    """The points that these replies were made from, by the id of the reply. One query."""
    named = {reply.pk: found[0] for reply in replies if (found := message_sources.named_in(reply.source))}
    points = Point.objects.select_related("published").in_bulk(set(named.values())) if named else {}
    return {reply: points[point] for reply, point in named.items() if point in points}


def open_unanswered() -> QuerySet[UnansweredQuestion]:
    """Questions that no point answers, those asked most first, each with three `examples`. Two queries when read."""
    newest = UnansweredQuestionExample.objects.select_related("conversation").order_by("-id")[:EXAMPLES]
    found = UnansweredQuestion.objects.filter(state=UnansweredQuestion.State.OPEN).order_by(
        "-count", "-last_at", "pk"
    )
    return found.prefetch_related(Prefetch("questions", newest, "examples"))
