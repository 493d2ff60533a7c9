"""Tests of the limits on request bodies: a body that is too large or too slow is refused and not read to its end."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from server import body_limits
from server.body_limits import MEGABYTE, OTHER_BYTES, UPLOAD_BYTES, BodySizeLimit, limit_for
from tests.harness.servers import AppServer


class Reader:
    """An ASGI application that reads the whole body, as Django does, and counts its bytes in `read`."""

    def __init__(self) -> None:
        self.read = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.read += len(scope["body"].read())
        scope["body"].close()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(path: str, chunks: list[bytes], length: str | None) -> tuple[Reader, list[int], int]:
    """Send a request through BodySizeLimit. Return the application, the response statuses, and the number of unread
    chunks."""
    reader = Reader()
    statuses: list[int] = []
    left = list(chunks)

    async def receive() -> dict[str, Any]:
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"authorization", b"Bearer x")]
    if length is not None:
        headers.append((b"content-length", length.encode()))
    await BodySizeLimit(reader)({"path": path, "headers": headers}, receive, send)
    return reader, statuses, len(left)


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        ("/chat/attachments", UPLOAD_BYTES, 200),
        ("/chat/attachments", UPLOAD_BYTES + 1, 413),
        ("/admin/chat/site/1/change/", OTHER_BYTES, 200),
        ("/admin/chat/site/1/change/", OTHER_BYTES + 1, 413),
    ],
)
async def test_body_with_a_too_large_content_length_is_refused_unread(
    path: str, length: int, status: int
) -> None:
    reader, statuses, _ = await ask(path, [b"x"], str(length))
    assert statuses == [status]
    assert bool(reader.read) is (status == 200)


@pytest.mark.parametrize("length", ["-1", "many", "1 000", ""])
async def test_invalid_content_length_is_refused(length: str) -> None:
    _, statuses, _ = await ask("/", [b"x"], length)
    assert statuses == [413]


async def test_body_without_a_content_length_is_refused_when_it_gets_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body_limits, "LINGER_BYTES", MEGABYTE)
    reader, statuses, unread = await ask("/console/", [b"x" * 65536] * 1000, None)
    assert statuses == [413]
    assert not reader.read
    assert unread > 900


async def test_disconnected_client_is_not_answered() -> None:
    reader, statuses, _ = await ask("/console/", [], None)
    assert (reader.read, statuses) == (0, [])


async def test_slow_body_is_refused_before_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "OTHER_SECONDS", 0.01)
    monkeypatch.setattr(body_limits, "LINGER_SECONDS", 0.01)
    statuses: list[int] = []

    async def never() -> None:
        await asyncio.Event().wait()

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    await BodySizeLimit(Reader())({"path": "/console/", "headers": []}, never, send)
    assert statuses == [408, 0, 0]


@pytest.mark.parametrize(
    ("path", "header", "size"),
    [
        ("/chat/attachments", b"authorization", UPLOAD_BYTES),
        ("/console/conversations/x/attachments", b"cookie", UPLOAD_BYTES),
        ("/admin/knowledge/point/import/", b"cookie", UPLOAD_BYTES),
        ("/chat/attachments", b"accept", OTHER_BYTES),
        ("/chat/attachments/", b"cookie", OTHER_BYTES),
        ("/console/login/", b"cookie", OTHER_BYTES),
    ],
)
def test_only_uploads_with_credentials_may_be_large(path: str, header: bytes, size: int) -> None:
    assert limit_for(path, [header]).size == size


# -- Real servers ----------------------------------------------------------------------------------------------

# The number of bytes to send: several times as many as the server and the kernel's buffers accept before a refusal.
FLOOD_BYTES = 300 * MEGABYTE


def send_body(
    server: AppServer, head: str, pieces: Iterable[bytes], *, is_closed: bool = True
) -> tuple[bytes, int]:
    """Send a request with a body in pieces. Return the response, and the number of bytes that were sent before the
    response came.

    Unless the client closes its side, the server waits LINGER_SECONDS for the rest of the body.
    """
    lines = [head, f"Host: 127.0.0.1:{server.port}", "", ""]
    sent, answer = 0, b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        with suppress(ConnectionError):
            for piece in pieces:
                if select.select([connection], [], [], 0)[0]:
                    break
                connection.sendall(piece)
                sent += len(piece)
        with suppress(ConnectionError):
            answer = connection.recv(65536)
            if is_closed:
                connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65536):
                answer += received
    return answer, sent


def chunks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"10000\r\n" + bytes(65536) + b"\r\n"


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def app(request: pytest.FixtureRequest) -> Iterator[AppServer]:
    with AppServer({}, server=request.param) as app:
        yield app


def test_server_refuses_a_too_large_body_and_stops_reading(app: AppServer) -> None:
    memory = memory_of(app)
    for path in ("/console/login/", "/chat/attachments", "/widget.js", "/nowhere"):
        chunked = f"POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked"
        answer, sent = send_body(app, chunked, chunks(FLOOD_BYTES // 65536))
        assert answer.startswith(b"HTTP/1.1 413"), (path, answer[:200])
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["refused"]["code"] == "file_too_large"
        assert sent < FLOOD_BYTES / 5
        claimed = f"POST {path} HTTP/1.1\r\nContent-Length: {FLOOD_BYTES}"
        answer, _ = send_body(app, claimed, [], is_closed=path != "/nowhere")
        assert answer.startswith(b"HTTP/1.1 413"), (path, answer[:200])
    answer, _ = send_body(
        app, "POST /console/login/ HTTP/1.1\r\nContent-Length: 3\r\nConnection: close", [b"a=b"]
    )
    assert answer.startswith(b"HTTP/1.1 401"), "the form recovery page, so the view has received the body"
    assert memory_of(app) < memory + 30 * MEGABYTE
    assert temporary_bytes_of(app) == 0


def test_client_that_sends_its_whole_body_first_gets_the_refusal(app: AppServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=20)
    connection.request("POST", "/console/login/", body=bytes(20 * MEGABYTE))
    answer = connection.getresponse()
    assert answer.status == 413
    assert answer.headers["Connection"] == "close"
    assert "太大" in answer.read().decode()
    connection.close()


def memory_of(app: AppServer) -> int:
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{app.pid}/status").read_text())
    assert match
    return int(match[1]) * 1024


def temporary_bytes_of(app: AppServer) -> int:
    """Return the total size of the deleted files that the server process still has open."""
    files = [
        link for link in Path(f"/proc/{app.pid}/fd").iterdir() if str(link.readlink()).endswith("(deleted)")
    ]
    return sum(link.stat().st_size for link in files)
