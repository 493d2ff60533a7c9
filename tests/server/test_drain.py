"""Tests of the drain: after SIGTERM, a server process finishes its work and sends its clients to other processes.

They guard two invariants of tests/test_invariants.py during a deployment:

- 1: accepted means committed.
- 2: nothing accepted is lost, doubled or reordered.

The tests have their own database, because they lock and stop it.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from server.drain import retries_ms
from tests.conftest import bank_environment
from tests.harness.reconnecting_socket import Frame
from tests.harness.servers import HOST, AppServer, PrivatePostgres, PrivateRedis
from tests.harness.sockets import Console, Widget
from tests.people import MEI

LOAD = """
import json
from tests.people import create_cast, session_of
cast = create_cast()
print("loaded", json.dumps([session_of(cast.mei) for _ in range(20)]))
"""
# Only agents who are online may take conversations.
ONLINE = """
INSERT INTO accounts_presence (staff_id, status, since, seen_at)
SELECT id, 'online', now(), now() FROM accounts_staff WHERE username = %s
"""
BOTH = pytest.mark.parametrize("name", ["daphne", "uvicorn"])
Name = Literal["daphne", "uvicorn"]


@dataclass(frozen=True)
class Bank:
    postgres: PrivatePostgres
    redis: PrivateRedis
    daphne: AppServer
    uvicorn: AppServer
    sessions: list[str]

    def server(self, name: Name) -> AppServer:
        return self.daphne if name == "daphne" else self.uvicorn

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def stored(self) -> list[tuple[str, int, str]]:
        """Return (conversation, seq, client_id) of every stored message, in order."""
        rows = self.query(
            "SELECT c.uuid, m.seq, m.client_id FROM chat_message m"
            " JOIN chat_conversation c ON c.id = m.conversation_id WHERE m.client_id IS NOT NULL ORDER BY 1, 2"
        )
        return [(str(uuid), seq, str(client_id)) for uuid, seq, client_id in rows]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock all conversations inside the `with` block, so that every batch of the writer waits."""
        with psycopg.connect(self.postgres.url) as connection:
            connection.execute("SELECT id FROM chat_conversation FOR UPDATE")
            yield


@pytest.fixture(scope="module")
def running_bank() -> Iterator[Bank]:
    with PrivatePostgres() as postgres, PrivateRedis() as redis:
        env = bank_environment(postgres.url, redis.url) | {"LIANXIN_POSTS_PER_SECOND": "1000"}
        with AppServer(env) as daphne, AppServer(env, prepare=False, server="uvicorn") as uvicorn:
            printed = daphne.manage("shell", "-v0", "-c", LOAD)
            loaded = next(line for line in printed.splitlines() if line.startswith("loaded "))
            yield Bank(postgres, redis, daphne, uvicorn, json.loads(loaded.removeprefix("loaded ")))


@pytest.fixture
def bank(running_bank: Bank) -> Iterator[Bank]:
    for server in (running_bank.postgres, running_bank.redis, running_bank.daphne, running_bank.uvicorn):
        server.start()
    with psycopg.connect(running_bank.postgres.url, autocommit=True) as connection:
        connection.execute("TRUNCATE chat_visitor, accounts_presence CASCADE")
        connection.execute(ONLINE, [MEI.username])
    yield running_bank
    signal_postgres(running_bank, signal.SIGCONT)


def begin_drain(server: AppServer) -> None:
    """Send SIGTERM to the server process and wait until it has begun the drain."""
    count = server.log.count("draining:")
    server.send_signal(signal.SIGTERM)
    server.wait_until(lambda: server.log.count("draining:") > count, "the drain did not begin")


def wait_for_bye(client: Widget | Console) -> Frame:
    """Read all frames until the socket closes. Check that the last one is the only bye frame, and return it."""
    assert client.wait_for_close() == 1012
    bye = client.frames[-1]
    assert (bye["kind"], bye["code"]) == ("bye", "bye")
    assert [frame["kind"] for frame in client.frames].count("bye") == 1
    return bye


class HttpConnection:
    """An HTTP connection that stays open between requests, as a proxy's connection may do."""

    def __init__(self, server: AppServer) -> None:
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=10)

    def __enter__(self) -> HttpConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> tuple[int, str]:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()


# -- Draining --------------------------------------------------------------------------------------------------


@BOTH
def test_idle_process_sends_bye_and_ends_within_seconds(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Widget(server) as silent, Widget(server) as widget, Console(server, bank.sessions.pop()) as mei:
        widget.open()
        widget.begin()
        mei.open()
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        waits = [wait_for_bye(client)["retry_after_ms"] for client in (mei, widget, silent)]
        # The times to wait must let staff reconnect first, then visitors in a conversation, then all others.
        assert 0 < waits[0] <= waits[1] <= waits[2] < 1000
        assert server.wait() == 0
        assert time.monotonic() - began < 5


@BOTH
def test_unused_process_ends_on_sigterm(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    server.restart()
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0


@BOTH
def test_drain_answers_accepted_posts_and_leaves_later_ones_unanswered(bank: Bank, name: Name) -> None:
    """Check that no post is answered without a commit, and none is committed without an answer."""
    server = bank.server(name)
    with ExitStack() as stack:
        widgets = [stack.enter_context(Widget(server)) for _ in range(5)]
        for widget in widgets:
            widget.open()
            widget.begin()
        with bank.locked():
            early = {widget.send_post(f"{number}"): widget for widget in widgets for number in range(3)}
            for widget in widgets:
                # Frames are handled in order, so the server has received the posts when this returns with a pong.
                widget.frames_until_now()
            begin_drain(server)
            late = [widget.send_post("太晚了") for widget in widgets]
            for widget in widgets:
                widget.frames_until_now()
            assert all("bye" not in widget.kinds() for widget in widgets)
        for widget in widgets:
            wait_for_bye(widget)
        assert server.wait() == 0
        answered = {
            frame["client_id"]: frame["seq"]
            for widget in widgets
            for frame in widget.frames
            if "client_id" in frame
        }
        stored = bank.stored()
        assert {client_id: seq for _, seq, client_id in stored} == answered
        assert answered.keys() == early.keys()
        server.start()
        again = stack.enter_context(Widget(server))
        welcome = again.open(like=widgets[0])
        assert [message["body"] for message in welcome["messages"] if message["body"]] == ["0", "1", "2"]
        assert again.post("太晚了", late[0])["seq"] == stored[2][1] + 1


@BOTH
def test_drain_under_load_loses_no_accepted_post_and_sends_everybody_bye(bank: Bank, name: Name) -> None:
    """Check that a drain under load loses no accepted post.

    The process gets SIGTERM while 24 visitors post as fast as they are answered.
    """
    server = bank.server(name)
    with ExitStack() as stack:
        widgets = [stack.enter_context(Widget(server)) for _ in range(24)]
        for widget in widgets:
            widget.open()
            widget.begin()
        sent: dict[str, str] = {}
        all_talk = threading.Barrier(len(widgets) + 1)

        def talk(widget: Widget) -> None:
            for number in range(400):
                client_id = str(uuid4())
                sent[client_id] = str(widget.conversation)
                try:
                    widget.post(f"第{number}句", client_id)
                except (AssertionError, ConnectionClosed):
                    break
                if number == 2:
                    all_talk.wait(10)
            widget.wait_for_close()

        threads = [threading.Thread(target=talk, args=(widget,)) for widget in widgets]
        for thread in threads:
            thread.start()
        all_talk.wait(10)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.wait() == 0
        assert time.monotonic() - began < 5
        for widget in widgets:
            assert widget.close_code == 1012
            assert widget.frames[-1]["kind"] == "bye"
        accepted = {
            frame["client_id"]: frame["seq"]
            for widget in widgets
            for frame in widget.frames
            if frame["kind"] == "accepted"
        }
        stored = {client_id: seq for _, seq, client_id in bank.stored()}
        assert accepted == stored
        assert len(accepted) >= 3 * len(widgets)
        assert stored.keys() <= sent.keys()


@BOTH
def test_drain_waits_for_a_running_request(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Widget(server) as widget, HttpConnection(server) as connection:
        widget.open()
        widget.begin()
        assert connection.get("/readyz") == (200, "ok")
        with bank.locked():
            request = TakeRequest(bank, server, widget)
            begin_drain(server)
            assert widget.wait_for_close() == 1012
            assert connection.get("/readyz") == (503, "draining")
            assert connection.get("/healthz") == (200, "ok")
            with pytest.raises(ConnectionRefusedError), HttpConnection(server) as newcomer:
                newcomer.get("/healthz")
            assert server.is_running
        assert request.answer() == 200
        assert server.wait() == 0
        rows = bank.query(
            "SELECT status, s.username FROM chat_conversation c JOIN accounts_staff s ON s.id = agent_id"
        )
        assert rows == [("active", MEI.username)]


class TakeRequest:
    """An agent's request to take the conversation of a visitor. It waits in the server for a lock."""

    def __init__(self, bank: Bank, server: AppServer, widget: Widget) -> None:
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=20)
        headers = {
            "Cookie": f"sessionid={bank.sessions.pop()}; csrftoken={'a' * 32}",
            "X-CSRFToken": "a" * 32,
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        self._connection.request("POST", f"/console/conversations/{widget.conversation}/take", "{}", headers)
        server.wait_until(lambda: waiting_for_locks(bank) > 0, "the request did not arrive")

    def answer(self) -> int | None:
        """Return the status of the response, or None if the server ended without a response."""
        try:
            return self._connection.getresponse().status
        except (http.client.HTTPException, OSError):
            return None
        finally:
            self._connection.close()


def waiting_for_locks(bank: Bank) -> int:
    ((count,),) = bank.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return int(count)


@BOTH
def test_last_message_before_the_end_reaches_the_other_process(bank: Bank, name: Name) -> None:
    server, other = bank.server(name), bank.server("uvicorn" if name == "daphne" else "daphne")
    with Widget(server) as widget, Widget(other) as tab:
        widget.open()
        widget.begin()
        tab.open(like=widget)
        with bank.locked():
            widget.send_post("最后一句")
            widget.frames_until_now()
            begin_drain(server)
        assert tab.wait_for("message", within=1)["message"]["body"] == "最后一句"
        wait_for_bye(widget)
        assert server.wait() == 0


# -- Time limits -----------------------------------------------------------------------------------------------


@BOTH
def test_drain_ends_although_the_database_is_blocked(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        with bank.locked():
            widget.send_post("没有回答")
            widget.frames_until_now()
            began = time.monotonic()
            begin_drain(server)
            assert widget.wait_for_close(within=20) == 1012
            assert widget.frames[-1]["kind"] == "bye"
            assert "accepted" not in [frame["kind"] for frame in widget.frames]
            assert server.wait() == 0
            assert time.monotonic() - began < 20


@BOTH
def test_second_sigterm_ends_the_process_immediately(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        with bank.locked():
            widget.send_post("没有回答")
            widget.frames_until_now()
            begin_drain(server)
            began = time.monotonic()
            server.send_signal(signal.SIGTERM)
            assert server.wait() == 0
            assert time.monotonic() - began < 3


@BOTH
def test_ctrl_c_ends_the_process_within_seconds(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        began = time.monotonic()
        server.send_signal(signal.SIGINT)
        server.wait()
        assert time.monotonic() - began < 5


@BOTH
def test_ctrl_c_does_not_wait_for_a_blocked_database(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        with bank.locked():
            request = TakeRequest(bank, server, widget)
            began = time.monotonic()
            server.send_signal(signal.SIGINT)
            server.wait()
            assert time.monotonic() - began < 8
            assert request.answer() is None


def test_retries_are_spread_over_the_reconnection_capacity() -> None:
    assert retries_ms(0) == []
    assert max(retries_ms(3)) <= 550
    many = retries_ms(4000)
    assert 9_500 < max(many) < 10_051
    for second in range(10):
        assert 300 < len([retry for retry in many if second * 1000 <= retry < (second + 1) * 1000]) < 500


# -- Readiness -------------------------------------------------------------------------------------------------


def signal_postgres(bank: Bank, number: signal.Signals) -> None:
    """Send a signal to all processes of PostgreSQL."""
    children = Path(f"/proc/{bank.postgres.pid}/task/{bank.postgres.pid}/children").read_text().split()
    os.kill(bank.postgres.pid, number)
    for pid in map(int, children):
        # A process of PostgreSQL may have ended since the list was read.
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@BOTH
def test_readyz_requires_a_database_that_answers(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with HttpConnection(server) as connection, HttpConnection(server) as other:
        assert connection.get("/readyz") == (200, "ok")
        bank.redis.stop()
        assert connection.get("/readyz") == (200, "ok")
        # Make the database hang. Each probe must be answered within about a second, and queries must not pile up.
        signal_postgres(bank, signal.SIGSTOP)
        began = time.monotonic()
        for probing in (connection, other, connection):
            assert probing.get("/readyz") == (503, "the database does not answer")
        assert time.monotonic() - began < 4
        assert connection.get("/healthz") == (200, "ok")
        signal_postgres(bank, signal.SIGCONT)
        server.wait_until(lambda: connection.get("/readyz") == (200, "ok"), "it is not ready again")
        bank.postgres.stop()
        assert connection.get("/readyz")[0] == 503
        bank.postgres.start()
        server.wait_until(lambda: connection.get("/readyz") == (200, "ok"), "it is not ready again")
