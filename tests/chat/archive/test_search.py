"""Tests of the search in messages, on PostgreSQL and SQLite. Chinese words of two characters are found as well."""

from __future__ import annotations

from typing import Any

import pytest

from chat import access
from chat.actions.agents import transfer_to_agent
from chat.archive.search import ResultPage, conversations_with, excerpt_of, search_messages
from chat.archive.search_terms import runs_of
from chat.models import Conversation, Message
from tests.people import Cast, create_cast, go_online, say, start

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

BODIES = [
    "我的银行卡被吞了",
    "行走的银色卡片 银 行卡",
    'Café ＡＴＭ１２３ it\'s \\ "quoted" card',
    "𰻝 𠀀𠀁 biang",
    "ﬁnance office",
    "银行网点在哪里",
    "我想辦理帳戶掛失，請問甚麼時候能補發證件？",
    "账户解冻要什么证件",
    "信用咭嘅積分去咗邊裏",
]


def bodies(page: ResultPage) -> list[str]:
    texts = [Message.objects.get(conversation__uuid=hit.conversation, seq=hit.seq).body for hit in page.hits]
    assert all(hit.excerpt.hit in body for hit, body in zip(page.hits, texts, strict=True))
    return texts


LIMITS = {
    "scan of the newest messages": {"CANDIDATE_BATCH": 1},
    "ids from the index": {"SCANNED_MESSAGES": 3},
    "ids from the index, then all conditions": {"SCANNED_MESSAGES": 3, "CANDIDATE_BATCH": 12},
    "all conditions": {"SCANNED_MESSAGES": 3, "CANDIDATE_BATCH": 1, "MAX_CANDIDATE_IDS": 1},
}


@pytest.fixture(params=LIMITS)
def strategy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the search limits so that most candidates are found by the strategy that the parameter names (see
    `chat.archive.search._candidates`)."""
    for name, value in LIMITS[request.param].items():
        monkeypatch.setattr(f"chat.archive.search.{name}", value)


@pytest.fixture(scope="module")
def cast(shared_transaction: None) -> Cast:
    return create_cast()


@pytest.fixture(scope="module")
def conversations(cast: Cast) -> list[Conversation]:
    started = [start(cast) for _ in range(3)]
    for index, body in enumerate(BODIES):
        say(started[index % 3], body)
    return started


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("银行", [5, 0]),
        ("账户", [7, 6]),
        ("帳戶", [7, 6]),
        ("賬户", [7, 6]),
        ("挂失", [6]),
        ("掛 失", [6]),
        ("證件", [7, 6]),
        ("解凍", [7]),
        ("補发", [6]),
        ("信用卡 积分", [8]),
        ("边裡", [8]),
        ("銀行網點", [5]),
        ("银行卡", [0]),
        ("行卡", [1, 0]),
        ("卡", [8, 1, 0]),
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
def test_search_finds_the_expected_messages(
    strategy: None, conversations: list[Conversation], text: str, expected: list[int]
) -> None:
    page = search_messages(Conversation.objects.all(), text)
    assert [BODIES.index(body) for body in bodies(page)] == expected
    assert page.before is None


def test_search_finds_only_messages_of_the_given_conversations(
    strategy: None, conversations: list[Conversation]
) -> None:
    mine = Conversation.objects.filter(pk=conversations[2].pk)
    assert bodies(search_messages(mine, "银行")) == [BODIES[5]]
    assert conversations_with(mine, "银行") == ([conversations[2].pk], False)
    for nothing in (Conversation.objects.none(), Conversation.objects.filter(pk__in=[])):
        assert search_messages(nothing, "银行") == ResultPage([], None)


def test_search_pages_follow_each_other_without_gap_or_repeat(strategy: None, cast: Cast) -> None:
    conversation = start(cast)
    for number in range(25):
        say(conversation, f"银行 {number}" if number % 3 else f"银 行 {number}")
    expected = [f"银行 {number}" for number in reversed(range(25)) if number % 3]
    texts: list[str] = []
    before = None
    while True:
        page = search_messages(Conversation.objects.filter(pk=conversation.pk), "银行", before, limit=4)
        assert len(page.hits) <= 4
        texts += bodies(page)
        before = page.before
        if before is None:
            break
    assert texts == expected


def test_search_finds_exactly_what_each_reader_may_read(strategy: None, cast: Cast) -> None:
    """Compare each reader's results with the conversations that this reader may read.

    An agent may read conversations of the agent's departments and conversations that are or were assigned to the agent.
    """
    go_online(cast.jun, cast.mei)
    started = [start(cast, department="loans" if index % 3 else "cards") for index in range(9)]
    for conversation, colleagues in ((started[0], [cast.jun]), (started[3], [cast.jun, cast.mei])):
        for colleague in colleagues:
            transfer_to_agent(staff=cast.yun, uuid=conversation.uuid, to=colleague)
    for index in range(24):
        say(started[index % 9], f"银行 {index}")
    totals = {}
    for reader in (cast.mei, cast.jun, cast.yun, cast.wen, cast.an):
        visible = access.visible_to(reader).filter(pk__in=[conversation.pk for conversation in started])
        expected = Message.objects.filter(conversation__in=visible, body__startswith="银行").order_by("-pk")
        texts: list[str] = []
        before = None
        while True:
            page = search_messages(visible, "银行", before, limit=2)
            texts += bodies(page)
            before = page.before
            if before is None:
                break
        assert texts == [message.body for message in expected]
        totals[reader.username] = len(texts)
    # The 24 messages are spread over nine conversations: three of cards and six of loans. Jun, of loans, was also
    # assigned two conversations of cards.
    assert totals == {"mei": 8, "jun": 22, "yun": 24, "wen": 24, "an": 0}


def test_search_skips_candidates_that_contain_the_terms_apart(cast: Cast) -> None:
    conversation = start(cast)
    say(conversation, "银行卡")
    for _ in range(20):
        say(conversation, "银行的人说行卡")
    page = search_messages(Conversation.objects.filter(pk=conversation.pk), "银行卡", limit=5)
    assert bodies(page) == ["银行卡"]


@pytest.mark.parametrize(("scanned", "queries"), [(30_000, 3), (20, 5)])
def test_search_page_takes_few_queries_for_any_number_of_messages(
    conversations: list[Conversation],
    django_assert_num_queries: Any,
    monkeypatch: pytest.MonkeyPatch,
    scanned: int,
    queries: int,
) -> None:
    monkeypatch.setattr("chat.archive.search.SCANNED_MESSAGES", scanned)
    for _ in range(60):
        say(conversations[0], "银行")
    with django_assert_num_queries(queries):
        page = search_messages(Conversation.objects.all(), "银行", limit=50)
    assert len(page.hits) == 50


def test_search_hit_names_author_visitor_department_and_agent(cast: Cast) -> None:
    conversation = start(cast)
    say(conversation, "我的银行卡")
    (hit,) = search_messages(Conversation.objects.filter(pk=conversation.pk), "银行").hits
    assert (hit.conversation, hit.seq) == (conversation.uuid, 1)
    assert hit.department == str(conversation.department)
    assert (hit.author, hit.visitor, hit.agent) == ("访客", "", "")


@pytest.mark.parametrize(
    ("body", "text", "expected"),
    [
        ("我的银行卡", "银行", ("我的", "银行", "卡")),
        ("ＡＴＭ 吞卡", "atm", ("", "ＡＴＭ", " 吞卡")),
        ("x" * 40 + "银行" + "y" * 80, "银行", ("…" + "x" * 24, "银行", "y" * 60 + "…")),
        ("a\n\nb  银行", "银行", ("a b ", "银行", "")),
        ("nothing", "银行", ("nothing", "", "")),
        ("請問帳戶", "账户", ("請問", "帳戶", "")),
        ("ﬁ 账户１２３", "帳戶123", ("ﬁ ", "账户", "１２３")),
    ],
)
def test_excerpt_of_shows_the_text_around_the_first_hit(
    body: str, text: str, expected: tuple[str, str, str]
) -> None:
    assert tuple(excerpt_of(body, runs_of(text))) == expected
