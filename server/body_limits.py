"""Limits on the size and the duration of a request body, applied before Django reads any of it.

`chat.widget.attachment_views` applies a site's own, smaller limit with a more helpful message. Daphne calls the
application only after it has received the whole body, so `server.daphne.body_limits` applies these limits earlier.
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
# The largest file that a site may allow (`Site.attachment_megabytes`), plus the overhead of a form.
UPLOAD_BYTES = 51 * MEGABYTE
OTHER_BYTES = 2 * MEGABYTE
# Ends of the paths that accept files: attachments of conversations and knowledge points, and table files in admin.
WITH_FILES = ("/attachments", "/import/")
# A request that may send a file has one of these headers. A request without them gets the smaller limit, because a view
# would refuse its file only after the server has read it completely.
CREDENTIALS = frozenset({b"authorization", b"cookie"})
# Maximum seconds to receive a request body. These limits matter only for clients that connect directly: a proxy buffers
# the body of a slow client and then passes it on quickly.
UPLOAD_SECONDS = 600.0
OTHER_SECONDS = 30.0
# After a refusal, the rest of the body is read and discarded for at most this time and size, so that the client can
# read the response. Closing a connection with unread data resets it, and the response is lost.
LINGER_SECONDS = 5.0
LINGER_BYTES = 64 * MEGABYTE


class BodyLimit(NamedTuple):
    """The maximum size of a body in bytes, and the maximum seconds for receiving it."""

    size: int
    seconds: float


class BodyRefused(Exception):
    """A body exceeded a limit. `status` is the HTTP status of the response."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


REFUSALS = {
    413: ("file_too_large", _("This is too large to send.")),
    408: ("unavailable", _("Sending took too long. Please try again.")),
}
REASONS = {413: b"Content Too Large", 408: b"Request Timeout"}


def limit_for(path: str, header_names: Iterable[bytes]) -> BodyLimit:
    """Return the limit for a path; `header_names` are in lower case."""
    if path.endswith(WITH_FILES) and not CREDENTIALS.isdisjoint(header_names):
        return BodyLimit(UPLOAD_BYTES, UPLOAD_SECONDS)
    return BodyLimit(OTHER_BYTES, OTHER_SECONDS)


def refusal_body(status: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and the body of a refusal: the JSON that the scripts expect, with text in both languages."""
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
    """ASGI middleware that reads a body within its limit into a temporary file, which it passes on as `scope["body"]`.

    It runs before `server.concurrency_limit`, so that a slow body does not occupy a slot.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        limit = limit_for(scope["path"], [name for name, _ in scope["headers"]])
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not length.isdigit() or int(length) > limit.size:
            return await _refuse(413, receive, send)
        try:
            async with asyncio.timeout(limit.seconds):
                body = await _read(receive, limit.size)
        except TimeoutError:
            return await _refuse(408, receive, send)
        except BodyRefused as refused:
            return await _refuse(refused.status, receive, send)
        if body is not None:
            return await self._application({**scope, "body": body}, receive, send)
        return None


async def _read(receive: Any, size: int) -> IO[bytes] | None:
    """Return the body, or None if the client disconnects. Raises BodyRefused if the body is longer than `size`."""
    # Django closes this file together with the request.
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
