"""Tests of floods: Daphne and uvicorn close a socket whose client sends too much, or no hello frame."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from hypothesis import given
from hypothesis import strategies as st

from chat import limits
from chat.realtime import frame_meter
from chat.realtime import sockets as chat_socket
from chat.realtime.frame_meter import FrameCounter, FrameMeter, frame_length
from chat.widget import consumers
from tests.conftest import Processes
from tests.harness.raw_sockets import CLOSE, CONTINUATION, PING, PONG, TEXT, frame, shake_hands
from tests.harness.servers import AppServer
from tests.people import SITE_KEY, Cast

# The number of bytes to send: far more than the limits allow, and many times more than the kernel buffers when nobody
# reads.
MANY = 60 * 1024 * 1024


HELLO = frame(TEXT, json.dumps({"kind": "hello", "site": SITE_KEY, "version": 1}).encode())
FLOODS = {
    "pings": [frame(PING)],
    "pings with a payload": [frame(PING, b"x" * 125)],
    "pongs": [frame(PONG)],
    "empty messages": [frame(TEXT)],
    "empty fragments": [frame(TEXT, is_last=False), frame(CONTINUATION, is_last=False)],
    "small fragments": [frame(TEXT, b"{", is_last=False), frame(CONTINUATION, b" ", is_last=False)],
    "unknown kinds": [frame(TEXT, b'{"kind":"nobody knows"}')],
    "long messages": [frame(TEXT, b" " * 200_000)],
    "closes": [frame(CLOSE, b"\x03\xe8"), frame(PING)],
    "a frame without end": [frame(TEXT, b" " * 65536, claimed=2**40), b" " * 65536],
}


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, processes: Processes) -> AppServer:
    app: AppServer = getattr(processes, request.param)
    return app


def send_until_cut(connection: socket.socket, first: bytes, again: bytes) -> tuple[int, bytes]:
    """Send `first` once and then `again` repeatedly, without a pause, until the server disconnects or MANY bytes are
    sent.

    Returns the number of bytes sent, and the bytes received.
    """
    sent, received, data = 0, b"", first
    block = again * max(1, 65536 // len(again))
    while sent < MANY:
        try:
            if select.select([connection], [], [], 0)[0]:
                received += connection.recv(65536)
            taken = connection.send(data)
        except ConnectionError:
            break
        sent += taken
        data = data[taken:] or block
    with suppress(ConnectionError):
        while rest := connection.recv(65536):
            received += rest
    return sent, received


@pytest.mark.django_db(transaction=True)
def test_flood_of_any_kind_closes_the_socket_and_stops_reading(cast: Cast, server: AppServer) -> None:
    def flood(kind: str) -> tuple[int, bytes]:
        first, *rest = FLOODS[kind]
        with shake_hands(server.port) as connection:
            return send_until_cut(connection, HELLO + first, rest[0] if rest else first)

    with ThreadPoolExecutor(len(FLOODS)) as threads:
        results = dict(zip(FLOODS, threads.map(flood, FLOODS), strict=True))
    for kind, (sent, received) in results.items():
        assert sent < MANY / 4, f"{kind}: the server read more than its limit and both kernel buffers"
        # In the flood "closes", the client itself sends a close frame, which the server answers with the client's close
        # code. Do not expect the server's own code there.
        if kind != "closes":
            assert b'"code":"flood"' in received, kind
            assert struct.pack(">H", 4400) in received, kind


@pytest.mark.django_db(transaction=True)
def test_pings_sent_with_the_handshake_are_limited(cast: Cast, server: AppServer) -> None:
    """Check that pings are counted if they arrive together with the handshake, before the frame meter is installed."""
    with shake_hands(server.port, first=frame(PING) * 10_000) as connection:
        connection.sendall(HELLO)
        connection.settimeout(10)
        received = b""
        with suppress(TimeoutError, ConnectionError):
            while (
                b'"welcome"' not in received and b'"bye"' not in received and (rest := connection.recv(65536))
            ):
                received += rest
    pongs = received.count(b"\x8a\x00")
    assert pongs < 500


async def test_socket_without_a_hello_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_socket, "HELLO_SECONDS", 0.01)
    widget = WebsocketCommunicator(consumers.VisitorConsumer.as_asgi(), "/ws/chat/")
    await widget.connect()
    assert (await widget.receive_json_from())["code"] == "unavailable"
    assert await widget.receive_output() == {"type": "websocket.close", "code": 4000}
    await widget.disconnect()


# -- counting --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
def test_frame_length_is_read_from_the_header(length: int) -> None:
    whole = frame(TEXT, b"x" * length)
    assert frame_length(b"..." + whole, 3) == len(whole)
    header = len(whole) - length
    assert frame_length(whole[: header - 4], 0) == len(whole), "the mask is not needed"
    assert all(frame_length(whole[:size], 0) is None for size in range(header - 4))


@given(
    lengths=st.lists(st.sampled_from([0, 1, 125, 126, 300, 65536]), min_size=1, max_size=8),
    cuts=st.lists(st.integers(1, 70_000), max_size=20),
)
def test_frame_counter_counts_frames_split_at_any_offset(lengths: list[int], cuts: list[int]) -> None:
    stream = b"".join(frame(TEXT, b"x" * length) for length in lengths)
    count = FrameCounter()
    count._frames = limits.Bucket(burst=len(lengths), per_second=0)
    at = 0
    for cut in [*cuts, len(stream)]:
        assert count.is_within(stream[at : at + cut])
        at += cut
    assert count.is_within(stream[at:])
    assert not count.is_within(frame(PING)), "every frame was counted, and none twice"


def test_frame_counter_charges_each_read_besides_its_bytes() -> None:
    count = FrameCounter()
    count._bytes = limits.Bucket(burst=10 * (frame_meter.READ_COST_BYTES + 1), per_second=0)
    assert [count.is_within(b"\x81") for _ in range(11)] == [True] * 10 + [False]


class Protocol:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.calls.append((name, *arguments))


@pytest.mark.parametrize("receive", ["data_received", "dataReceived"])
def test_flooded_meter_forwards_nothing_and_calls_back_once(receive: str) -> None:
    protocol, pauses, floods = Protocol(), list[bool](), list[bool]()
    meter = FrameMeter(protocol, lambda: pauses.append(True))
    meter.watch(lambda: floods.append(True))
    data = frame(TEXT, b"x")
    for _ in range(1000):
        getattr(meter, receive)(data)
    assert 100 < len(protocol.calls) < 300
    assert protocol.calls[0] == (receive, data)
    assert floods == [True]
    assert len(pauses) == 1000 - len(protocol.calls)
    late: list[bool] = []
    meter.watch(lambda: late.append(True))
    assert late == [True], "a callback set after the flood is called at once"


def test_frame_counter_accepts_random_bytes_without_an_error() -> None:
    count = FrameCounter()
    while count.is_within(os.urandom(64)):
        pass
