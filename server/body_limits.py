"""Bounds on what a request may send, and how slowly, before Django reads anything of it.

`chat.widget.attachment_views` has a site's own, smaller limit with a kinder message. Daphne calls the application only
when it has the whole body, so `server.daphne_body_limits` applies these bounds while Daphne receives one.
"""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import IO, Any, NamedTuple

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext_lazy as _

Application = Callable[..., Awaitable[Any]]

MEGABYTE = 1024 * 1024
# The largest file that a site may allow (`Site.attachment_megabytes`), and what a form adds to it.
UPLOAD_BYTES = 51 * MEGABYTE
OTHER_BYTES = 2 * MEGABYTE
# Where files are sent: in chats and to knowledge points, and as tables to admin.
WITH_FILES = ("/attachments", "/import/")
# One of them goes with every file; without it a view would refuse the file after all of it had been read.
CREDENTIALS = frozenset({b"authorization", b"cookie"})
# A proxy takes the body from a slow client and hands it over at once; these are for clients that come directly.
UPLOAD_SECONDS = 600.0
OTHER_SECONDS = 30.0
# Seconds in which a client that was refused may read the answer, while what it still sends is thrown away: a
# connection that is closed on unread data is reset, and the answer with it.
LINGER_SECONDS = 5.0
LINGER_BYTES = 64 * MEGABYTE


class BodyLimit(NamedTuple):
    """How many bytes a body may have, and how many seconds it may take."""

    size: int
    seconds: float


class BodyRefused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


REFUSALS = {
    413: ("file_too_large", _("What you sent is too large.")),
    408: ("unavailable", _("What you sent arrived too slowly. Please try again.")),
}
REASONS = {413: b"Content Too Large", 408: b"Request Timeout"}


def limit_for(path: str, header_names: Iterable[bytes]) -> BodyLimit:
    """Return the bound for this address; `header_names` in lower case."""
    if path.endswith(WITH_FILES) and not CREDENTIALS.isdisjoint(header_names):
        return BodyLimit(UPLOAD_BYTES, UPLOAD_SECONDS)
    return BodyLimit(OTHER_BYTES, OTHER_SECONDS)


def refusal_body(status: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of a refusal, in the shape that scripts know and in both languages."""
    code, words = REFUSALS[status]
    texts = []
    for language in ("zh-hans", "en"):
        with translation.override(language):
            texts.append(str(words))
    body = json.dumps({"refused": {"code": code, "words": " ".join(texts)}}, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    return headers, body


class BodySizeLimit:
    """Reads a body within its bound into a temporary file, and passes that on as `scope["body"]`.

    Before the request takes its turn (`server.concurrency_limit`): a slow body keeps nobody else waiting.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        bound = limit_for(scope["path"], [name for name, _ in scope["headers"]])
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not length.isdigit() or int(length) > bound.size:
            return await _refuse(413, receive, send)
        try:
            async with asyncio.timeout(bound.seconds):
                body = await _read(receive, bound.size)
        except TimeoutError:
            return await _refuse(408, receive, send)
        except BodyRefused as refused:
            return await _refuse(refused.status, receive, send)
        if body is not None:
            return await self._application({**scope, "body": body}, receive, send)
        return None


async def _read(receive: Any, size: int) -> IO[bytes] | None:
    """Return the body, None if the client has left. Raises Refused when it is longer than `size`."""
    # Closed by Django, with the request.
    body = tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)  # noqa: SIM115
    try:
        left = size
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                body.close()
                return None
            chunk = message.get("body", b"")
            left -= len(chunk)
            if left < 0:
                raise BodyRefused(413)
            body.write(chunk)
            if not message.get("more_body", False):
                body.seek(0)
                return body
    except BaseException:
        body.close()
        raise


async def _refuse(status: int, receive: Any, send: Any) -> None:
    headers, body = refusal_body(status)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            left, is_more = LINGER_BYTES, True
            while left > 0 and is_more:
                message = await receive()
                left -= len(message.get("body", b""))
                is_more = message["type"] == "http.request" and message.get("more_body", False)
    await send({"type": "http.response.body", "body": b""})
