"""How requests are answered: on threads that stay, and whose turn it is."""

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
    """The messages of the answer."""
    heard: list[dict[str, Any]] = []
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": "GET",
        "path": target,
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), *given],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        heard.append(message)

    await handler(scope, receive, send)
    return heard


def open_files() -> set[Path]:
    return {link.resolve() for link in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def handler() -> Iterator[ThreadedASGIHandler]:
    with override_settings(ROOT_URLCONF=__name__):
        yield ThreadedASGIHandler()


async def test_nothing_of_a_request_is_left_on_its_thread_for_the_next(handler: ThreadedASGIHandler) -> None:
    bodies = [
        (await ask(handler, "/language", accept_language=tag))[1]["body"]
        for tag in ("en", "zh-CN", "en", "fr")
    ]
    assert bodies == [b"en", b"zh-hans", b"en", b"zh-hans"]


async def test_a_file_is_sent_piece_by_piece_and_closed(handler: ThreadedASGIHandler, tmp_path: Path) -> None:
    content = bytes(range(256)) * (FILE_BYTES // 256)
    (tmp_path / "file").write_bytes(content)
    started, *parts = await ask(handler, "/file", x_file=str(tmp_path / "file"))
    assert started["status"] == 200
    assert b"".join(part.get("body", b"") for part in parts) == content
    assert max(len(part.get("body", b"")) for part in parts) <= ThreadedASGIHandler.chunk_size
    assert tmp_path / "file" not in open_files()


async def test_what_is_missing_is_answered_like_everything_else(handler: ThreadedASGIHandler) -> None:
    assert (await ask(handler, "/nothing"))[0]["status"] == 404


async def test_who_waits_for_others_gives_the_turn_away_once() -> None:
    """All are inside together, although only two have a turn; and afterwards there are two turns again, not more."""
    inside, most, all_in = 0, 0, asyncio.Event()

    async def waiting(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal inside
        for _ in range(2):
            await asyncio.to_thread(release_slot)
        inside += 1
        if inside == 20:
            all_in.set()
        await asyncio.wait_for(all_in.wait(), 10)

    async def working(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await scope["view"](scope, receive, send)

    in_turn = ConcurrencyLimit(application, pool=1)
    await asyncio.gather(*(in_turn({"view": waiting}, None, None) for _ in range(20)))
    inside = 0
    await asyncio.gather(*(in_turn({"view": working}, None, None) for _ in range(20)))
    assert most == 2
