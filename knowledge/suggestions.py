"""Suggestions for a question: the most likely points, each with the passage that answers it, and branches found by
name."""

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from accounts.models import Staff
from knowledge.models import Branch
from knowledge.published_index import CachedPoint, published, today
from knowledge.search import IndexHit

MAX_SUGGESTIONS = 3
MAX_LISTED = 8
PASSAGE_CHARACTERS = 90
# A sentence or a line of an answer.
_SENTENCE = re.compile(r"[^。！？!?\n]+[。！？!?]?")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A point suggested for a question.

    `passage`: the part of the answer nearest to the question. `matched`: the title or phrasing that matched.
    `confidence`: 0 to 1.
    """

    point: CachedPoint
    passage: str
    matched: str
    confidence: float


def suggest_for(
    text: str,
    *,
    language: str,
    department: int | None = None,
    only_public: bool = False,
    limit: int = MAX_SUGGESTIONS,
) -> list[Suggestion]:
    """Return the most likely points for a visitor's text, the most likely first.

    Points of `department` are preferred. With `only_public`, the result has only public points in `language`. The only
    query is the index's own check for a new edition.
    """
    if not text.strip():
        return []
    current = published.current()
    # Keep a reference: another thread may replace the points with a newer edition during the search.
    points, day = current.points, today()

    def keep(pk: int) -> bool:
        point = points.get(pk)
        if point is None or not point.is_valid(day):
            return False
        # An agent can translate an answer from the other language; the widget cannot.
        return not only_public or (point.is_public and point.language == language)

    hits = current.index.find(
        text, limit=limit, keep=keep, prefer=_preference(points, department), language=language
    )
    return [_suggestion(points[hit.id], hit, text) for hit in hits]


def search_for_agent(
    typed: str,
    *,
    language: str,
    department: int | None = None,
    categories: Set[int] | None = None,
    region: int | None = None,
    limit: int = MAX_LISTED,
) -> tuple[list[Suggestion], list[Branch]]:
    """Return the points and branches that match the text that an agent types in the search field.

    Points of `department` are preferred. `categories` limits the points, and `region` limits both points and branches.
    """
    if not typed.strip():
        return [], []
    current = published.current()
    points, branches, day = current.points, current.branches, today()

    def keep(pk: int) -> bool:
        point = points.get(pk)
        return (
            point is not None
            and point.is_valid(day)
            and (categories is None or point.category in categories)
            and (region is None or point.region in (None, region))
        )

    hits = current.index.suggest(
        typed, limit=limit, keep=keep, prefer=_preference(points, department), language=language
    )
    branch_hits = current.branch_index.suggest(typed, limit=3)
    found_branches = [branches[hit.id] for hit in branch_hits if hit.id in branches]
    if region is not None:
        found_branches = [branch for branch in found_branches if branch.region_id == region]
    return [_suggestion(points[hit.id], hit, typed) for hit in hits], found_branches


def _preference(points: Mapping[int, CachedPoint], department: int | None) -> Callable[[int], float]:
    """Return a function that scores a point independently of the question: by its department and past uses."""

    def prefer(pk: int) -> float:
        point = points[pk]
        return (0.03 if point.department == department else 0.0) + min(0.03, point.uses / 10_000)

    return prefer


def _suggestion(point: CachedPoint, hit: IndexHit, text: str) -> Suggestion:
    return Suggestion(point, passage_of(point.answer, text), hit.matched, hit.confidence)


def passage_of(answer: str, text: str) -> str:
    """Return the sentence of the answer that has most in common with the text, and the sentences after it.

    The passage has at most PASSAGE_CHARACTERS characters.
    """
    sentences = [match[0].strip() for match in _SENTENCE.finditer(answer) if match[0].strip()]
    if not sentences:
        return answer[:PASSAGE_CHARACTERS]
    pairs = _pairs(text)
    shared = [len(pairs & _pairs(sentence)) for sentence in sentences]
    first = shared.index(max(shared)) if max(shared) > 1 else 0
    passage = " ".join(sentences[first:])
    return passage if len(passage) <= PASSAGE_CHARACTERS else passage[: PASSAGE_CHARACTERS - 1] + "…"


def _pairs(text: str) -> set[str]:
    folded = text.casefold()
    return {folded[at : at + 2] for at in range(len(folded) - 1) if folded[at : at + 2].isalnum()}


def department_of(staff: Staff, department: int | None) -> int | None:
    """Return the department whose points are preferred: the given one, otherwise the first department of the agent."""
    if department is not None:
        return department
    return staff.departments.order_by("order").values_list("pk", flat=True).first()
