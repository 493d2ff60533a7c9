"""ASGI handler that runs all of Django's work for a request on one thread, from the first middleware to the last.

Django's own ASGI handler creates a thread for each request. It switches to this thread and back for every signal and
for every synchronous middleware, and nearly all middleware is synchronous. A dozen such switches cost more than most of
our views.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import IO, Any, ParamSpec, TypeVar

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import FileResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.urls import set_script_prefix

# Threads for the requests with a slot (server/concurrency_limit.py) and for those that wait after releasing their slot.
THREADS = 64
P = ParamSpec("P")
T = TypeVar("T")


class ThreadedASGIHandler(ASGIHandler):
    """Django's ASGI handler with a permanent thread pool: each request is answered on one of its threads."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:
        # Load the middleware in synchronous mode, as for WSGI.
        super().load_middleware(is_async=False)

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[Any]],
    ) -> None:
        try:
            # `server.body_limits` has read the body before the request got a slot.
            body = scope.pop("body", None) or await self.read_body(receive)
        except RequestAborted:
            return
        response = await self._on_thread(self._answer, scope, body)
        if not isinstance(response, StreamingHttpResponse):
            await self.send_response(response, send)
            return
        content = response.streaming_content
        if not isinstance(content, AsyncIterator):
            response.streaming_content = self._parts(content)
        try:
            await self.send_response(response, send)
        finally:
            await self._on_thread(response.close)

    def _answer(self, scope: dict[str, Any], body: IO[bytes]) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, body)
        if request is None:
            body.close()
            assert refusal is not None
            return refusal
        response = self.get_response(request)
        response._handler_class = type(self)  # type: ignore[attr-defined]
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if not response.streaming:
            # Close the response before it is sent over a slow network, to release resources such as the database
            # connection.
            response.close()
        return response

    async def _parts(self, content: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the parts of a file, so that the whole file is never in memory."""
        while (part := await self._on_thread(next, content, None)) is not None:
            yield part

    async def _on_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        work = partial(copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
