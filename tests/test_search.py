"""The words of conversations are found, by Chinese words of two characters too, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from chat.models import Conversation
from chat.search import conversations_with, excerpt_of, search_messages
from chat.terms import runs_of
from tests.people import Cast, say, start

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

BODIES = [
    "我的银行卡被吞了",
    "行走的银色卡片 银 行卡",
    'Café ＡＴＭ１２３ it\'s \\ "quoted" card',
    "𰻝 𠀀𠀁 biang",
    "ﬁnance office",
    "银行网点在哪里",
]


@pytest.fixture
def conversations(cast: Cast) -> list[Conversation]:
    found = [start(cast) for _ in range(3)]
    for index, body in enumerate(BODIES):
        say(found[index % 3], body)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("银行", [5, 0]),
        ("银行卡", [0]),
        ("行卡", [1, 0]),
        ("卡", [1, 0]),
        ("银行 网点", [5]),
        ("银行，吞了？", [0]),
        ("CAFÉ", [2]),
        ("cafe", []),
        ("atm123", [2]),
        ("ＡＴＭ123", [2]),
        ("it's", [2]),
        ('"quoted"', [2]),
        ("card*", [2]),
        ("NOT card", []),
        ("car", []),
        ("𰻝", [3]),
        ("𠀀𠀁", [3]),
        ("finance", [4]),
        ("' OR 1=1 --", []),
        ("\\", []),
        ("？！🙂", []),
        ("", []),
        ("\x00", []),
    ],
)
def test_what_is_found(conversations: list[Conversation], text: str, expected: list[int]) -> None:
    page = search_messages(Conversation.objects.all(), text)
    assert [BODIES.index(hit.message.body) for hit in page.hits] == expected
    assert page.before is None


def test_only_what_the_reader_may_see_is_found(conversations: list[Conversation]) -> None:
    mine = Conversation.objects.filter(pk=conversations[2].pk)
    assert [hit.message.body for hit in search_messages(mine, "银行").hits] == [BODIES[5]]
    assert conversations_with(mine, "银行") == ([conversations[2].pk], False)
    assert search_messages(Conversation.objects.none(), "银行").hits == []


def test_pages_follow_each_other_without_gap_or_repeat(cast: Cast) -> None:
    conversation = start(cast)
    for number in range(25):
        say(conversation, f"银行 {number}" if number % 3 else f"银 行 {number}")
    expected = [f"银行 {number}" for number in reversed(range(25)) if number % 3]
    found: list[str] = []
    before = None
    while True:
        page = search_messages(Conversation.objects.all(), "银行", before, limit=4)
        assert len(page.hits) <= 4
        found += [hit.message.body for hit in page.hits]
        before = page.before
        if before is None:
            break
    assert found == expected


def test_a_common_word_is_paged_like_a_rare_one(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.search.FEW", 3)
    test_pages_follow_each_other_without_gap_or_repeat(cast)


def test_what_only_looks_like_a_hit_is_passed_over(cast: Cast) -> None:
    conversation = start(cast)
    say(conversation, "银行卡")
    for _ in range(20):
        say(conversation, "银行的人说行卡")
    page = search_messages(Conversation.objects.all(), "银行卡", limit=5)
    assert [hit.message.body for hit in page.hits] == ["银行卡"]


def test_a_page_takes_three_queries_however_many_there_are(
    conversations: list[Conversation], django_assert_num_queries: Any
) -> None:
    for _ in range(60):
        say(conversations[0], "银行")
    with django_assert_num_queries(3):
        page = search_messages(Conversation.objects.all(), "银行", limit=50)
        for hit in page.hits:
            assert hit.message.conversation.visitor.name == ""
            assert hit.message.conversation.department.code
    assert len(page.hits) == 50


@pytest.mark.parametrize(
    ("body", "text", "expected"),
    [
        ("我的银行卡", "银行", ("我的", "银行", "卡")),
        ("ＡＴＭ 吞卡", "atm", ("", "ＡＴＭ", " 吞卡")),
        ("x" * 40 + "银行" + "y" * 80, "银行", ("…" + "x" * 24, "银行", "y" * 60 + "…")),
        ("a\n\nb  银行", "银行", ("a b ", "银行", "")),
        ("nothing", "银行", ("nothing", "", "")),
    ],
)
def test_the_excerpt_shows_the_hit(body: str, text: str, expected: tuple[str, str, str]) -> None:
    assert tuple(excerpt_of(body, runs_of(text))) == expected
