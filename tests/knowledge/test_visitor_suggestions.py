"""Tests of answers suggested in the widget: the right answers for each visitor, and the recording of feedback."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client

from accounts.models import Staff
from chat import limits
from chat.models import Conversation
from chat.widget.tokens import token_for
from knowledge import views
from knowledge.actions.branches import category_at
from knowledge.actions.imports import PointToImport, import_points
from knowledge.actions.visitor_suggestions import record_feedback, record_shown
from knowledge.content import Content
from knowledge.models import Point, Region, Use, Version
from tests.people import SITE_KEY, Cast, go_online, say, start, take_as

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

OWN_ORIGIN = "http://testserver"
LOST_ANSWER = "打 95000 按 1 口头挂失，五天内带身份证到网点办书面挂失。"
QUESTION = "我在菜市场钱包被偷了，卡也在里面，怎么挂失"


@pytest.fixture(autouse=True)
def full_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_visitors", limits.Buckets(limits.suggestions))
    monkeypatch.setattr(views, "_addresses", limits.Buckets(limits.suggestions_of_address))


@pytest.fixture
def points(cast: Cast) -> None:
    def point(
        key: str, title: str, phrasings: list[str], answer: str, language: str = "zh", **overrides: Any
    ) -> PointToImport:
        defaults: dict[str, Any] = {
            "is_public": True,
            "category": category_at("银行卡/挂失"),
            "department": cast.cards,
        }
        content = Content(title=title, answer=answer, note="先安抚", **defaults | overrides)
        return PointToImport(key, language, content, phrasings)

    region = Region.objects.create(name="望江区")
    lost = ["卡找不到了咋办", "钱包被偷了卡在里面", "我要挂失"]
    import_points(
        by=None,
        given=[
            point("lost", "银行卡丢了怎么挂失？", lost, LOST_ANSWER, links=[["挂失指南", "https://www.bank.example/lost"]]),
            point("staff", "柜员如何办理挂失？", ["挂失怎么操作系统"], "进 0451 交易。", is_public=False),
            point("rate", "一年定期利率是多少？", ["存一年多少利息"], "年利率 1.35%。"),
            point("village", "社保卡在哪儿补办？", ["社保卡丢了去哪补"], "到镇上的网点。", region=region),
            point("en-lost", "How do I block a lost card?", ["lost my card"], "Call 95000 and press 1.", "en"),
        ],
    )  # fmt: skip


@pytest.fixture
def waiting(cast: Cast) -> Conversation:
    return start(cast)


def token(conversation: Conversation) -> str:
    return token_for(conversation.visitor.uuid, SITE_KEY)


def ask(
    client: Client, path: str = "answers", *, origin: str = OWN_ORIGIN, site: str = SITE_KEY, **data: Any
) -> Any:
    headers = {"origin": origin} if origin else {}
    return client.post(
        f"/widget/{site}/{path}", json.dumps(data), content_type="text/plain;charset=UTF-8", headers=headers
    )


def answers(client: Client, text: str = QUESTION, **data: Any) -> list[dict[str, str]]:
    response = ask(client, text=text, **data)
    assert response.status_code == 200, response.content
    shown: list[dict[str, str]] = response.json()["answers"]
    return shown


def test_waiting_visitor_gets_the_public_points_that_answer(
    client: Client, points: None, waiting: Conversation
) -> None:
    first, *others = answers(client, token=token(waiting))
    assert first["title"] == "银行卡丢了怎么挂失？"
    assert first["text"] == f"{LOST_ANSWER}\n挂失指南 https://www.bank.example/lost"
    assert set(first) == {"source", "title", "text"}
    assert "柜员如何办理挂失？" not in {answer["title"] for answer in others}
    assert len(others) <= 2


def test_staff_points_and_regional_points_are_never_shown_to_visitors(
    client: Client, points: None, waiting: Conversation
) -> None:
    for text in ("柜员如何办理挂失？", "挂失怎么操作系统"):
        assert "0451" not in str(answers(client, text, token=token(waiting)))
    assert "镇上" not in str(answers(client, "社保卡丢了去哪补", token=token(waiting)))


def test_question_that_no_point_answers_gets_no_answers(
    client: Client, points: None, waiting: Conversation
) -> None:
    assert answers(client, "明天会下雨吗", token=token(waiting)) == []
    assert answers(client, "   ", token=token(waiting)) == []
    assert not Use.objects.exists()


def test_english_question_gets_an_english_answer(client: Client, points: None, waiting: Conversation) -> None:
    shown = answers(client, "I lost my card", token=token(waiting), language="en")
    assert shown[0]["title"] == "How do I block a lost card?"


def test_answers_without_a_conversation_are_shown_and_not_recorded(client: Client, points: None) -> None:
    assert answers(client)
    assert answers(client, token="forged")
    assert not Use.objects.exists()


def test_answers_shown_repeatedly_are_recorded_once(
    client: Client, points: None, waiting: Conversation
) -> None:
    shown, *_again = [answers(client, token=token(waiting)) for _ in range(3)]
    uses = Use.objects.filter(conversation=waiting, by=Use.By.WIDGET)
    assert {use.version.source for use in uses} == {answer["source"] for answer in shown}
    assert all(use.is_helpful is None for use in uses)


def test_visitor_with_an_agent_gets_no_answers(
    client: Client, points: None, waiting: Conversation, cast: Cast
) -> None:
    go_online(cast.mei)
    take_as(staff=cast.mei, uuid=waiting.uuid)
    assert answers(client, token=token(waiting)) == []
    assert not Use.objects.exists()


def test_site_that_suggests_no_answers_has_neither_the_element_nor_the_endpoint(
    client: Client, points: None, cast: Cast
) -> None:
    assert 'id="answers"' in client.get(f"/widget/{SITE_KEY}/").content.decode()
    cast.site.suggests_answers = False
    cast.site.save(update_fields=["suggests_answers"])
    assert 'id="answers"' not in client.get(f"/widget/{SITE_KEY}/").content.decode()
    assert ask(client, text=QUESTION).status_code == 404
    assert ask(client, "answers/judge", token="x", source="point/1/1", is_helpful=True).status_code == 404


@pytest.mark.parametrize("origin", ["", "https://www.bank.example", "http://testserver.evil.example", "null"])
def test_answers_refuses_other_origins(client: Client, points: None, origin: str) -> None:
    assert ask(client, origin=origin, text=QUESTION).status_code == 404


def test_answers_accepts_only_the_configured_origins(client: Client, points: None, settings: Any) -> None:
    settings.OWN_ORIGINS = ["https://chat.bank.example"]
    assert ask(client, origin="https://chat.bank.example", text=QUESTION).status_code == 200
    assert ask(client, text=QUESTION).status_code == 404


@pytest.mark.parametrize("body", [b"", b"nonsense", b"{}", b"[]", b'{"text": 3}', b"\xff"])
def test_malformed_body_is_refused(client: Client, points: None, body: bytes) -> None:
    for path in ("answers", "answers/judge"):
        response = client.post(
            f"/widget/{SITE_KEY}/{path}", body, content_type="text/plain", headers={"origin": OWN_ORIGIN}
        )
        assert response.status_code == 400
    assert ask(client, site="nobody", text=QUESTION).status_code == 404
    assert client.get(f"/widget/{SITE_KEY}/answers").status_code == 405


def test_lone_surrogate_in_the_body_is_accepted(client: Client, points: None) -> None:
    body = '{"text": "\\ude00 我的银行卡丢了怎么挂失"}'
    response = client.post(
        f"/widget/{SITE_KEY}/answers", body, content_type="text/plain", headers={"origin": OWN_ORIGIN}
    )
    assert response.json()["answers"]


def test_answers_are_rate_limited_by_visitor_and_by_address(
    client: Client, points: None, waiting: Conversation, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [ask(client, text=QUESTION, token=token(waiting)).status_code for _ in range(22)]
    assert codes[:20] == [200] * 20
    assert codes[21] == 429
    # Another visitor with the same network address is not affected.
    assert ask(client, text=QUESTION, token=token(start(cast))).status_code == 200
    monkeypatch.setattr(views, "_addresses", limits.Buckets(lambda: limits.Bucket(burst=2, per_second=0)))
    elsewhere = Client(REMOTE_ADDR="203.0.113.9")
    assert [ask(elsewhere, text=QUESTION).status_code for _ in range(3)] == [200, 200, 429]


def test_answers_sets_no_cookie_and_neither_caches_nor_logs_the_text(
    client: Client, points: None, waiting: Conversation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    response = ask(client, text=QUESTION, token=token(waiting))
    ask(client, text=QUESTION * 40)
    assert not response.cookies
    assert response.headers["Cache-Control"] == "no-store"
    assert QUESTION[:8] not in caplog.text
    assert token(waiting)[:20] not in caplog.text


def test_database_error_answers_503_and_does_not_affect_messages(
    client: Client, points: None, waiting: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise DatabaseError(QUESTION)

    monkeypatch.setattr("knowledge.actions.visitor_suggestions.record_shown", fail)
    assert ask(client, text=QUESTION, token=token(waiting)).status_code == 503
    assert say(waiting, QUESTION).seq == 1


def test_last_feedback_of_a_visitor_counts_once(
    client: Client, points: None, waiting: Conversation, cast: Cast
) -> None:
    source = answers(client, token=token(waiting))[0]["source"]
    point = Point.objects.get(key="lost")
    for is_helpful, helped, missed in (
        (True, 1, 0),
        (True, 1, 0),
        (False, 0, 1),
        (False, 0, 1),
        (True, 1, 0),
    ):
        response = ask(client, "answers/judge", token=token(waiting), source=source, is_helpful=is_helpful)
        assert response.status_code == 200
        point.refresh_from_db()
        assert (point.helped, point.missed) == (helped, missed)
    assert Use.objects.get(version__point=point).is_helpful is True


def test_feedback_on_an_answer_that_was_not_shown_is_refused(
    client: Client, points: None, waiting: Conversation, cast: Cast
) -> None:
    shown = answers(client, token=token(waiting))[0]["source"]
    other = start(cast)
    rate = Version.objects.get(point__key="rate").source
    for holder, source in (
        (token(other), shown),
        (token(waiting), rate),
        (token(waiting), "nonsense"),
        ("", shown),
    ):
        response = ask(client, "answers/judge", token=holder, source=source, is_helpful=True)
        assert response.status_code == 404
    assert not Point.objects.filter(helped__gt=0).exists()


def test_customer_card_lists_the_answers_shown_by_the_widget_with_feedback(
    client: Client, points: None, waiting: Conversation, cast: Cast
) -> None:
    versions = Version.objects.filter(point__key__in=["lost", "rate"]).order_by("point__key")
    record_shown(conversation=waiting, versions=versions)
    record_feedback(conversation=waiting, source=versions[0].source, is_helpful=False)
    html = card(client, cast.mei, waiting)
    assert "银行卡丢了怎么挂失？" in html
    assert "一年定期利率是多少？" in html
    assert html.index("没有解决") < html.index("没有反馈")
    assert "widget-answers" not in card(client, cast.mei, start(cast))


def card(client: Client, staff: Staff, conversation: Conversation) -> str:
    client.force_login(staff)
    return client.get(f"/console/conversations/{conversation.uuid}/card").content.decode()


def test_answers_makes_at_most_seven_queries(
    client: Client, points: None, waiting: Conversation, django_assert_max_num_queries: Any
) -> None:
    answers(client, token=token(waiting))
    with django_assert_max_num_queries(7):
        answers(client, "存一年多少利息", token=token(waiting))
