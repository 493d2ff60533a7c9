"""Tests of the threaded ASGI handler, and of releasing a request's concurrency slot from its thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import FileResponse, HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django.utils.translation import get_language

from core.database_threads import release_slot
from server.concurrency_limit import ConcurrencyLimit
from server.threaded_handler import ThreadedASGIHandler

FILE_BYTES = 300_000


def language(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_language())


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(Path(request.headers["X-File"]).open("rb"))


urlpatterns = [path("language", language), path("file", file)]


async def ask(handler: Any, target: str, **headers: str) -> list[dict[str, Any]]:
    """Send a request to the ASGI handler and return the ASGI messages of the response."""
    messages: list[dict[str, Any]] = []
    extra_headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": "GET",
        "path": target,
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), *extra_headers],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await handler(scope, receive, send)
    return messages


def open_files() -> set[Path]:
    return {link.resolve() for link in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def handler() -> Iterator[ThreadedASGIHandler]:
    with override_settings(ROOT_URLCONF=__name__):
        yield ThreadedASGIHandler()


async def test_request_leaves_no_state_on_its_thread(handler: ThreadedASGIHandler) -> None:
    bodies = [
        (await ask(handler, "/language", accept_language=tag))[1]["body"]
        for tag in ("en", "zh-CN", "en", "fr")
    ]
    assert bodies == [b"en", b"zh-hans", b"en", b"zh-hans"]


async def test_file_is_sent_in_parts_and_closed(handler: ThreadedASGIHandler, tmp_path: Path) -> None:
    content = bytes(range(256)) * (FILE_BYTES // 256)
    (tmp_path / "file").write_bytes(content)
    started, *parts = await ask(handler, "/file", x_file=str(tmp_path / "file"))
    assert started["status"] == 200
    assert b"".join(part.get("body", b"") for part in parts) == content
    assert max(len(part.get("body", b"")) for part in parts) <= ThreadedASGIHandler.chunk_size
    assert tmp_path / "file" not in open_files()


async def test_unknown_path_is_answered_with_404(handler: ThreadedASGIHandler) -> None:
    assert (await ask(handler, "/nothing"))[0]["status"] == 404


async def test_release_slot_releases_the_slot_of_a_request_once() -> None:
    """Check that a request that calls `release_slot` twice releases only one slot.

    There are two slots, but twenty such requests run at the same time, because each has released its slot. Afterwards
    there must still be only two slots.
    """
    running, max_running, all_running = 0, 0, asyncio.Event()

    async def waiting(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal running
        for _ in range(2):
            await asyncio.to_thread(release_slot)
        running += 1
        if running == 20:
            all_running.set()
        await asyncio.wait_for(all_running.wait(), 10)

    async def working(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal running, max_running
        running += 1
        max_running = max(max_running, running)
        await asyncio.sleep(0)
        running -= 1

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await scope["view"](scope, receive, send)

    limited = ConcurrencyLimit(application, pool=1)
    await asyncio.gather(*(limited({"view": waiting}, None, None) for _ in range(20)))
    running = 0
    await asyncio.gather(*(limited({"view": working}, None, None) for _ in range(20)))
    assert max_running == 2
