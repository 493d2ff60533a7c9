"""The drain: a server process that is told to end finishes what it has in hand and sends its people elsewhere.

Guards invariants 1 and 2 through a deploy. The database of these tests is one of their own: it is locked and stopped.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from server.drain import retries_ms
from tests.conftest import bank_environment
from tests.harness.servers import HOST, AppServer, PrivatePostgres, PrivateRedis
from tests.harness.sockets import Box, Console, Frame
from tests.people import MEI

LOAD = """
import json
from tests.people import create_cast, session_of
cast = create_cast()
print("loaded", json.dumps([session_of(cast.mei) for _ in range(20)]))
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
        """Conversation, seq and client_id of every message, in order."""
        rows = self.query(
            "SELECT c.uuid, m.seq, m.client_id FROM chat_message m"
            " JOIN chat_conversation c ON c.id = m.conversation_id WHERE m.client_id IS NOT NULL ORDER BY 1, 2"
        )
        return [(str(uuid), seq, str(client_id)) for uuid, seq, client_id in rows]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nothing can be stored meanwhile: every batch waits."""
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
    yield running_bank
    signal_postgres(running_bank, signal.SIGCONT)


def tell_to_end(server: AppServer) -> None:
    """SIGTERM, and wait until the process has taken it to heart."""
    count = server.log.count("draining:")
    server.send_signal(signal.SIGTERM)
    server.wait_until(lambda: server.log.count("draining:") > count, "it did not begin to drain")


def hear_bye(client: Box | Console) -> Frame:
    """Everything that still comes, until the close; the last frame is the bye."""
    assert client.hear_close() == 1012
    bye = client.frames[-1]
    assert (bye["kind"], bye["code"]) == ("bye", "bye")
    assert [frame["kind"] for frame in client.frames].count("bye") == 1
    return bye


class Line:
    """One HTTP connection that stays open, as that of a proxy may."""

    def __init__(self, server: AppServer) -> None:
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=10)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> tuple[int, str]:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()


# -- The end ---------------------------------------------------------------------------------------------------


@BOTH
def test_an_idle_process_says_bye_and_ends_within_seconds(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Box(server) as silent, Box(server) as box, Console(server, bank.sessions.pop()) as mei:
        box.open()
        box.begin()
        mei.open()
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        waits = [hear_bye(client)["retry_after_ms"] for client in (mei, box, silent)]
        # Who talks comes back before who only looks, and staff before all.
        assert 0 < waits[0] <= waits[1] <= waits[2] < 1000
        assert server.wait() == 0
        assert time.monotonic() - began < 5


@BOTH
def test_a_process_that_was_never_asked_anything_ends_at_once(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    server.restart()
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0


@BOTH
def test_what_is_in_hand_is_answered_and_what_comes_later_is_left_to_the_next(bank: Bank, name: Name) -> None:
    """Invariants 1 and 2: no answer without a commit, and no commit without an answer."""
    server = bank.server(name)
    with ExitStack() as stack:
        boxes = [stack.enter_context(Box(server)) for _ in range(5)]
        for box in boxes:
            box.open()
            box.begin()
        with bank.locked():
            early = {box.send(f"{number}"): box for box in boxes for number in range(3)}
            for box in boxes:
                # Pongs keep the order: the posts are in hand.
                box.so_far()
            tell_to_end(server)
            late = [box.send("太晚了") for box in boxes]
            for box in boxes:
                box.so_far()
            assert all("bye" not in box.kinds() for box in boxes)
        for box in boxes:
            hear_bye(box)
        assert server.wait() == 0
        heard = {
            frame["client_id"]: frame["seq"] for box in boxes for frame in box.frames if "client_id" in frame
        }
        stored = bank.stored()
        assert {client_id: seq for _, seq, client_id in stored} == heard
        assert heard.keys() == early.keys()
        server.start()
        again = stack.enter_context(Box(server))
        welcome = again.open(like=boxes[0])
        assert [message["body"] for message in welcome["messages"] if message["body"]] == ["0", "1", "2"]
        assert again.post("太晚了", late[0])["seq"] == stored[2][1] + 1


@BOTH
def test_under_load_nothing_accepted_is_lost_and_everybody_hears_bye(bank: Bank, name: Name) -> None:
    """Invariant 2: some dozens of visitors write as fast as they are answered while the process is told to end."""
    server = bank.server(name)
    with ExitStack() as stack:
        boxes = [stack.enter_context(Box(server)) for _ in range(24)]
        for box in boxes:
            box.open()
            box.begin()
        sent: dict[str, str] = {}
        all_talk = threading.Barrier(len(boxes) + 1)

        def talk(box: Box) -> None:
            for number in range(400):
                client_id = str(uuid4())
                sent[client_id] = str(box.conversation)
                try:
                    box.post(f"第{number}句", client_id)
                except (AssertionError, ConnectionClosed):
                    break
                if number == 2:
                    all_talk.wait(10)
            box.hear_close()

        threads = [threading.Thread(target=talk, args=(box,)) for box in boxes]
        for thread in threads:
            thread.start()
        all_talk.wait(10)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.wait() == 0
        assert time.monotonic() - began < 5
        for box in boxes:
            assert box.close_code == 1012
            assert box.frames[-1]["kind"] == "bye"
        accepted = {
            frame["client_id"]: frame["seq"]
            for box in boxes
            for frame in box.frames
            if frame["kind"] == "accepted"
        }
        stored = {client_id: seq for _, seq, client_id in bank.stored()}
        assert accepted == stored
        assert len(accepted) >= 3 * len(boxes)
        assert stored.keys() <= sent.keys()


@BOTH
def test_a_request_in_flight_gets_its_answer(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Box(server) as box, Line(server) as line:
        box.open()
        box.begin()
        assert line.get("/readyz") == (200, "ok")
        with bank.locked():
            request = Take(bank, server, box)
            tell_to_end(server)
            assert box.hear_close() == 1012
            assert line.get("/readyz") == (503, "draining")
            assert line.get("/healthz") == (200, "ok")
            with pytest.raises(ConnectionRefusedError), Line(server) as newcomer:
                newcomer.get("/healthz")
            assert server.is_running
        assert request.answer() == 200
        assert server.wait() == 0
        rows = bank.query(
            "SELECT status, s.username FROM chat_conversation c JOIN accounts_staff s ON s.id = agent_id"
        )
        assert rows == [("active", MEI.username)]


class Take:
    """An agent's request to take this visitor, which waits in the server for a lock."""

    def __init__(self, bank: Bank, server: AppServer, box: Box) -> None:
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=20)
        headers = {
            "Cookie": f"sessionid={bank.sessions.pop()}; csrftoken={'a' * 32}",
            "X-CSRFToken": "a" * 32,
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        self._connection.request("POST", f"/console/conversations/{box.conversation}/take", "{}", headers)
        server.wait_until(lambda: waiting_for_locks(bank) > 0, "the request did not arrive")

    def answer(self) -> int | None:
        """Its status; None when the server went away without one."""
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
def test_what_was_said_last_reaches_the_other_process(bank: Bank, name: Name) -> None:
    server, other = bank.server(name), bank.server("uvicorn" if name == "daphne" else "daphne")
    with Box(server) as box, Box(other) as tab:
        box.open()
        box.begin()
        tab.open(like=box)
        with bank.locked():
            box.send("最后一句")
            box.so_far()
            tell_to_end(server)
        assert tab.hear("message", within=1)["message"]["body"] == "最后一句"
        hear_bye(box)
        assert server.wait() == 0


# -- Bounds ----------------------------------------------------------------------------------------------------


@BOTH
def test_a_database_that_is_stuck_does_not_keep_a_process(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Box(server) as box:
        box.open()
        box.begin()
        with bank.locked():
            box.send("没有回答")
            box.so_far()
            began = time.monotonic()
            tell_to_end(server)
            assert box.hear_close(within=20) == 1012
            assert box.frames[-1]["kind"] == "bye"
            assert "accepted" not in [frame["kind"] for frame in box.frames]
            assert server.wait() == 0
            assert time.monotonic() - began < 20


@BOTH
def test_told_twice_it_ends_at_once(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Box(server) as box:
        box.open()
        box.begin()
        with bank.locked():
            box.send("没有回答")
            box.so_far()
            tell_to_end(server)
            began = time.monotonic()
            server.send_signal(signal.SIGTERM)
            assert server.wait() == 0
            assert time.monotonic() - began < 3


@BOTH
def test_ctrl_c_is_quick(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Box(server) as box:
        box.open()
        box.begin()
        began = time.monotonic()
        server.send_signal(signal.SIGINT)
        server.wait()
        assert time.monotonic() - began < 5


@BOTH
def test_ctrl_c_does_not_wait_for_a_database_that_is_stuck(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Box(server) as box:
        box.open()
        box.begin()
        with bank.locked():
            request = Take(bank, server, box)
            began = time.monotonic()
            server.send_signal(signal.SIGINT)
            server.wait()
            assert time.monotonic() - began < 8
            assert request.answer() is None


def test_who_comes_back_is_spread_over_the_time_that_the_others_need() -> None:
    assert retries_ms(0) == []
    assert max(retries_ms(3)) <= 550
    many = retries_ms(4000)
    assert 9_500 < max(many) < 10_051
    for second in range(10):
        assert 300 < len([each for each in many if second * 1000 <= each < (second + 1) * 1000]) < 500


# -- Readiness -------------------------------------------------------------------------------------------------


def signal_postgres(bank: Bank, number: signal.Signals) -> None:
    """To all its processes."""
    children = Path(f"/proc/{bank.postgres.pid}/task/{bank.postgres.pid}/children").read_text().split()
    for pid in (bank.postgres.pid, *map(int, children)):
        os.kill(pid, number)


@BOTH
def test_ready_means_that_the_database_answers(bank: Bank, name: Name) -> None:
    server = bank.server(name)
    with Line(server) as line, Line(server) as other:
        assert line.get("/readyz") == (200, "ok")
        bank.redis.stop()
        assert line.get("/readyz") == (200, "ok")
        # It hangs: two who ask at once both hear so within the second, and nothing piles up.
        signal_postgres(bank, signal.SIGSTOP)
        began = time.monotonic()
        for asking in (line, other, line):
            assert asking.get("/readyz") == (503, "the database does not answer")
        assert time.monotonic() - began < 4
        assert line.get("/healthz") == (200, "ok")
        signal_postgres(bank, signal.SIGCONT)
        server.wait_until(lambda: line.get("/readyz") == (200, "ok"), "it is not ready again")
        bank.postgres.stop()
        assert line.get("/readyz")[0] == 503
        bank.postgres.start()
        server.wait_until(lambda: line.get("/readyz") == (200, "ok"), "it is not ready again")
