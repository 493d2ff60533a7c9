"""Tests of the knowledge panel beside a conversation: suggestions, search, and answers made from a point."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from chat.models import CannedReply, Conversation, Message
from knowledge.actions.branches import category_at, save_branch
from knowledge.actions.imports import PointToImport, import_points
from knowledge.actions.points import keep_validity, withdraw
from knowledge.content import Content
from knowledge.models import Branch, Edition, Phrasing, Point, Region, UnansweredQuestion, Use
from knowledge.published_index import PublishedIndex, published
from tests.conftest import WriterAtOnce
from tests.people import Cast, say, start_with

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

LOST = "您别急。打 95000 按 1 口头挂失，五天内带身份证到网点办书面挂失。"
POINTS: list[tuple[str, str, str, list[str], str]] = [
    ("card-lost", "zh", "银行卡丢了怎么挂失？", ["卡找不到了咋办", "钱包被偷了卡在里面", "我要挂失"], LOST),
    (
        "card-swallowed",
        "zh",
        "取款机吞卡了怎么办？",
        ["机器把我卡吃了", "卡被机器吞了"],
        "请站在机器旁，三个工作日内到所属网点领取。",
    ),
    ("rate", "zh", "一年定期利率是多少？", ["存一年多少利息", "定存一年几个点"], "一年定期年利率 1.35%。"),
    ("limit", "zh", "手机银行转账限额怎么调？", ["转账额度不够", "一天最多能转多少"], "在“我的—限额”里调。"),
    (
        "en-lost",
        "en",
        "How do I block a lost card?",
        ["lost my card", "my wallet was stolen"],
        "Call 95000 and press 1.",
    ),
]


@pytest.fixture
def points(cast: Cast) -> None:
    import_points(by=None, given=[_given(*point, cast=cast) for point in POINTS])


def _given(
    key: str, language: str, title: str, phrasings: list[str], answer: str, *, cast: Cast, **other: Any
) -> PointToImport:
    content = Content(
        title=title,
        answer=answer,
        note="先安抚",
        category=category_at("银行卡/挂失"),
        department=cast.cards,
        **other,
    )
    return PointToImport(key, language, content, phrasings)


def ask(client: Client, path: str, **data: Any) -> Any:
    answer = client.post(f"/console/{path}", json.dumps(data, default=str), content_type="application/json")
    return answer.status_code, answer.json()


@pytest.fixture
def mei(cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr("console.inbox.message_views.writer", WriterAtOnce())
    client.force_login(cast.mei)
    return client


@pytest.fixture
def conversation(cast: Cast) -> Conversation:
    return start_with(cast, cast.mei)


def test_suggestions_for_the_last_question_come_with_the_passage_that_answers(
    points: None, mei: Client, conversation: Conversation, cast: Cast
) -> None:
    say(conversation, "你好")
    say(conversation, "您好，请讲", by=cast.mei)
    question = say(conversation, "我在菜市场钱包被偷了，卡也在里面，怎么挂失")
    code, answer = ask(mei, "points/likely", conversation=conversation.uuid)
    assert (code, answer["seq"]) == (200, question.seq)
    first = answer["points"][0]
    assert first["key"] == "card-lost"
    assert first["text"] == LOST
    assert first["note"] == "先安抚"
    assert "挂失" in first["passage"]
    assert len(answer["points"]) <= 3
    assert not UnansweredQuestion.objects.exists()


@pytest.mark.parametrize("path", ["points/likely", "points/find"])
def test_suggestions_are_not_older_than_the_edition_that_the_console_knows(
    path: str, points: None, mei: Client, conversation: Conversation, cast: Cast
) -> None:
    """Check that a request that names a new edition gets suggestions from this edition at once.

    Without such a request, the index looks for a new edition only once a second.
    """
    say(conversation, "我在菜市场钱包被偷了，卡也在里面，怎么挂失")
    request = {"conversation": str(conversation.uuid), **({"q": "挂失"} if path == "points/find" else {})}
    assert ask(mei, path, **request)[1]["points"][0]["key"] == "card-lost"
    withdraw(by=cast.yun, point=Point.objects.get(key="card-lost").pk, reason="")
    edition = Edition.objects.get().number
    answer = ask(mei, path, **request, edition=edition)[1]
    assert answer["edition"] == edition
    assert "card-lost" not in {point["key"] for point in answer["points"]}


def test_a_visitor_without_a_message_gets_no_suggestions(
    points: None, mei: Client, conversation: Conversation
) -> None:
    assert ask(mei, "points/likely", conversation=conversation.uuid)[1]["points"] == []


def test_search_finds_points_by_words_initials_and_typos_and_branches_by_name(
    points: None, mei: Client, cast: Cast
) -> None:
    region = Region.objects.create(name="望江区")
    branch = Branch(
        key="hospital", kind="atm", name="市二院自助点", region=region, address="康宁路61号", weekday_hours="24h",
        saturday_hours="24h", sunday_hours="24h",
        aliases=["第二医院"], latitude=Decimal("29.9"), longitude=Decimal("124.1"),
        duty_contact="值班 裴敏",
    )  # fmt: skip
    save_branch(by=None, branch=branch, changed=[])
    for typed, key in (
        ("挂失", "card-lost"),
        ("yhkdl", "card-lost"),
        ("利率", "rate"),
        ("吞卡", "card-swallowed"),
    ):
        found = ask(mei, "points/find", q=typed)[1]["points"]
        assert found[0]["key"] == key, typed
    place = ask(mei, "points/find", q="二院")[1]["places"][0]
    assert place["text"].splitlines()[:2] == ["市二院自助点", "康宁路61号"]
    assert "29.9" in place["text"]
    assert place["note"] == "值班 裴敏"
    assert "裴敏" not in place["text"]


def test_an_answer_from_a_point_keeps_its_version_and_is_counted_and_learned(
    points: None, mei: Client, conversation: Conversation
) -> None:
    say(conversation, "卡号6222021234567890的卡不见了，找了一圈没有")
    point = Point.objects.select_related("published").get(key="card-lost")
    assert point.published is not None
    client_id = uuid4()
    body = {"client_id": client_id, "body": LOST, "source": point.published.source}
    for _ in range(2):
        code, answer = ask(mei, f"conversations/{conversation.uuid}/messages", **body)
        assert code == 200, answer
    message = Message.objects.get(client_id=client_id)
    assert message.source == point.published.source
    use = Use.objects.get()
    assert (use.version, use.seq, use.is_edited) == (point.published, message.seq, False)
    assert Point.objects.get(pk=point.pk).uses == 1
    learned = Phrasing.objects.get(state=Phrasing.State.SUGGESTED)
    assert learned.text == "卡号#的卡不见了，找了一圈没有"


def test_an_answer_from_a_withdrawn_version_is_refused_but_a_repeat_is_accepted(
    points: None, mei: Client, conversation: Conversation, cast: Cast
) -> None:
    point = Point.objects.select_related("published").get(key="rate")
    assert point.published is not None
    first = {"client_id": uuid4(), "body": "一年定期年利率 1.35%。", "source": point.published.source}
    path = f"conversations/{conversation.uuid}/messages"
    accepted = ask(mei, path, **first)
    assert accepted[0] == 200
    withdraw(by=cast.yun, point=point.pk, reason="利率调整")
    assert ask(mei, path, **first) == accepted
    code, answer = ask(mei, path, **first | {"client_id": uuid4()})
    assert (code, answer["refused"]["code"]) == (409, "out_of_date")
    assert Message.objects.exclude(source="").count() == 1


@pytest.mark.parametrize("source", ["nonsense", "point/1", "point/1/2\x00", "place/x/y", "\x00"])
def test_an_invalid_source_is_refused_before_the_message_joins_a_batch(
    points: None, mei: Client, conversation: Conversation, source: str
) -> None:
    client_id = uuid4()
    body = {"client_id": client_id, "body": "您好", "source": source}
    code, answer = ask(mei, f"conversations/{conversation.uuid}/messages", **body)
    assert (code, answer["refused"]["code"]) == (400, "bad_frame")
    assert not Message.objects.filter(client_id=client_id).exists()


def test_a_branch_is_sent_to_the_customer_as_a_card(
    points: None, mei: Client, conversation: Conversation
) -> None:
    region = Region.objects.create(name="望江区")
    branch = Branch.objects.create(
        key="west", name="西门支行", region=region, address="西街1号", weekday_hours="9-17"
    )
    client_id = uuid4()
    body = {
        "client_id": client_id,
        "body": "西门支行\n西街1号",
        "source": f"place/{branch.pk}/{branch.edition}",
    }
    assert ask(mei, f"conversations/{conversation.uuid}/messages", **body)[0] == 200
    assert Message.objects.get(client_id=client_id).payload == {"card": "place"}


def test_an_unanswered_question_is_recorded_and_similar_ones_are_grouped(
    points: None, mei: Client, conversation: Conversation, cast: Cast
) -> None:
    say(conversation, "你们银行卖不卖演唱会门票")
    for _ in range(2):
        assert ask(mei, "points/likely", conversation=conversation.uuid)[0] == 200
    other = start_with(cast, cast.mei)
    say(other, "你们银行卖演唱会门票吗")
    ask(mei, "points/likely", conversation=other.uuid)
    gap = UnansweredQuestion.objects.get()
    assert (gap.text, gap.count) == ("你们银行卖不卖演唱会门票", 2)


def test_only_the_last_feedback_of_an_agent_on_a_point_counts(
    points: None, mei: Client, conversation: Conversation
) -> None:
    point = Point.objects.select_related("published").get(key="rate")
    assert point.published is not None
    data = {"source": point.published.source, "conversation": conversation.uuid}
    for is_helpful, counted in ((True, (1, 0)), (True, (1, 0)), (False, (0, 1)), (False, (0, 1))):
        assert ask(mei, "points/judge", **data, is_helpful=is_helpful)[0] == 200
        point.refresh_from_db()
        assert (point.helped, point.missed) == counted
    assert Use.objects.count() == 1
    assert (
        ask(mei, "points/judge", source="nonsense", conversation=conversation.uuid, is_helpful=True)[0] == 400
    )


def test_a_point_published_by_another_process_is_found_within_a_second_and_an_expired_one_is_not(
    points: None, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_process = PublishedIndex()
    other_process.current()
    import_points(by=None, given=[_given("shell", "zh", "能用贝壳付款吗？", [], "不能。", cast=cast)])
    other_process._checked_at -= 2
    assert "shell" in {point.key for point in other_process.current().points.values()}
    found = other_process.index.find("可以用贝壳付款吗", limit=1)
    assert other_process.points[found[0].id].key == "shell"
    until = timezone.localdate()
    import_points(
        by=None,
        given=[_given("rate", "zh", "一年定期利率是多少？", [], "1.2%", cast=cast, valid_until=until)],
    )
    keep_validity(until + timedelta(days=1))
    other_process._checked_at -= 2
    assert "rate" not in {point.key for point in other_process.current().points.values()}


def test_a_request_for_suggestions_makes_few_queries(
    points: None, mei: Client, conversation: Conversation, django_assert_max_num_queries: Any
) -> None:
    say(conversation, "卡丢了")
    published.current()
    with django_assert_max_num_queries(7):
        ask(mei, "points/likely", conversation=conversation.uuid)
    with django_assert_max_num_queries(7):
        ask(mei, "points/find", q="挂失", conversation=conversation.uuid)


def test_a_canned_reply_made_from_a_point_becomes_inactive_with_it(
    points: None, mei: Client, cast: Cast
) -> None:
    point = Point.objects.select_related("published").get(key="rate")
    assert point.published is not None
    CannedReply.objects.create(
        owner=cast.mei, shortcut="rate", title="利率", body="1.35%", source=point.published.source
    )
    assert mei.get("/console/replies.json").json()["replies"][0]["source"] == point.published.source
    withdraw(by=cast.yun, point=point.pk, reason="")
    assert mei.get("/console/replies.json").json()["replies"] == []
