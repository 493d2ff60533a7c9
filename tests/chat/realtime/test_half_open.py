"""A line that died without a word is given up by the server too: within 45 s as it is set up for a bank."""

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
from tests.harness.servers.half_open import HalfOpenLine
from tests.harness.servers.process import HOST, ROOT

MOST_SECONDS = 45
PINGS = re.compile(r"--(?:ws-)?ping-interval\W+(\d+)\W+--(?:ws-)?ping-timeout\W+(\d+)")
# Wherever we say how to start a server.
SAID_IN = ("README.md", "deploy/Containerfile", "deploy/systemd/lianxin@.service")


@pytest.mark.parametrize("file", SAID_IN)
def test_a_bank_is_told_to_find_dead_lines_in_time(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    said = [(int(interval), int(timeout)) for interval, timeout in PINGS.findall(text)]
    assert said
    assert all(interval + timeout <= MOST_SECONDS for interval, timeout in said)
    assert len(said) == len(re.findall(r"config\.asgi:application", text))


@pytest.mark.parametrize(
    ("server", "options"),
    [
        ("daphne", ["--ping-interval", "1", "--ping-timeout", "3"]),
        ("uvicorn", ["--ws-ping-interval", "1", "--ws-ping-timeout", "3"]),
    ],
)
def test_a_server_gives_up_a_line_that_answers_no_pings(
    server: Literal["daphne", "uvicorn"], options: list[str]
) -> None:
    with (
        AppServer({}, server=server, options=options) as app,
        HalfOpenLine(app.port) as line,
        connect(
            f"ws://127.0.0.1:{line.port}/ws/chat/",
            origin=Origin(line.url),
            ping_interval=None,
            close_timeout=0.1,
            proxy=None,
        ),
    ):
        # It answers pings by itself: as long as they come, the line is not given up.
        assert not line.is_given_up(within=5)
        assert line.swallow() == 1
        assert line.is_given_up(within=10)


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_who_is_slow_to_answer_a_goodbye_is_not_cut_off(server: Literal["daphne", "uvicorn"]) -> None:
    """A reset takes with it what was not read yet: why the line ends, and when to come back."""
    with AppServer({}, server=server) as app, socket.create_connection((HOST, app.port)) as line:
        client = ClientProtocol(parse_uri(f"{app.websocket_url}/ws/chat/"), origin=Origin(app.url))

        def say() -> None:
            line.sendall(b"".join(client.data_to_send()))

        client.send_request(client.connect())
        say()
        while client.state.name == "CONNECTING":
            client.receive_data(line.recv(4096))
        client.send_text(json.dumps({"kind": "hello", "site": "nobody"}).encode())
        say()
        while client.close_rcvd is None:
            client.receive_data(line.recv(4096))

        line.settimeout(2.5)
        with pytest.raises(TimeoutError):
            line.recv(1)
        say()
        line.settimeout(10)
        # Then it ends at once; Daphne with a reset, which finds everything read.
        with suppress(ConnectionResetError):
            assert line.recv(1) == b""
