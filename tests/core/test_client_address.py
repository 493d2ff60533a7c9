"""Tests of the client's network address, and of limits by address, which keep one client from crowding out others."""

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
from tests.harness.sockets import Widget
from tests.people import Cast


def scope(client: str, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
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
def test_address_of_follows_the_number_of_proxies(
    proxies: int, client: str, forwarded: list[str], address: str | None
) -> None:
    with override_settings(PROXY_COUNT=proxies):
        assert address_of(scope(client, *forwarded)) == address


def test_buckets_forget_the_least_recently_used_address() -> None:
    buckets = limits.Buckets(lambda: limits.Bucket(burst=1, per_second=0), max_keys=3)
    assert [buckets.take(address) for address in "aabcd"] == [True, False, True, True, True]
    assert buckets.take("a"), "the least recently used address is forgotten"
    assert len(buckets._buckets) == 3
    assert all(buckets.take(None) for _ in range(5))


@pytest.mark.django_db(transaction=True)
def test_conversations_started_from_one_address_are_limited(cast: Cast, processes: Processes) -> None:
    """Check the limit on conversations started from one address. Other addresses must still be served.

    Each conversation starts on a new socket, so the limit for a socket plays no part.
    """
    with AppServer(processes.environment(LIANXIN_PROXY_COUNT="1"), prepare=False) as server:

        def start_from(address: str) -> str:
            """Start a conversation from this address. Return "started", or the code of the refusal."""
            with Widget(server, headers={"X-Forwarded-For": address}) as widget:
                widget.open()
                widget.send("start", client_id=str(uuid4()), form={})
                answer = widget.frames_until_now()[1]
                return str(answer.get("code", "started"))

        # The limit allows one more conversation each second. This loop starts them faster.
        results = ["started"]
        while results[-1] == "started" and len(results) < 500:
            results.append(start_from("203.0.113.9"))
        assert results[-1] == "too_fast"
        assert results.count("started") > 60
        assert start_from("198.51.100.7") == "started"


@pytest.mark.django_db(transaction=True)
async def test_too_many_hellos_from_one_address_are_postponed_without_a_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buckets = limits.Buckets(lambda: limits.Bucket(burst=2, per_second=0))
    monkeypatch.setattr(consumers, "_hellos_of_address", buckets)
    queried: list[Any] = []

    def find(hellos: Any) -> list[NotFound]:
        queried.extend(hellos)
        return [NotFound() for _ in hellos]

    monkeypatch.setattr(consumers, "_session_lookups", RequestCoalescer(find))

    async def bye(address: str) -> dict[str, Any]:
        widget = WebsocketCommunicator(consumers.VisitorConsumer.as_asgi(), "/ws/chat/")
        widget.scope["client"] = [address, 1234]
        await widget.connect()
        await widget.send_json_to({"kind": "hello", "site": "nobody"})
        while (frame := await widget.receive_json_from())["kind"] != "bye":
            pass
        await widget.disconnect()
        return dict(frame)

    frames = [await bye(address) for address in ["203.0.113.9"] * 3 + ["198.51.100.7"]]
    assert [frame["code"] for frame in frames] == ["not_found", "not_found", "unavailable", "not_found"]
    assert frames[2]["retry_after_ms"] >= 2000
    assert len(queried) == 3, "the hello beyond the limit caused no query"


# -- Open sockets ------------------------------------------------------------------------------------------------


async def test_address_with_too_many_sockets_is_refused_until_one_closes() -> None:
    counts = SocketCounts()
    with override_settings(SOCKETS_PER_ADDRESS=2, REDIS_URL=""):
        assert [await counts.enter("203.0.113.9") for _ in range(3)] == [True, True, False]
        assert await counts.enter("198.51.100.7")
        assert all([await counts.enter(None) for _ in range(5)])
        counts.leave("203.0.113.9")
        assert [await counts.enter("203.0.113.9") for _ in range(2)] == [True, False]
        for _ in range(2):
            counts.leave("203.0.113.9")
    assert counts._counts == {"198.51.100.7": 1}, "an address without sockets is forgotten"


@pytest.mark.django_db(transaction=True)
def test_processes_count_the_sockets_of_an_address_together(cast: Cast, processes: Processes) -> None:
    most = SHARED_FROM + 3
    env = processes.environment(LIANXIN_PROXY_COUNT="1", LIANXIN_SOCKETS_PER_ADDRESS=str(most))
    # Use a random address, because Redis keeps the socket counts that the processes of an earlier run have reported.
    crowd = {"X-Forwarded-For": f"203.0.113.{uuid4().int % 256}"}
    with (
        AppServer(env, prepare=False) as one,
        AppServer(env, prepare=False, server="uvicorn") as other,
        ExitStack() as stack,
    ):
        for _ in range(SHARED_FROM):
            stack.enter_context(Widget(one, headers=crowd))
        for _ in range(SHARED_FROM - 1):
            stack.enter_context(Widget(other, headers=crowd))
        with pytest.raises(InvalidStatus, match="403"):
            stack.enter_context(Widget(other, headers=crowd))
        with Widget(other, headers={"X-Forwarded-For": "198.51.100.7"}) as widget:
            assert widget.open()["kind"] == "welcome"


async def test_socket_counts_without_redis_are_those_of_the_process() -> None:
    counts = SocketCounts()
    with override_settings(SOCKETS_PER_ADDRESS=SHARED_FROM + 1, REDIS_URL="redis://127.0.0.1:9/0"):
        let_in = [await counts.enter("203.0.113.9") for _ in range(SHARED_FROM + 2)]
    assert let_in == [True] * (SHARED_FROM + 1) + [False]
