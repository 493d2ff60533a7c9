"""One address cannot crowd out the others: where somebody comes from, and what is allowed from there."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest
from channels.testing import WebsocketCommunicator
from django.test import override_settings
from websockets.exceptions import InvalidStatus

from chat import limits
from chat.errors import NotFound
from chat.realtime.coalescing import RequestCoalescer
from chat.realtime.socket_counts import SHARED_FROM, SocketCounts
from chat.widget import consumers
from core.client_address import address_of
from tests.conftest import Processes
from tests.harness.servers import AppServer
from tests.harness.sockets import Box
from tests.people import Cast


def scope(client: str, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    return {"client": [client, 1234], "headers": headers}


@pytest.mark.parametrize(
    ("proxies", "client", "forwarded", "address"),
    [
        (0, "203.0.113.9", [], "203.0.113.9"),
        (0, "10.0.0.1", ["198.51.100.1"], None),
        (1, "10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        (1, "10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        (1, "10.0.0.1", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (2, "10.0.0.1", ["198.51.100.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (2, "10.0.0.1", ["203.0.113.9"], None),
        (1, "10.0.0.1", [], None),
        (1, "10.0.0.1", ["nonsense"], None),
        (0, "2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        (0, "2001:db8:1:2:ffff::1", [], "2001:db8:1:2::/64"),
        (0, "::ffff:203.0.113.9", [], "203.0.113.9"),
        (0, "127.0.0.1", [], None),
        (0, "::1", [], None),
    ],
)
def test_where_somebody_comes_from(
    proxies: int, client: str, forwarded: list[str], address: str | None
) -> None:
    with override_settings(PROXY_COUNT=proxies):
        assert address_of(scope(client, *forwarded)) == address


def test_no_more_addresses_are_remembered_than_there_is_room_for() -> None:
    buckets = limits.Buckets(lambda: limits.Bucket(burst=1, per_second=0), most=3)
    assert [buckets.take(each) for each in "aabcd"] == [True, False, True, True, True]
    assert buckets.take("a"), "the one that was not seen for longest is forgotten"
    assert len(buckets._buckets) == 3
    assert all(buckets.take(None) for _ in range(5))


@pytest.mark.django_db(transaction=True)
def test_one_address_begins_no_more_than_agents_can_answer(cast: Cast, processes: Processes) -> None:
    """Each on a socket of its own, whose own limit it does not reach; others are served meanwhile."""
    env = {**processes.daphne.environment(), "LIANXIN_PROXY_COUNT": "1"}
    env = {name: value for name, value in env.items() if name.startswith("LIANXIN_")}
    with AppServer(env, prepare=False) as server:

        def begins(address: str) -> str:
            with Box(server, headers={"X-Forwarded-For": address}) as box:
                box.open()
                box.say("start", client_id=str(uuid4()), form={})
                answer = box.so_far()[1]
                return str(answer.get("code", "begun"))

        # One more a second: whatever that comes to, it is fewer than they ask for.
        said = ["begun"]
        while said[-1] == "begun" and len(said) < 500:
            said.append(begins("203.0.113.9"))
        assert said[-1] == "too_fast"
        assert said.count("begun") > 60
        assert begins("198.51.100.7") == "begun"


@pytest.mark.django_db(transaction=True)
async def test_too_many_from_one_address_come_back_later_and_keep_nobody_else_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = limits.Buckets(lambda: limits.Bucket(burst=2, per_second=0))
    monkeypatch.setattr(consumers, "_hellos_of_address", few)
    asked: list[Any] = []

    def find(hellos: Any) -> list[NotFound]:
        asked.extend(hellos)
        return [NotFound() for _ in hellos]

    monkeypatch.setattr(consumers, "_session_lookups", RequestCoalescer(find))

    async def bye(address: str) -> dict[str, Any]:
        box = WebsocketCommunicator(consumers.VisitorConsumer.as_asgi(), "/ws/chat/")
        box.scope["client"] = [address, 1234]
        await box.connect()
        await box.send_json_to({"kind": "hello", "site": "nobody"})
        while (frame := await box.receive_json_from())["kind"] != "bye":
            pass
        await box.disconnect()
        return dict(frame)

    heard = [await bye(address) for address in ["203.0.113.9"] * 3 + ["198.51.100.7"]]
    assert [frame["code"] for frame in heard] == ["not_found", "not_found", "unavailable", "not_found"]
    assert heard[2]["retry_after_ms"] >= 2000
    assert len(asked) == 3, "the database was not asked for the one too many"


# -- open sockets ------------------------------------------------------------------------------------------------


async def test_address_with_too_many_sockets_gets_no_more_until_one_is_closed() -> None:
    counts = SocketCounts()
    with override_settings(SOCKETS_PER_ADDRESS=2, REDIS_URL=""):
        assert [await counts.enter("203.0.113.9") for _ in range(3)] == [True, True, False]
        assert await counts.enter("198.51.100.7")
        assert all([await counts.enter(None) for _ in range(5)])
        counts.leave("203.0.113.9")
        assert [await counts.enter("203.0.113.9") for _ in range(2)] == [True, False]
        for _ in range(2):
            counts.leave("203.0.113.9")
    assert counts._counts == {"198.51.100.7": 1}, "nothing is kept of an address that has left"


@pytest.mark.django_db(transaction=True)
def test_processes_count_the_sockets_of_an_address_together(cast: Cast, processes: Processes) -> None:
    most = SHARED_FROM + 3
    env = {
        name: value for name, value in processes.daphne.environment().items() if name.startswith("LIANXIN_")
    }
    env |= {"LIANXIN_PROXY_COUNT": "1", "LIANXIN_SOCKETS_PER_ADDRESS": str(most)}
    # Another on each run: reports are kept for a while.
    crowd = {"X-Forwarded-For": f"203.0.113.{uuid4().int % 256}"}
    with (
        AppServer(env, prepare=False) as one,
        AppServer(env, prepare=False, server="uvicorn") as other,
        ExitStack() as stack,
    ):
        for _ in range(SHARED_FROM):
            stack.enter_context(Box(one, headers=crowd))
        for _ in range(SHARED_FROM - 1):
            stack.enter_context(Box(other, headers=crowd))
        with pytest.raises(InvalidStatus, match="403"):
            stack.enter_context(Box(other, headers=crowd))
        with Box(other, headers={"X-Forwarded-For": "198.51.100.7"}) as box:
            assert box.open()["kind"] == "welcome"


async def test_redis_away_leaves_each_process_to_count_for_itself() -> None:
    counts = SocketCounts()
    with override_settings(SOCKETS_PER_ADDRESS=SHARED_FROM + 1, REDIS_URL="redis://127.0.0.1:9/0"):
        let_in = [await counts.enter("203.0.113.9") for _ in range(SHARED_FROM + 2)]
    assert let_in == [True] * (SHARED_FROM + 1) + [False]
