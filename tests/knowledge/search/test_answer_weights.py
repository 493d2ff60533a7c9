"""What answers weigh in the search is fitted to each bank's own phrasings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.library import points
from knowledge.search import Index, IndexEntry
from knowledge.search.answer_weights import SAFE_WEIGHTS
from knowledge.search.scorers import AnswerWeights

DESCRIBED = [point for point in points() if point["language"] == "zh"][::3]
ENTRIES = [
    IndexEntry(number, point["title"], tuple(point["phrasings"][:6]), point["answer"])
    for number, point in enumerate(DESCRIBED)
]
# Each answer belongs to another point, so that answers say nothing of what is asked.
SHUFFLED = [replace(entry, answer=ENTRIES[(entry.id + 37) % len(ENTRIES)].answer) for entry in ENTRIES]


def weights_of(entries: list[IndexEntry]) -> AnswerWeights:
    lessons = Index(entries, teach=True)._lessons
    assert lessons is not None
    return lessons.weights


@pytest.fixture(scope="module")
def own() -> AnswerWeights:
    return weights_of(ENTRIES)


def test_answers_that_say_nothing_of_their_points_weigh_less_than_where_nothing_is_known() -> None:
    assert max(weights_of(SHUFFLED)) < 0.15 < min(SAFE_WEIGHTS)


def test_the_same_points_get_the_same_weights(own: AnswerWeights) -> None:
    assert weights_of(list(ENTRIES)) == own


@pytest.mark.parametrize("kept", [{"phrasings": ()}, {"answer": ""}])
def test_without_phrasings_or_answers_the_weights_are_the_safe_ones(kept: dict[str, object]) -> None:
    assert weights_of([replace(entry, **kept) for entry in ENTRIES[:20]]) == SAFE_WEIGHTS  # type: ignore[arg-type]


def test_few_phrasings_move_the_weights_a_little(own: AnswerWeights) -> None:
    few = weights_of([replace(entry, phrasings=entry.phrasings[:1]) for entry in SHUFFLED[:5]])
    assert all(abs(weight - safe) < 0.03 for weight, safe in zip(few, SAFE_WEIGHTS, strict=True))
