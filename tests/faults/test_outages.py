"""What must hold while a server, the database or Redis is killed, stopped, stalled or flushed.

Guards invariants 1 (accepted means committed) and 2 (nothing accepted is lost, doubled or reordered). The database of
these tests is one of their own: it is killed.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
from tests.harness.sockets import Box, Console
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
from tests.people import go_online
staff, conversation = Staff.objects.get(username={who!r}), UUID({conversation!r})
{code}
"""


@dataclass(frozen=True)
class Bank:
    """Two processes on a PostgreSQL and a Redis that a test may break."""

    postgres: PrivatePostgres
    redis: PrivateRedis
    daphne: AppServer
    uvicorn: AppServer
    sessions: dict[str, list[str]]

    def act(self, who: str, conversation: str | None, code: str) -> None:
        """Run code as a command would, in a process without sockets."""
        self.daphne.manage("shell", "-v0", "-c", ACT.format(who=who, conversation=conversation, code=code))

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def stored(self, conversation: str | None) -> list[tuple[int, str]]:
        """seq and client_id of what the visitor has said, as it stands on the disk."""
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


def post_all(box: Box, bodies: list[str]) -> dict[str, str]:
    """Post these, each until it is accepted, as the box does; client_id to body."""
    said = {}
    for body in bodies:
        client_id = str(uuid4())
        said[client_id] = body
        box.post(body, client_id)
    return said


# -- The server ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_a_killed_server_has_lost_nothing_that_it_accepted(bank: Bank, name: str) -> None:
    """Invariant 1: kill -9 while posts are under way; what was not answered may be sent again."""
    server: AppServer = getattr(bank, name)
    box = Box(server)
    box.open()
    box.begin()
    ids = [box.send(f"第{number}句") for number in range(12)]
    accepted = [box.hear("accepted")["client_id"] for _ in range(4)]
    server.kill()
    stored = bank.stored(box.conversation)
    assert {client_id for _, client_id in stored} >= set(accepted)

    server.start()
    with Box(server) as again:
        welcome = again.open(like=box)
        known = {message["client_id"] for message in welcome["messages"]}
        assert set(accepted) <= known
        for client_id in ids:
            again.post(f"第{ids.index(client_id)}句", client_id)
    stored = bank.stored(box.conversation)
    assert [seq for seq, _ in stored] == list(range(1, 13))
    assert sorted(client_id for _, client_id in stored) == sorted(ids)


# -- The database ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_database_that_goes_and_comes_back_costs_no_accepted_message(bank: Bank, how: str) -> None:
    """Invariants 1 and 2."""
    with Box(bank.daphne) as box, Box(bank.uvicorn) as tab:
        box.open()
        box.begin()
        tab.open(like=box)
        ids = [box.send(f"{number}") for number in range(6)]
        accepted = box.hear("accepted")["client_id"]
        getattr(bank.postgres, how)()
        late = box.send("没有数据库")
        refused = box.hear("refused", lambda frame: frame["client_id"] == late)
        assert (refused["code"], refused["retry_after_ms"] > 0) == ("unavailable", True)
        bank.postgres.start()
        # At once, without a pause: dead connections of the pool are not handed out.
        for number, client_id in enumerate(ids):
            box.post(f"{number}", client_id)
        box.post("没有数据库", late)
        stored = bank.stored(box.conversation)
        assert [seq for seq, _ in stored] == list(range(1, 8))
        assert {client_id for _, client_id in stored} == {*ids, late}
        assert accepted in ids
        # What was committed while the answer was lost is found by the sweep.
        while "没有数据库" not in tab.bodies():
            tab.hear("message")


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_who_comes_while_the_database_is_away_is_asked_to_come_back(bank: Bank, name: str) -> None:
    server: AppServer = getattr(bank, name)
    with Box(server) as box, Box(server) as waiting:
        box.open()
        waiting.open()
        bank.postgres.stop()
        with Box(server) as newcomer:
            newcomer.say("hello", site=SITE_KEY)
            bye = newcomer.hear("bye")
            assert (bye["code"], bye["retry_after_ms"] > 0) == ("unavailable", True)
            assert newcomer.hear_close() == 4000
        client_id = str(uuid4())
        waiting.say("start", client_id=client_id, form={})
        refused = waiting.hear("refused")
        assert (refused["code"], refused["client_id"]) == ("unavailable", client_id)
        bank.postgres.start()
        waiting.say("start", client_id=client_id, form={})
        assert waiting.welcomed()["state"]["status"] == "waiting"
        waiting.post("还在")
        with Box(server) as newcomer:
            newcomer.open()


def test_a_request_while_the_database_is_away_is_asked_to_try_again(bank: Bank) -> None:
    """A page says so in the reader's language, a script hears a refusal with a time; nothing is logged as an error."""
    server = bank.daphne
    session = bank.sessions["mei"].pop()
    with Box(server) as box:
        box.open()
        box.begin()
        bank.act("mei", box.conversation, "go_online(staff); agents.take(staff=staff, uuid=conversation)")
    answer = f"/console/conversations/{box.conversation}/messages"
    said = json.dumps({"client_id": str(uuid4()), "body": "数据库不在"}).encode()
    form = "application/x-www-form-urlencoded"
    before = len(server.log)
    bank.postgres.stop()

    for path, language, words in (
        ("/console/", "zh-hans", "系统暂时没有响应"),
        ("/console/points/", "en", "does not answer just now"),
        ("/admin/", "zh-hans", "系统暂时没有响应"),
    ):
        page = asked(server, path, session, language=language)
        assert (page.status, page.retry_after > 0, page.comes_back) == (503, True, True), page
        assert words in page.text
    sent = asked(server, "/console/replies/create", session, b"shortcut=hi", content_type=form)
    assert (sent.status, sent.comes_back, "请先查看，再决定是否重新提交" in sent.text) == (503, False, True)
    script = asked(server, answer, session, said, accept="application/json")
    refused = json.loads(script.text)["refused"]
    assert (script.status, refused["code"], refused["retry_after_ms"] > 0) == (503, "unavailable", True)
    box_page = asked(server, f"/widget/{SITE_KEY}/", None)
    assert (box_page.status, box_page.retry_after > 0) == (503, True)
    assert asked(server, "/readyz", None).status == 503
    assert "Traceback" not in server.log[before:]
    assert "Service Unavailable" not in server.log[before:]

    bank.postgres.start()
    script = asked(server, answer, session, said, accept="application/json")
    assert (script.status, json.loads(script.text)["accepted"]["seq"]) == (200, 2)


@dataclass(frozen=True)
class Answer:
    status: int
    retry_after: int
    comes_back: bool
    text: str


def asked(
    server: AppServer,
    path: str,
    session: str | None,
    data: bytes | None = None,
    *,
    language: str = "zh-hans",
    accept: str = "text/html",
    content_type: str = "application/json",
) -> Answer:
    """What a browser is answered: a page, or with data a POST."""
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
        comes_back = "Refresh" in error.headers
        return Answer(error.code, int(error.headers.get("Retry-After", 0)), comes_back, error.read().decode())


# -- Redis -----------------------------------------------------------------------------------------------------


def test_without_redis_everything_still_arrives(bank: Bank) -> None:
    """Invariant 2: the doorbell is lost, the sweep finds it all, and the doorbell is heard again afterwards."""
    with (
        Box(bank.daphne) as box,
        Box(bank.uvicorn) as tab,
        Console(bank.uvicorn, bank.sessions["mei"].pop()) as mei,
        Console(bank.uvicorn, bank.sessions["hao"].pop()) as hao,
        Console(bank.uvicorn, bank.sessions["yun"].pop()) as yun,
    ):
        for console in (mei, hao, yun):
            console.open()
        bank.redis.stop()
        # What begins is seen on the other process.
        box.open()
        box.begin(name="李雷")
        for console in (mei, hao, yun):
            row = console.hear("conversation", within=6)
            assert (row["row"]["visitor_name"], row["listed"]) == ("李雷", True)
        # A message is.
        tab.open(like=box)
        mei.watch(box.conversation or "")
        hao.watch(box.conversation or "")
        box.post("在吗")
        for each in (tab, mei, hao):
            assert each.hear("message", within=6)["message"]["body"] == "在吗"
        # So is who takes it, on whoever's screen.
        bank.act("mei", box.conversation, "go_online(staff); agents.take(staff=staff, uuid=conversation)")
        for each in (box, tab):
            assert each.hear("state", lambda frame: frame["state"]["status"] == "active", within=6)
        assert hao.hear("conversation", lambda frame: not frame["listed"], within=6)
        assert yun.hear("conversation", lambda frame: frame["row"]["status"] == "active", within=6)["listed"]
        # Marks and notes are.
        box.say("seen", received=2, read=2)
        row = mei.hear("conversation", lambda frame: frame["row"]["visitor_read"] == 2, within=6)
        mei.say("seen", conversation=box.conversation, received=2, read=1)
        assert box.hear("state", lambda frame: frame["state"]["agent_read"] == 1, within=6)
        bank.act("mei", box.conversation, 'agents.add_note(staff=staff, uuid=conversation, body="便条")')
        for console in (mei, hao):
            assert console.hear("note", within=6)["body"] == "便条"
        # And what has ended leaves the lists.
        box.say("end")
        assert yun.hear("conversation", lambda frame: not frame["listed"], within=6)
        assert tab.hear("state", lambda frame: frame["state"]["status"] == "wrap_up", within=6)
        for each in (box, tab, mei, hao, yun):
            assert "note" not in each.kinds() or each in (mei, hao)

        bank.redis.start()
        # The doorbell works again: a typing sign is in no database, so only it can bring that.
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and "is_typing" not in [frame["kind"] for frame in hao.frames]:
            box.say("typing")
            hao.listen(1.2)
        assert "is_typing" in hao.kinds()


def test_nothing_comes_twice_to_who_missed_nothing(bank: Bank) -> None:
    with Box(bank.daphne) as box, Box(bank.uvicorn) as tab:
        box.open()
        box.begin()
        tab.open(like=box)
        bank.redis.stop()
        for body in "一二三":
            box.post(body)
        while "三" not in tab.bodies():
            tab.hear("message", within=6)
        # Two more rounds of the sweep.
        box.listen(3.5)
        tab.listen(0.2)
        for each in (box, tab):
            assert [body for body in each.bodies() if body] == ["一", "二", "三"]


def test_a_stalled_redis_delays_no_answer(bank: Bank) -> None:
    with Box(bank.daphne) as box, Box(bank.uvicorn) as tab:
        box.open()
        box.begin()
        tab.open(like=box)
        bank.redis.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        for body in "一二三":
            box.post(body)
        assert time.monotonic() - started < 1
        while "三" not in tab.bodies():
            tab.hear("message", within=6)
        bank.redis.send_signal(signal.SIGCONT)


def test_a_flushed_redis_deafens_nobody(bank: Bank) -> None:
    import redis

    with Box(bank.daphne) as box, Box(bank.uvicorn) as tab:
        box.open()
        box.begin()
        tab.open(like=box)
        with redis.Redis.from_url(bank.redis.url) as client:
            client.flushall()
        box.post("一")
        tab.hear("message", within=1)


def test_redis_holds_no_words_and_no_names(bank: Bank) -> None:
    """Invariant 10: what goes through Redis is published and never stored; its keys say nothing."""
    import redis

    with Box(bank.daphne) as box, Box(bank.uvicorn) as tab:
        box.open()
        box.begin(name="李雷")
        tab.open(like=box)
        box.post("卡号6222020000001234567")
        tab.hear("message")
        with redis.Redis.from_url(bank.redis.url, decode_responses=True) as client:
            assert client.keys("*") == []
            for channel in client.pubsub_channels("*"):
                assert channel.startswith("lianxin")
                assert box.conversation not in channel
        assert "6222020000001234567" not in bank.daphne.log + bank.uvicorn.log
        assert str(box.token) not in bank.daphne.log + bank.uvicorn.log


# -- A client that does not read -------------------------------------------------------------------------------


def memory_bytes(server: Server) -> int:
    with open(f"/proc/{server.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


LONG = """
from tests.people import say_many
say_many(Conversation.objects.get(uuid=conversation), 200, body="很长的话" * 500)
"""


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_who_does_not_read_is_cut_off_before_it_costs_memory(bank: Bank, name: str) -> None:
    """At 2 MiB, not at 200."""
    server: AppServer = getattr(bank, name)
    with Box(server) as box, Box(server) as deaf:
        box.open()
        box.begin()
        bank.act("mei", box.conversation, LONG)
        deaf.open(like=box)
        before = memory_bytes(server)
        # 20 MB of answers, of which the kernel's buffers take a few; nothing is read of them.
        for _ in range(110):
            deaf.say("fetch", after=0)
        deaf.wait_until_cut(within=20)
        deaf.cut()
        assert memory_bytes(server) - before < 12 * 1024 * 1024
        box.post("还好")


# -- Agents who take ---------------------------------------------------------------------------------------------

CROWD = """
from accounts.models import Department
from chat.models import Conversation, Site, Visitor
site, cards = Site.objects.get(), Department.objects.get(code="cards")
for _ in range(300):
    visitor = Visitor.objects.create(site=site, language="zh")
    Conversation.objects.create(client_id=visitor.uuid, site=site, visitor=visitor, department=cards)
"""


def test_a_server_killed_while_agents_take_has_assigned_each_wholly_or_not_at_all(bank: Bank) -> None:
    """Invariant 6: also where one transaction serves many, and the answer of the last one was never sent."""
    bank.act("mei", str(uuid4()), CROWD)
    some_have_one = Event()
    told: list[str] = []

    def take_until_cut(session: str) -> None:
        request = Request(
            f"{bank.daphne.url}/console/next",
            b"{}",
            {"Cookie": f"sessionid={session}; csrftoken={'c' * 32}", "X-CSRFToken": "c" * 32},
        )
        while len(told) < 250:
            try:
                with urlopen(request, timeout=20) as response:
                    told.append(json.load(response)["conversation"])
            except (OSError, HTTPException):
                return
            if len(told) > 20:
                some_have_one.set()

    sessions = [bank.sessions[who].pop() for who in ("mei", "hao", "yun") for _ in range(4)]
    with ThreadPoolExecutor(len(sessions)) as agents:
        taking = [agents.submit(take_until_cut, session) for session in sessions]
        assert some_have_one.wait(30)
        bank.daphne.kill()
        for each in taking:
            each.result(30)

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
    assert len(told) == len(set(told)), "nobody was told of a conversation that somebody else was told of"
    assert set(told) <= {row[0] for row in stored if row[1] == "active"}, "told means stored"


# -- A pool that is in use to its last connection --------------------------------------------------------------


def test_agents_who_wait_for_the_writer_leave_it_a_connection(bank: Bank) -> None:
    """As many answers at once as would take every connection: none is refused, and none waits for the next."""
    env = {**bank.daphne.environment(), "LIANXIN_DATABASE_POOL": "2"}
    env = {name: value for name, value in env.items() if name.startswith("LIANXIN_")}
    with AppServer(env, prepare=False) as narrow, Box(bank.daphne) as box:
        box.open()
        box.begin()
        bank.act("mei", box.conversation, "go_online(staff); agents.take(staff=staff, uuid=conversation)")
        session = bank.sessions["mei"].pop()

        def answer(number: int) -> int:
            request = Request(
                f"{narrow.url}/console/conversations/{box.conversation}/messages",
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
def test_a_console_that_does_not_read_is_cut_off_as_well(bank: Bank, name: str) -> None:
    """Its `send` has gone through Channels' sessions, which wrap it: the line is made before that."""
    server: AppServer = getattr(bank, name)
    with Box(server) as box, Console(server, bank.sessions["mei"].pop()) as deaf:
        box.open()
        box.begin()
        bank.act("mei", box.conversation, LONG)
        deaf.open()
        deaf.watch(box.conversation or "")
        for _ in range(110):
            deaf.say("fetch", conversation=box.conversation, after=0)
        deaf.wait_until_cut(within=20)
        deaf.cut()
        box.post("还好")
