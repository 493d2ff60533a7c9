"""Tests of half-open connections: with the documented ping options, the server drops them within 45 seconds."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from typing import Literal

import pytest
from websockets.client import ClientProtocol
from websockets.sync.client import connect
from websockets.typing import Origin
from websockets.uri import parse_uri

from tests.harness.servers import AppServer
from tests.harness.servers.half_open import HalfOpenProxy
from tests.harness.servers.process import HOST, ROOT

MAX_SECONDS = 45
PINGS = re.compile(r"--(?:ws-)?ping-interval\W+(\d+)\W+--(?:ws-)?ping-timeout\W+(\d+)")
# The files with documented commands to start a server.
FILES_WITH_COMMANDS = ("README.md", "deploy/Containerfile", "deploy/systemd/lianxin@.service")


@pytest.mark.parametrize("file", FILES_WITH_COMMANDS)
def test_documented_ping_options_detect_a_dead_connection_within_45_seconds(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    options = [(int(interval), int(timeout)) for interval, timeout in PINGS.findall(text)]
    assert options
    assert all(interval + timeout <= MAX_SECONDS for interval, timeout in options)
    assert len(options) == len(re.findall(r"config\.asgi:application", text))


@pytest.mark.parametrize(
    ("server", "options"),
    [
        ("daphne", ["--ping-interval", "1", "--ping-timeout", "3"]),
        ("uvicorn", ["--ws-ping-interval", "1", "--ws-ping-timeout", "3"]),
    ],
)
def test_server_drops_a_connection_that_answers_no_pings(
    server: Literal["daphne", "uvicorn"], options: list[str]
) -> None:
    with (
        AppServer({}, server=server, options=options) as app,
        HalfOpenProxy(app.port) as proxy,
        connect(
            f"ws://127.0.0.1:{proxy.port}/ws/chat/",
            origin=Origin(proxy.url),
            ping_interval=None,
            close_timeout=0.1,
            proxy=None,
        ),
    ):
        # The client library answers pings by itself; as long as the answers arrive, the connection stays open.
        assert not proxy.is_given_up(within=5)
        assert proxy.swallow() == 1
        assert proxy.is_given_up(within=10)


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_client_slow_to_answer_a_close_frame_is_not_reset(server: Literal["daphne", "uvicorn"]) -> None:
    """Check that a client may take 2.5 seconds to answer the server's close frame.

    A TCP reset would discard data that the client has not read yet: the reason for the close, and the time to
    reconnect.
    """
    with AppServer({}, server=server) as app, socket.create_connection((HOST, app.port)) as connection:
        client = ClientProtocol(parse_uri(f"{app.websocket_url}/ws/chat/"), origin=Origin(app.url))

        def flush() -> None:
            connection.sendall(b"".join(client.data_to_send()))

        client.send_request(client.connect())
        flush()
        while client.state.name == "CONNECTING":
            client.receive_data(connection.recv(4096))
        client.send_text(json.dumps({"kind": "hello", "site": "nobody"}).encode())
        flush()
        while client.close_rcvd is None:
            client.receive_data(connection.recv(4096))

        connection.settimeout(2.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        flush()
        connection.settimeout(10)
        # After the client's close frame, the connection ends at once. Daphne may reset it, which does no harm now,
        # because the client has read everything.
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
