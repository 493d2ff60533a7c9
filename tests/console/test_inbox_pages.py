"""Tests of the inbox, search and reply pages: content, numbers of queries, and refused forms that keep their text."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Staff
from chat.actions import agents, visitors
from chat.models import CannedReply, Conversation, Note
from console.inbox import selectors
from tests.people import Cast, go_online, say, start, start_with, take_next_as

pytestmark = pytest.mark.django_db


def client_of(staff: Staff, **headers: str) -> Client:
    client = Client(headers=headers)
    client.force_login(staff, settings.AUTHENTICATION_BACKENDS[0])
    return client


def page_of(client: Client, path: str) -> str:
    return client.get(path, headers={"accept": "text/html"}).content.decode()


def state_in(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="state" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    state: dict[str, Any] = json.loads(found[1])
    return state


def fill_lists(cast: Cast, *, mine: int, waiting: int) -> None:
    for _ in range(mine):
        say(start_with(cast, cast.mei), "我的卡被取款机吞了，人在医院，等着交押金")
    for _ in range(waiting):
        start(cast, name="李雷")


def queries_of(view: Callable[[], object]) -> int:
    view()
    with CaptureQueriesContext(connection) as captured:
        view()
    return len(captured)


def test_the_inbox_makes_as_many_queries_for_sixty_conversations_as_for_three(cast: Cast) -> None:
    client = client_of(cast.mei)
    fill_lists(cast, mine=1, waiting=2)
    few = queries_of(lambda: client.get("/console/"))
    fill_lists(cast, mine=29, waiting=28)
    many = queries_of(lambda: client.get("/console/"))

    # Two of these queries look for required exams that are due or not passed.
    assert few == many <= 10
    assert len(state_in(page_of(client, "/console/"))["rows"]) == 60


def test_the_inbox_stays_small_with_a_hundred_waiting_and_fifty_own_conversations(cast: Cast) -> None:
    fill_lists(cast, mine=50, waiting=110)
    response = client_of(cast.mei).get("/console/", headers={"accept-encoding": "gzip"})

    assert len(response.content) < 60 * 1024
    state = state_in(gzip.decompress(response.content).decode())
    assert (len(state["rows"]), state["waiting_count"]) == (150, 110)


@pytest.mark.parametrize(
    ("path", "most"), [("thread", 8), ("card", 9), ("forms/transfer", 9), ("forms/close", 6)]
)
def test_conversation_panels_make_the_same_queries_for_any_number_of_messages(
    cast: Cast, path: str, most: int
) -> None:
    visitor = uuid4()
    for _ in range(3):
        earlier = start(cast, visitor=visitor)
        visitors.end_by_visitor(visitor=earlier.visitor)
    conversation = start(cast, visitor=visitor, name="李雷")
    take_next_as(staff=cast.mei)
    go_online(cast.hao, cast.jun)
    client = client_of(cast.mei)
    few = queries_of(lambda: client.get(f"/console/conversations/{conversation.uuid}/{path}"))
    for index in range(20):
        say(conversation, f"第{index}句")
        agents.add_note(staff=cast.mei, uuid=conversation.uuid, body=f"便笺{index}")

    assert queries_of(lambda: client.get(f"/console/conversations/{conversation.uuid}/{path}")) == few <= most


@pytest.mark.both_databases
def test_the_lists_hold_ones_own_conversations_and_the_queue_of_ones_departments(cast: Cast) -> None:
    mine, other = start_with(cast, cast.mei), start_with(cast, cast.hao)
    here, there = start(cast), start(cast, department="loans")

    def listed(staff: Staff) -> set[str]:
        return {row["id"] for row in state_in(page_of(client_of(staff), "/console/"))["rows"]}

    assert listed(cast.mei) == {str(mine.uuid), str(here.uuid)}
    assert listed(cast.jun) == {str(there.uuid)}
    assert listed(cast.yun) == {str(c.uuid) for c in (mine, other, here, there)}


@pytest.mark.both_databases
def test_the_customer_card_shows_the_identity_level_and_earlier_ratings(cast: Cast) -> None:
    visitor = uuid4()
    earlier = start(cast, visitor=visitor, name="李<雷>")
    take_next_as(staff=cast.mei)
    agents.end_conversation(staff=cast.mei, uuid=earlier.uuid)
    visitors.rate(visitor=earlier.visitor, score=4, comment="谢谢 <b>小林</b>")
    now = start(cast, visitor=visitor, name="李<雷>")
    card = client_of(cast.mei, **{"accept-language": "en"}).get(f"/console/conversations/{now.uuid}/card")
    words = card.content.decode()

    assert "Name not verified" in words
    assert "nobody has verified it" in words
    assert f"/console/conversations/{earlier.uuid}/" in words
    assert "谢谢 &lt;b&gt;小林&lt;/b&gt;" in words
    assert "<b>小林" not in words
    assert "李&lt;雷&gt;" in words


def test_a_refused_form_keeps_the_typed_text(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    client = client_of(cast.mei, **{"accept-language": "en"})
    path = f"/console/conversations/{conversation.uuid}"
    offline = client.post(f"{path}/transfer", {"to": f"agent:{cast.hao.pk}", "note": "老客户 <急>"})
    missing = client.post(f"{path}/close", {"comment": "办好了"})

    assert offline.status_code == 422
    assert "老客户 &lt;急&gt;" in offline.content.decode()
    assert missing.status_code == 422
    assert "办好了" in missing.content.decode()
    assert "Choose a wrap-up code." in missing.content.decode()
    conversation.refresh_from_db()
    assert conversation.agent == cast.mei


def test_a_transfer_to_a_colleague_who_went_offline_is_refused_with_a_message(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.hao)
    client = client_of(cast.mei)
    form = client.get(f"/console/conversations/{conversation.uuid}/forms/transfer").content.decode()
    assert f'value="agent:{cast.hao.pk}"' in form
    assert f'value="agent:{cast.mei.pk}"' not in form


def test_a_note_sent_twice_is_stored_once(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    note = {"client_id": str(uuid4()), "body": "查过了"}
    client = client_of(cast.mei)
    for _ in range(2):
        response = client.post(f"/console/conversations/{conversation.uuid}/notes", note)
        assert response.status_code == 204
        assert "console:done" in response["HX-Trigger"]

    assert Note.objects.get().body == "查过了"


def test_the_thread_of_a_closed_conversation_includes_its_messages_and_of_an_open_one_does_not(
    cast: Cast,
) -> None:
    conversation = start_with(cast, cast.mei)
    say(conversation, "你好")
    client = client_of(cast.mei)
    path = f"/console/conversations/{conversation.uuid}/thread"
    assert client.get(path).json()["messages"] is None

    agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=cast.done)
    answer = client.get(path).json()
    assert [m["seq"] for m in answer["messages"]["messages"]] == [1, 2, 3]
    assert [m["seq"] for m in client.get(f"{path}?after=2").json()["messages"]["messages"]] == [3]
    for no_seq in ("x", "²", "-1", "9" * 5000):
        assert client.get(path, {"after": no_seq}).status_code == 200


def test_placeholder_values_are_in_the_language_of_the_conversation(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei, language="en")
    values = client_of(cast.mei).get(f"/console/conversations/{conversation.uuid}/thread").json()["values"]

    assert values == {
        "visitor_name": "",
        "agent_name": "Mei Lin",
        "agent_number": "1001",
        "bank_name": "Qinglan Bank",
        "hotline": "95000",
    }


def test_a_valid_presence_is_set_and_an_invalid_one_refused(cast: Cast) -> None:
    client = client_of(cast.mei)
    assert client.post("/console/presence", {"status": "break"}).json() == {"presence": "break"}
    assert selectors.presence_of(cast.mei) == "break"
    assert client.post("/console/presence", {"status": "asleep"}).status_code == 400


@pytest.mark.both_databases
@pytest.mark.usefixtures("one_day")
def test_todays_figures_count_the_conversations_taken_today(cast: Cast) -> None:
    for _ in range(2):
        conversation = start_with(cast, cast.mei)
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    start_with(cast, cast.hao)
    today = selectors.today_of(cast.mei)

    assert (today.contacts, today.handle_seconds) == (2, 0)
    assert selectors.today_of(cast.jun).handle_seconds is None


# -- Search -----------------------------------------------------------------------------------------------------


def found(client: Client, **asked: Any) -> list[str]:
    page = client.post("/console/search/results", asked).content.decode()
    return re.findall(r'href="/console/conversations/([0-9a-f-]{36})/', page)


@pytest.mark.both_databases
def test_search_finds_a_two_character_word_in_readable_conversations_only(cast: Cast) -> None:
    mine, loans = start_with(cast, cast.mei), start_with(cast, cast.jun)
    for conversation in (mine, loans):
        say(conversation, "我的卡被吞卡机吞了<script>")
    say(mine, "卡吞了")

    assert found(client_of(cast.mei), q="吞卡") == [str(mine.uuid)]
    assert found(client_of(cast.jun), q="吞卡") == [str(loans.uuid)]
    assert found(client_of(cast.yun), q="吞卡") == [str(loans.uuid), str(mine.uuid)]
    assert found(client_of(cast.yun), q="吞卡", department=cast.cards.pk) == [str(mine.uuid)]
    assert found(client_of(cast.yun), q="吞卡", agent=cast.jun.pk) == [str(loans.uuid)]
    assert found(client_of(cast.yun), q="吞卡", since="2099-01-01") == []
    assert found(client_of(cast.yun), q="吞卡", mine="on") == []
    page = client_of(cast.mei).post("/console/search/results", {"q": "吞卡"}).content.decode()
    assert "<mark>吞卡</mark>" in page
    assert "&lt;script&gt;" in page
    assert "了<script>" not in page


@pytest.mark.both_databases
def test_search_continues_where_the_page_ended(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    for index in range(35):
        say(conversation, f"第{index}次问利率")
    client = client_of(cast.mei)
    page = client.post("/console/search/results", {"q": "利率"}).content.decode()
    before = re.search(r'name="before" value="(\d+)"', page)
    assert before
    assert len(found(client, q="利率")) == 30
    assert len(found(client, q="利率", before=before[1])) == 5


@pytest.mark.both_databases
def test_search_without_words_lists_conversations(cast: Cast) -> None:
    conversations = [start_with(cast, cast.mei) for _ in range(32)]
    client = client_of(cast.mei)
    newest = [str(conversation.uuid) for conversation in reversed(conversations)]

    assert found(client) == newest[:30]
    assert found(client, before=Conversation.objects.get(uuid=newest[29]).pk) == newest[30:]


@pytest.mark.both_databases
def test_search_accepts_the_first_and_last_date_of_the_calendar(cast: Cast) -> None:
    newest = [str(start_with(cast, cast.mei).uuid)]
    client = client_of(cast.mei)
    assert found(client, since="0001-01-01", until="9999-12-31") == newest
    assert found(client, until="0001-01-01") == []


def test_search_words_never_appear_in_an_address(cast: Cast) -> None:
    page = page_of(client_of(cast.mei), "/console/search")
    assert 'method="post"' in page
    assert 'method="get"' not in page


# -- Replies ----------------------------------------------------------------------------------------------------


def test_a_canned_reply_is_created_changed_and_deleted(cast: Cast) -> None:
    client = client_of(cast.mei)
    form = {"scope": "personal", "language": "zh", "shortcut": "sd", "title": "稍等", "body": "请稍等。"}
    assert client.post("/console/replies/create", form).status_code == 302
    reply = CannedReply.objects.get()
    assert (reply.owner, reply.initials.split()[0]) == (cast.mei, "sd")
    again = client.post("/console/replies/create", form | {"body": "另一句"})
    assert again.status_code == 422
    assert "另一句" in again.content.decode()

    client.post(f"/console/replies/{reply.pk}/change", form | {"title": "马上好"})
    reply.refresh_from_db()
    assert (reply.title, reply.initials.split()[0]) == ("马上好", "msh")
    client.post(f"/console/replies/{reply.pk}/delete")
    assert not CannedReply.objects.exists()


@pytest.mark.both_databases
def test_the_composer_gets_shared_department_and_personal_replies(cast: Cast) -> None:
    def make(shortcut: str, **scope: Any) -> None:
        CannedReply.objects.create(shortcut=shortcut, title=shortcut, body="好", **scope)

    make("all")
    make("cards", department=cast.cards)
    make("loans", department=cast.loans)
    make("mei", owner=cast.mei)
    make("hao", owner=cast.hao)

    def scopes(staff: Staff) -> dict[str, str]:
        replies = client_of(staff).get("/console/replies.json").json()["replies"]
        return {reply["shortcut"]: reply["scope"] for reply in replies}

    assert scopes(cast.mei) == {"all": "shared", "cards": "department", "mei": "personal"}
    assert scopes(cast.jun) == {"all": "shared", "loans": "department"}
    assert scopes(cast.yun) == {"all": "shared", "cards": "department", "loans": "department"}


# -- Sign-in ----------------------------------------------------------------------------------------------------


def test_the_sign_in_page_accepts_staff_and_has_no_sign_up(cast: Cast) -> None:
    cast.mei.set_password("lamp-in-the-window")
    cast.mei.save(update_fields=["password"])
    client = Client(headers={"accept": "text/html"})
    assert client.get("/console/").headers["Location"] == "/console/login/?next=/console/"
    page = client.get("/console/login/?next=/console/").content.decode()
    assert "signup" not in page

    wrong = client.post("/console/login/", {"login": "mei", "password": "wrong"})
    assert wrong.status_code == 200
    assert "alert" in wrong.content.decode()
    right = client.post("/console/login/", {"login": "mei", "password": "lamp-in-the-window"})
    assert right.headers["Location"] == "/console/"
    assert client.get("/console/").status_code == 200
    client.post("/console/logout/")
    assert client.get("/console/").status_code == 302
