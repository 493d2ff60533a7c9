"""Tests of the weight of answers in the search. The weight is fitted to each bank's own phrasings."""

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
# The answers are exchanged between points, so that they say nothing about the questions.
SHUFFLED = [replace(entry, answer=ENTRIES[(entry.id + 37) % len(ENTRIES)].answer) for entry in ENTRIES]


def weights_of(entries: list[IndexEntry]) -> AnswerWeights:
    models = Index(entries, train=True)._models
    assert models is not None
    return models.weights


@pytest.fixture(scope="module")
def fitted() -> AnswerWeights:
    return weights_of(ENTRIES)


@pytest.mark.parametrize("phrasings", [0, 6])
def test_fit_weights_gives_unrelated_answers_almost_no_weight(phrasings: int) -> None:
    assert (
        max(weights_of([replace(entry, phrasings=entry.phrasings[:phrasings]) for entry in SHUFFLED])) < 0.03
    )


def test_fit_weights_gives_equal_points_equal_weights(fitted: AnswerWeights) -> None:
    assert weights_of(list(ENTRIES)) == fitted


@pytest.mark.parametrize("kept", [{"phrasings": ()}, {"answer": ""}])
def test_fit_weights_without_phrasings_or_answers_returns_the_safe_weights(kept: dict[str, object]) -> None:
    assert weights_of([replace(entry, **kept) for entry in ENTRIES[:20]]) == SAFE_WEIGHTS  # type: ignore[arg-type]


def test_fit_weights_with_few_phrasings_stays_near_the_safe_weights(fitted: AnswerWeights) -> None:
    few = weights_of([replace(entry, phrasings=entry.phrasings[:1]) for entry in ENTRIES[:5]])
    assert all(abs(weight - safe) < 0.03 for weight, safe in zip(few, SAFE_WEIGHTS, strict=True))
