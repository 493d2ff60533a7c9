"""The bound on request bodies: what is too long is refused, and not read to its end."""

from __future__ import annotations

from typing import Any

import pytest

from config.bodies import OTHER_BYTES, UPLOAD_BYTES, BoundedBodies


class Reader:
    """An application that reads the whole body, as Django does."""

    def __init__(self) -> None:
        self.read = 0
        self.was_cut = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.was_cut = True
                return
            self.read += len(message["body"])
            if not message["more_body"]:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                return


async def ask(path: str, chunks: list[bytes], length: str | None) -> tuple[Reader, list[int], int]:
    """The application, the statuses that were sent, and how many chunks were never asked for."""
    reader = Reader()
    statuses: list[int] = []
    left = list(chunks)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"content-length", length.encode())] if length is not None else []
    await BoundedBodies(reader)({"path": path, "headers": headers}, receive, send)
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
async def test_a_body_that_says_it_is_too_long_is_refused_unread(path: str, length: int, status: int) -> None:
    reader, statuses, unread = await ask(path, [b"x"], str(length))
    assert statuses == [status]
    assert unread == (1 if status == 413 else 0)
    assert bool(reader.read) is (status == 200)


@pytest.mark.parametrize("length", ["-1", "many", "1 000", ""])
async def test_a_length_that_is_none_is_refused(length: str) -> None:
    _, statuses, _ = await ask("/", [b"x"], length)
    assert statuses == [413]


async def test_a_body_without_a_length_is_cut_where_it_is_too_long() -> None:
    chunks = [b"x" * 65536] * 1000
    reader, statuses, unread = await ask("/console/", chunks, None)
    assert reader.was_cut
    assert statuses == []
    assert reader.read <= OTHER_BYTES
    assert unread > 900
