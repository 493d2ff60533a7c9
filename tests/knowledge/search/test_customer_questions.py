"""Tests of the quality of the search, with questions in four files: stories, pinyin, dialects and off-topic questions.

The even lines of each file were used during the development of the search. The odd lines were used only once, at the
end. `python manage.py evaluate_search` prints the same figures for a bank's own files.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from demo.library import points
from knowledge.search import NOT_ANSWERED, Index, IndexEntry

QUESTIONS = Path(__file__).with_name("questions")
RESULTS = 3


@pytest.fixture(scope="module")
def demo_points() -> list[dict[str, object]]:
    return list(points())


@pytest.fixture(scope="module")
def index(demo_points: list[dict[str, object]]) -> Index:
    return Index(
        (
            IndexEntry(number, point["title"], tuple(point["phrasings"]), point["answer"], point["language"])  # type: ignore[arg-type]
            for number, point in enumerate(demo_points)
        ),
        train=True,
    )


def read_questions(name: str) -> list[tuple[str, str]]:
    with (QUESTIONS / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return [(row["text"], row["id"]) for row in csv.DictReader(stream)]


@pytest.mark.parametrize(
    ("name", "first", "three"), [("stories", 0.6, 0.93), ("pinyin", 0.8, 0.9), ("dialect", 0.7, 0.95)]
)
def test_find_ranks_the_point_that_answers_first_or_among_three(
    index: Index, demo_points: list[dict[str, object]], name: str, first: float, three: float
) -> None:
    questions = read_questions(name)
    results = [[demo_points[hit.id]["key"] for hit in index.find(text, RESULTS)] for text, _ in questions]
    pairs = list(zip(results, questions, strict=True))
    at_first = sum(keys[:1] == [wanted] for keys, (_, wanted) in pairs)
    missed = [text for keys, (text, wanted) in pairs if wanted not in keys]
    assert 1 - len(missed) / len(questions) >= three, missed
    assert at_first / len(questions) >= first


def test_find_is_confident_for_at_most_a_tenth_of_off_topic_questions(
    index: Index, demo_points: list[dict[str, object]]
) -> None:
    public = {number for number, point in enumerate(demo_points) if point["public"]}
    questions = [text for text, _ in read_questions("strange")]
    shown = [
        text
        for text in questions
        if any(hit.confidence >= NOT_ANSWERED for hit in index.find(text, RESULTS, keep=public.__contains__))
    ]
    assert len(shown) / len(questions) <= 0.1, shown
