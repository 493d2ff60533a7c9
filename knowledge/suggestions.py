"""What is offered for a question: the likeliest points, with the passage that answers, and places by their name."""

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from accounts.models import Staff
from knowledge.models import Branch
from knowledge.published_index import CachedPoint, published, today
from knowledge.search import IndexHit

LIKELY = 3
LISTED = 8
PASSAGE_CHARACTERS = 90
# A sentence of an answer, or a line of it.
_SENTENCE = re.compile(r"[^。！？!?\n]+[。！？!?]?")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`passage`: what of the answer comes nearest to the question; `matched`: the title or phrasing that was found;
    `confidence`: 0 to 1."""

    point: CachedPoint
    passage: str
    matched: str
    confidence: float


def suggest_for(
    text: str, *, language: str, department: int | None = None, only_public: bool = False, limit: int = LIKELY
) -> list[Suggestion]:
    """The likeliest points for a customer's words, the likeliest first. Without a query but the library's own."""
    if not text.strip():
        return []
    shelves = published.current()
    # As they stand: another thread may put a newer edition in their place meanwhile.
    points, day = shelves.points, today()

    def keep(pk: int) -> bool:
        point = points.get(pk)
        if point is None or not point.is_valid(day):
            return False
        # An agent may translate what is kept in the other language; the box cannot.
        return not only_public or (point.is_public and point.language == language)

    hits = shelves.index.find(
        text, limit=limit, keep=keep, prefer=_preference(points, department), language=language
    )
    return [_offer(points[hit.id], hit, text) for hit in hits]


def search_for_agent(
    typed: str,
    *,
    language: str,
    department: int | None = None,
    categories: Set[int] | None = None,
    region: int | None = None,
    limit: int = LISTED,
) -> tuple[list[Suggestion], list[Branch]]:
    """Points and places for what an agent types in the search box, from its first letter on.

    `department` puts its points first; `categories` and `region` leave the others out.
    """
    if not typed.strip():
        return [], []
    shelves = published.current()
    points, standing, day = shelves.points, shelves.places, today()

    def keep(pk: int) -> bool:
        point = points.get(pk)
        return (
            point is not None
            and point.is_valid(day)
            and (categories is None or point.category in categories)
            and (region is None or point.region in (None, region))
        )

    hits = shelves.index.suggest(
        typed, limit=limit, keep=keep, prefer=_preference(points, department), language=language
    )
    found = shelves.place_index.suggest(typed, limit=3)
    places = [standing[hit.id] for hit in found if hit.id in standing]
    if region is not None:
        places = [place for place in places if place.region_id == region]
    return [_offer(points[hit.id], hit, typed) for hit in hits], places


def _preference(points: Mapping[int, CachedPoint], department: int | None) -> Callable[[int], float]:
    """How much more likely a point is for what it is, whatever was asked."""

    def prefer(pk: int) -> float:
        point = points[pk]
        return (0.03 if point.department == department else 0.0) + min(0.03, point.uses / 10_000)

    return prefer


def _offer(point: CachedPoint, hit: IndexHit, text: str) -> Suggestion:
    return Suggestion(point, passage_of(point.answer, text), hit.matched, hit.confidence)


def passage_of(answer: str, text: str) -> str:
    """The sentence of the answer that shares most with the text, and as much of what follows as there is room for."""
    sentences = [match[0].strip() for match in _SENTENCE.finditer(answer) if match[0].strip()]
    if not sentences:
        return answer[:PASSAGE_CHARACTERS]
    asked = _pairs(text)
    shared = [len(asked & _pairs(sentence)) for sentence in sentences]
    first = shared.index(max(shared)) if max(shared) > 1 else 0
    passage = " ".join(sentences[first:])
    return passage if len(passage) <= PASSAGE_CHARACTERS else passage[: PASSAGE_CHARACTERS - 1] + "…"


def _pairs(text: str) -> set[str]:
    folded = text.casefold()
    return {
        folded[index : index + 2] for index in range(len(folded) - 1) if folded[index : index + 2].isalnum()
    }


def department_of(staff: Staff, department: int | None) -> int | None:
    """The department whose points come first: the conversation's, or the agent's first."""
    if department is not None:
        return department
    return staff.departments.order_by("order").values_list("pk", flat=True).first()
