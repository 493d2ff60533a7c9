"""The search on questions that were written for its tests: stories, pinyin, dialects, and what is none of a bank's.

Half of each file (the even lines) was looked at while the search was made; the others were asked once, at the end.
`python manage.py evaluate_search` prints the same figures for files of a bank's own.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from demo.library import points
from knowledge.search import NOT_ANSWERED, Index, IndexEntry

QUESTIONS = Path(__file__).with_name("questions")
SHOWN = 3


@pytest.fixture(scope="module")
def described() -> list[dict[str, object]]:
    return list(points())


@pytest.fixture(scope="module")
def index(described: list[dict[str, object]]) -> Index:
    return Index(
        (
            IndexEntry(number, each["title"], tuple(each["phrasings"]), each["answer"], each["language"])  # type: ignore[arg-type]
            for number, each in enumerate(described)
        ),
        teach=True,
    )


def asked(name: str) -> list[tuple[str, str]]:
    with (QUESTIONS / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return [(row["text"], row["id"]) for row in csv.DictReader(stream)]


@pytest.mark.parametrize(
    ("name", "first", "three"), [("stories", 0.6, 0.93), ("pinyin", 0.8, 0.9), ("dialect", 0.7, 0.95)]
)
def test_questions_of_a_kind_find_their_point(
    index: Index, described: list[dict[str, object]], name: str, first: float, three: float
) -> None:
    questions = asked(name)
    found = [[described[hit.id]["key"] for hit in index.find(text, SHOWN)] for text, _ in questions]
    pairs = list(zip(found, questions, strict=True))
    at_first = sum(keys[:1] == [wanted] for keys, (_, wanted) in pairs)
    missed = [text for keys, (text, wanted) in pairs if wanted not in keys]
    assert 1 - len(missed) / len(questions) >= three, missed
    assert at_first / len(questions) >= first


def test_little_is_shown_for_questions_that_are_none_of_a_banks(
    index: Index, described: list[dict[str, object]]
) -> None:
    public = {number for number, each in enumerate(described) if each["public"]}
    questions = [text for text, _ in asked("strange")]
    shown = [
        text
        for text in questions
        if any(hit.confidence >= NOT_ANSWERED for hit in index.find(text, SHOWN, keep=public.__contains__))
    ]
    assert len(shown) / len(questions) <= 0.1, shown
