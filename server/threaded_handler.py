"""How Django answers a request: on one thread, from the first middleware to the last.

Django's own handler for ASGI makes a thread for each request, and goes there and back for every middleware that is not
asynchronous, which are nearly all, and for every signal. A dozen of such hops cost more than most of our views.
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

# Those whose turn it is (server/concurrency_limit.py), and those who wait for others and have given their turn away.
THREADS = 64
P = ParamSpec("P")
T = TypeVar("T")


class ThreadedASGIHandler(ASGIHandler):
    """The threads stay, so that nothing has to be made anew for each request."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:
        # As for WSGI: nothing of it is asked to be asynchronous.
        super().load_middleware(is_async=False)

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[Any]],
    ) -> None:
        try:
            # `server.body_limits` has read it before the request had its turn.
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
            # Whoever waits for its end, as the database's connection does, need not wait for the network.
            response.close()
        return response

    async def _parts(self, content: Iterator[bytes]) -> AsyncIterator[bytes]:
        """A file, piece by piece: it is never whole in memory."""
        while (part := await self._on_thread(next, content, None)) is not None:
            yield part

    async def _on_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        work = partial(copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
