"""Tests of guarantees that hold while a server, the database or Redis is killed, stopped, stalled or flushed.

They guard two invariants of tests/test_invariants.py:

- 1: accepted means committed.
- 2: nothing accepted is lost, doubled or reordered.

The tests have their own database, because they kill it.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPException
from threading import Event
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import psycopg
import pytest

from tests.conftest import bank_environment
from tests.harness.servers import AppServer, PrivatePostgres, PrivateRedis, Server
from tests.harness.sockets import Console, Widget
from tests.people import SITE_KEY

LOAD = """
import json
from tests.people import PEOPLE, create_cast, session_of
cast = create_cast()
print("loaded", json.dumps({p.username: [session_of(getattr(cast, p.username)) for _ in range(9)] for p in PEOPLE}))
"""
ACT = """
from uuid import UUID
from accounts.models import Staff
from chat.models import Conversation
from chat.actions import agents
from tests.people import go_online, take_as
staff, conversation = Staff.objects.get(username={who!r}), UUID({conversation!r})
{code}
"""


@dataclass(frozen=True)
class Bank:
    """Two server processes, and a PostgreSQL and a Redis that tests may stop or kill."""

    postgres: PrivatePostgres
    redis: PrivateRedis
    daphne: AppServer
    uvicorn: AppServer
    sessions: dict[str, list[str]]

    def act(self, who: str, conversation: str | None, code: str) -> None:
        """Run code in a separate process without sockets, as a management command would. `who` is a username."""
        self.daphne.manage("shell", "-v0", "-c", ACT.format(who=who, conversation=conversation, code=code))

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def stored(self, conversation: str | None) -> list[tuple[int, str]]:
        """Return (seq, client_id) of each stored message of a conversation."""
        rows = self.query(
            "SELECT m.seq, m.client_id FROM chat_message m JOIN chat_conversation c ON c.id = m.conversation_id"
            " WHERE c.uuid = %s ORDER BY m.seq",
            conversation,
        )
        return [(seq, str(client_id)) for seq, client_id in rows]


@pytest.fixture(scope="module")
def running_bank() -> Iterator[Bank]:
    with PrivatePostgres() as postgres, PrivateRedis() as redis:
        env = bank_environment(postgres.url, redis.url)
        with AppServer(env) as daphne, AppServer(env, prepare=False, server="uvicorn") as uvicorn:
            printed = daphne.manage("shell", "-v0", "-c", LOAD)
            loaded = next(line for line in printed.splitlines() if line.startswith("loaded "))
            yield Bank(postgres, redis, daphne, uvicorn, json.loads(loaded.removeprefix("loaded ")))


@pytest.fixture
def bank(running_bank: Bank) -> Iterator[Bank]:
    servers: list[Server] = [
        running_bank.postgres,
        running_bank.redis,
        running_bank.daphne,
        running_bank.uvicorn,
    ]
    for server in servers:
        server.start()
    with psycopg.connect(running_bank.postgres.url, autocommit=True) as connection:
        connection.execute("TRUNCATE chat_visitor, accounts_presence CASCADE")
    yield running_bank
    for server in servers:
        server.send_signal(signal.SIGCONT)


def post_all(widget: Widget, bodies: list[str]) -> dict[str, str]:
    """Post messages one by one, each after the previous one was accepted; return the bodies by client_id."""
    posted = {}
    for body in bodies:
        client_id = str(uuid4())
        posted[client_id] = body
        widget.post(body, client_id)
    return posted


# -- The server ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_killed_server_loses_no_accepted_message(bank: Bank, name: str) -> None:
    """Check that accepted messages are stored if the server gets SIGKILL while posts are in progress.

    Posts without an answer may be sent again.
    """
    server: AppServer = getattr(bank, name)
    widget = Widget(server)
    widget.open()
    widget.begin()
    ids = [widget.send_post(f"第{number}句") for number in range(12)]
    accepted = [widget.wait_for("accepted")["client_id"] for _ in range(4)]
    server.kill()
    stored = bank.stored(widget.conversation)
    assert {client_id for _, client_id in stored} >= set(accepted)

    server.start()
    with Widget(server) as again:
        welcome = again.open(like=widget)
        known = {message["client_id"] for message in welcome["messages"]}
        assert set(accepted) <= known
        for client_id in ids:
            again.post(f"第{ids.index(client_id)}句", client_id)
    stored = bank.stored(widget.conversation)
    assert [seq for seq, _ in stored] == list(range(1, 13))
    assert sorted(client_id for _, client_id in stored) == sorted(ids)


# -- The database ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_database_outage_loses_no_accepted_message(bank: Bank, how: str) -> None:
    """Check that no message is lost or doubled if the database is stopped or killed, and then started again."""
    with Widget(bank.daphne) as widget, Widget(bank.uvicorn) as tab:
        widget.open()
        widget.begin()
        tab.open(like=widget)
        ids = [widget.send_post(f"{number}") for number in range(6)]
        accepted = widget.wait_for("accepted")["client_id"]
        getattr(bank.postgres, how)()
        late = widget.send_post("没有数据库")
        refused = widget.wait_for("refused", lambda frame: frame["client_id"] == late)
        assert (refused["code"], refused["retry_after_ms"] > 0) == ("unavailable", True)
        bank.postgres.start()
        # Send immediately after the start, to check that the pool does not hand out dead connections.
        for number, client_id in enumerate(ids):
            widget.post(f"{number}", client_id)
        widget.post("没有数据库", late)
        stored = bank.stored(widget.conversation)
        assert [seq for seq, _ in stored] == list(range(1, 8))
        assert {client_id for _, client_id in stored} == {*ids, late}
        assert accepted in ids
        # The sweep finds messages that were committed although their answer was lost.
        while "没有数据库" not in tab.bodies():
            tab.wait_for("message")


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_visitor_during_a_database_outage_is_asked_to_come_back(bank: Bank, name: str) -> None:
    server: AppServer = getattr(bank, name)
    with Widget(server) as widget, Widget(server) as waiting:
        widget.open()
        waiting.open()
        bank.postgres.stop()
        with Widget(server) as newcomer:
            newcomer.send("hello", site=SITE_KEY)
            bye = newcomer.wait_for("bye")
            assert (bye["code"], bye["retry_after_ms"] > 0) == ("unavailable", True)
            assert newcomer.wait_for_close() == 4000
        client_id = str(uuid4())
        waiting.send("start", client_id=client_id, form={})
        refused = waiting.wait_for("refused")
        assert (refused["code"], refused["client_id"]) == ("unavailable", client_id)
        bank.postgres.start()
        waiting.send("start", client_id=client_id, form={})
        assert waiting.welcomed()["state"]["status"] == "waiting"
        waiting.post("还在")
        with Widget(server) as newcomer:
            newcomer.open()


def test_request_during_a_database_outage_is_asked_to_try_again(bank: Bank) -> None:
    """Check the responses while the database is down.

    A person gets a page in their language, and a script gets a refusal with a time to retry. The server must not log an
    error.
    """
    server = bank.daphne
    session = bank.sessions["mei"].pop()
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        bank.act("mei", widget.conversation, "take_as(staff=staff, uuid=conversation)")
    messages = f"/console/conversations/{widget.conversation}/messages"
    post = json.dumps({"client_id": str(uuid4()), "body": "数据库不在"}).encode()
    form = "application/x-www-form-urlencoded"
    before = len(server.log)
    bank.postgres.stop()

    for path, language, text in (
        ("/console/", "zh-hans", "系统暂时没有响应"),
        # The text is "isn't responding right now", but HTML escapes the apostrophe.
        ("/console/points/", "en", "responding right now"),
        ("/admin/", "zh-hans", "系统暂时没有响应"),
    ):
        page = request(server, path, session, language=language)
        assert (page.status, page.retry_after > 0, page.has_refresh) == (503, True, True), page
        assert text in page.text
    form_page = request(server, "/console/replies/create", session, b"shortcut=hi", content_type=form)
    assert (form_page.status, form_page.has_refresh) == (503, False)
    assert "请先查看，再决定是否重新提交" in form_page.text
    script = request(server, messages, session, post, accept="application/json")
    refused = json.loads(script.text)["refused"]
    assert (script.status, refused["code"], refused["retry_after_ms"] > 0) == (503, "unavailable", True)
    widget_page = request(server, f"/widget/{SITE_KEY}/", None)
    assert (widget_page.status, widget_page.retry_after > 0) == (503, True)
    assert request(server, "/readyz", None).status == 503
    assert "Traceback" not in server.log[before:]
    assert "Service Unavailable" not in server.log[before:]

    bank.postgres.start()
    script = request(server, messages, session, post, accept="application/json")
    assert (script.status, json.loads(script.text)["accepted"]["seq"]) == (200, 2)


@dataclass(frozen=True)
class Answer:
    status: int
    retry_after: int
    has_refresh: bool
    text: str


def request(
    server: AppServer,
    path: str,
    session: str | None,
    data: bytes | None = None,
    *,
    language: str = "zh-hans",
    accept: str = "text/html",
    content_type: str = "application/json",
) -> Answer:
    """Send a request as a browser does, a POST if there is `data`, and return the response."""
    cookies = f"csrftoken={'c' * 32}; django_language={language}"
    if session:
        cookies += f"; sessionid={session}"
    headers = {
        "Cookie": cookies,
        "X-CSRFToken": "c" * 32,
        "Accept": accept,
        "Content-Type": content_type,
    }
    try:
        with urlopen(Request(server.url + path, data, headers), timeout=20) as response:
            return Answer(response.status, 0, False, response.read().decode())
    except HTTPError as error:
        has_refresh = "Refresh" in error.headers
        return Answer(
            error.code, int(error.headers.get("Retry-After", 0)), has_refresh, error.read().decode()
        )


# -- Redis -----------------------------------------------------------------------------------------------------


def test_without_redis_everything_still_arrives(bank: Bank) -> None:
    """Check that the sweep finds all changes while notifications are lost, and that notifications work again
    afterwards."""
    with (
        Widget(bank.daphne) as widget,
        Widget(bank.uvicorn) as tab,
        Console(bank.uvicorn, bank.sessions["mei"].pop()) as mei,
        Console(bank.uvicorn, bank.sessions["hao"].pop()) as hao,
        Console(bank.uvicorn, bank.sessions["yun"].pop()) as yun,
    ):
        for console in (mei, hao, yun):
            console.open()
        bank.redis.stop()
        # The other process shows the new conversation.
        widget.open()
        widget.begin(name="李雷")
        for console in (mei, hao, yun):
            row = console.wait_for("conversation", within=6)
            assert (row["row"]["visitor_name"], row["listed"]) == ("李雷", True)
        # The other process shows a message.
        tab.open(like=widget)
        mei.watch(widget.conversation or "")
        hao.watch(widget.conversation or "")
        widget.post("在吗")
        for client in (tab, mei, hao):
            assert client.wait_for("message", within=6)["message"]["body"] == "在吗"
        # The other process shows the assignment to everybody.
        bank.act("mei", widget.conversation, "take_as(staff=staff, uuid=conversation)")
        for screen in (widget, tab):
            assert screen.wait_for("state", lambda frame: frame["state"]["status"] == "active", within=6)
        assert hao.wait_for("conversation", lambda frame: not frame["listed"], within=6)
        assert yun.wait_for("conversation", lambda frame: frame["row"]["status"] == "active", within=6)[
            "listed"
        ]
        # The other process shows read marks and notes.
        widget.send("seen", received=2, read=2)
        row = mei.wait_for("conversation", lambda frame: frame["row"]["visitor_read"] == 2, within=6)
        mei.send("seen", conversation=widget.conversation, received=2, read=1)
        assert widget.wait_for("state", lambda frame: frame["state"]["agent_read"] == 1, within=6)
        bank.act("mei", widget.conversation, 'agents.add_note(staff=staff, uuid=conversation, body="便条")')
        for console in (mei, hao):
            assert console.wait_for("note", within=6)["body"] == "便条"
        # The other process removes the ended conversation from the lists.
        widget.send("end")
        assert yun.wait_for("conversation", lambda frame: not frame["listed"], within=6)
        assert tab.wait_for("state", lambda frame: frame["state"]["status"] == "wrap_up", within=6)
        for client in (widget, tab, mei, hao, yun):
            assert "note" not in client.kinds() or client in (mei, hao)

        bank.redis.start()
        # Notifications work again: typing is not stored, so only a notification can bring it.
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and "is_typing" not in [frame["kind"] for frame in hao.frames]:
            widget.send("typing")
            hao.listen(1.2)
        assert "is_typing" in hao.kinds()


def test_sweep_sends_nothing_twice(bank: Bank) -> None:
    with Widget(bank.daphne) as widget, Widget(bank.uvicorn) as tab:
        widget.open()
        widget.begin()
        tab.open(like=widget)
        bank.redis.stop()
        for body in "一二三":
            widget.post(body)
        while "三" not in tab.bodies():
            tab.wait_for("message", within=6)
        # Listen for two more rounds of the sweep.
        widget.listen(3.5)
        tab.listen(0.2)
        for screen in (widget, tab):
            assert [body for body in screen.bodies() if body] == ["一", "二", "三"]


def test_stalled_redis_delays_no_answer(bank: Bank) -> None:
    with Widget(bank.daphne) as widget, Widget(bank.uvicorn) as tab:
        widget.open()
        widget.begin()
        tab.open(like=widget)
        bank.redis.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        for body in "一二三":
            widget.post(body)
        assert time.monotonic() - started < 1
        while "三" not in tab.bodies():
            tab.wait_for("message", within=6)
        bank.redis.send_signal(signal.SIGCONT)


def test_flushed_redis_keeps_all_subscriptions(bank: Bank) -> None:
    import redis

    with Widget(bank.daphne) as widget, Widget(bank.uvicorn) as tab:
        widget.open()
        widget.begin()
        tab.open(like=widget)
        with redis.Redis.from_url(bank.redis.url) as client:
            client.flushall()
        widget.post("一")
        tab.wait_for("message", within=1)


def test_redis_contains_no_message_text_and_no_names(bank: Bank) -> None:
    """Check that Redis stores nothing, that its channel names reveal no conversation, and that the logs contain neither
    the text of a message nor a token."""
    import redis

    with Widget(bank.daphne) as widget, Widget(bank.uvicorn) as tab:
        widget.open()
        widget.begin(name="李雷")
        tab.open(like=widget)
        widget.post("卡号6222020000001234567")
        tab.wait_for("message")
        with redis.Redis.from_url(bank.redis.url, decode_responses=True) as client:
            assert client.keys("*") == []
            for channel in client.pubsub_channels("*"):
                assert channel.startswith("lianxin")
                assert widget.conversation not in channel
        assert "6222020000001234567" not in bank.daphne.log + bank.uvicorn.log
        assert str(widget.token) not in bank.daphne.log + bank.uvicorn.log


# -- A client that does not read -------------------------------------------------------------------------------


def memory_bytes(server: Server) -> int:
    with open(f"/proc/{server.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


LONG = """
from tests.people import say_many
say_many(Conversation.objects.get(uuid=conversation), 200, body="很长的话" * 500)
"""


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_visitor_socket_that_does_not_read_is_aborted_at_the_memory_limit(bank: Bank, name: str) -> None:
    """Check the limit of 2 MiB of unsent frames. Without it, the frames of this test would take 20 MB."""
    server: AppServer = getattr(bank, name)
    with ExitStack() as sockets:
        widget = sockets.enter_context(Widget(server))
        widget.open()
        widget.begin()
        bank.act("mei", widget.conversation, LONG)
        # Connected only now: the server does not wait long for a hello.
        deaf = sockets.enter_context(Widget(server))
        deaf.open(like=widget)
        before = memory_bytes(server)
        # Request answers of 20 MB in total without reading them. The kernel's buffers hold only a few MB, so the server
        # has to keep the rest in memory or disconnect.
        for _ in range(110):
            deaf.send("fetch", after=0)
        deaf.wait_until_cut(within=20)
        deaf.cut()
        assert memory_bytes(server) - before < 12 * 1024 * 1024
        widget.post("还好")


# -- Assignment --------------------------------------------------------------------------------------------------

CROWD = """
from accounts.models import Department
from chat.models import Conversation, Site, Visitor
site, cards = Site.objects.get(), Department.objects.get(code="cards")
for _ in range(300):
    visitor = Visitor.objects.create(site=site, language="zh")
    Conversation.objects.create(client_id=visitor.uuid, site=site, visitor=visitor, department=cards)
Staff.objects.update(capacity=300)
go_online(*Staff.objects.filter(username__in=("mei", "hao", "yun")))
"""


def test_server_killed_during_assignment_assigns_each_conversation_fully_or_not_at_all(bank: Bank) -> None:
    """Check that a kill leaves no half-stored assignment, even if one transaction serves many agents.

    The server is killed before the last answers are sent.
    """
    bank.act("mei", str(uuid4()), CROWD)
    assignment_is_running = Event()
    assigned: list[str] = []

    def take_until_disconnected(session: str) -> None:
        request = Request(
            f"{bank.daphne.url}/console/next",
            b"{}",
            {"Cookie": f"sessionid={session}; csrftoken={'c' * 32}", "X-CSRFToken": "c" * 32},
        )
        while len(assigned) < 250:
            try:
                with urlopen(request, timeout=20) as response:
                    assigned.append(json.load(response)["conversation"])
            except (OSError, HTTPException):
                return
            if len(assigned) > 20:
                assignment_is_running.set()

    sessions = [bank.sessions[who].pop() for who in ("mei", "hao", "yun") for _ in range(4)]
    with ThreadPoolExecutor(len(sessions)) as agents:
        futures = [agents.submit(take_until_disconnected, session) for session in sessions]
        assert assignment_is_running.wait(30)
        bank.daphne.kill()
        for future in futures:
            future.result(30)

    stored = bank.query(
        "SELECT c.uuid::text, c.status, c.last_seq,"
        " (SELECT count(*) FROM chat_assignment a WHERE a.conversation_id = c.id AND a.agent_id = c.agent_id),"
        " (SELECT count(*) FROM chat_assignment a WHERE a.conversation_id = c.id),"
        " (SELECT count(*) FROM chat_message m WHERE m.conversation_id = c.id AND m.seq = 1),"
        " (SELECT count(*) FROM chat_message m WHERE m.conversation_id = c.id),"
        " (SELECT count(*) FROM accounts_auditentry e WHERE e.object_id = c.uuid::text)"
        " FROM chat_conversation c"
    )
    assert {row[1:] for row in stored} == {("active", *[1] * 6), ("waiting", *[0] * 6)}
    assert len(assigned) == len(set(assigned)), "two agents got the same conversation"
    assert set(assigned) <= {row[0] for row in stored if row[1] == "active"}, (
        "every answered assignment is stored"
    )


# -- An exhausted connection pool ------------------------------------------------------------------------------


def test_requests_waiting_for_the_writer_leave_it_a_connection(bank: Bank) -> None:
    """Send eight concurrent posts to a server with two database connections.

    All of them must be accepted. The waiting requests must not occupy the connection that the writer needs.
    """
    env = {**bank.daphne.environment(), "LIANXIN_DATABASE_POOL": "2"}
    env = {name: value for name, value in env.items() if name.startswith("LIANXIN_")}
    with AppServer(env, prepare=False) as narrow, Widget(bank.daphne) as widget:
        widget.open()
        widget.begin()
        bank.act("mei", widget.conversation, "take_as(staff=staff, uuid=conversation)")
        session = bank.sessions["mei"].pop()

        def answer(number: int) -> int:
            request = Request(
                f"{narrow.url}/console/conversations/{widget.conversation}/messages",
                json.dumps({"client_id": str(uuid4()), "body": f"第{number}句"}).encode(),
                {
                    "Cookie": f"sessionid={session}; csrftoken={'c' * 32}",
                    "X-CSRFToken": "c" * 32,
                    "Content-Type": "application/json",
                },
            )
            try:
                with urlopen(request, timeout=20) as response:
                    return int(response.status)
            except HTTPError as error:
                return error.code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(answer, range(8))) == {200}


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_console_socket_that_does_not_read_is_aborted_at_the_memory_limit(bank: Bank, name: str) -> None:
    """Check the memory limit for consoles, whose ASGI `send` is wrapped by Channels' session middleware.

    The limit works only if the server takes the transport from the original `send`, before the middleware wraps it.
    """
    server: AppServer = getattr(bank, name)
    with ExitStack() as sockets:
        widget = sockets.enter_context(Widget(server))
        widget.open()
        widget.begin()
        bank.act("mei", widget.conversation, LONG)
        deaf = sockets.enter_context(Console(server, bank.sessions["mei"].pop()))
        deaf.open()
        deaf.watch(widget.conversation or "")
        for _ in range(110):
            deaf.send("fetch", conversation=widget.conversation, after=0)
        deaf.wait_until_cut(within=20)
        deaf.cut()
        widget.post("还好")
