"""Health probes and metrics for load balancers and monitors, answered before Django.

They need no session, no request thread and no allowed host name, because probes address a process by its IP address.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from django.db import connection

from chat.realtime.delivery import hub
from server import metrics_page

Application = Callable[..., Awaitable[Any]]
T = TypeVar("T")

ANSWER_SECONDS = 1.0


class Probes:
    """Answer `/healthz` (the process and its event loop run), `/readyz` (it accepts clients: 200 or 503), `/metrics`.

    A process is ready when the database answers within a second and no drain is running. Redis is not needed: without
    it everything is slower, but works.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._database_probe = CachedProbe(_is_database_up)
        self._metrics_probe = CachedProbe(metrics_page.stored)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        match scope["path"]:
            case "/healthz":
                await answer(send, 200, "ok")
            case "/readyz":
                if hub.is_draining:
                    await answer(send, 503, "draining")
                elif await self._database_probe.result():
                    await answer(send, 200, "ok")
                else:
                    await answer(send, 503, "the database does not answer")
            case "/metrics":
                if metrics_page.is_allowed(scope):
                    page = metrics_page.page(await self._metrics_probe.result())
                    await answer(send, 200, page, metrics_page.CONTENT_TYPE)
                else:
                    await answer(send, 404, "not found")
            case _:
                return await self._application(scope, receive, send)


async def answer(send: Any, status: int, body: str, content_type: str = "text/plain; charset=utf-8") -> None:
    """Send a complete HTTP response that must not be cached."""
    headers = [
        (b"content-type", content_type.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


class CachedProbe(Generic[T]):
    """A database query on its own thread. Concurrent callers share one run, so queries to a slow database do not pile
    up."""

    def __init__(self, query: Callable[[], T]) -> None:
        self._query = query
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="probe")
        self._future: Future[T | None] | None = None

    async def result(self) -> T | None:
        """Return the result of the query, or None if it fails or takes longer than ANSWER_SECONDS."""
        if self._future is None or self._future.done():
            self._future = self._thread.submit(self._run)
        waiting = asyncio.wrap_future(self._future)
        await asyncio.wait({waiting}, timeout=ANSWER_SECONDS)
        return waiting.result() if waiting.done() else None

    def _run(self) -> T | None:
        try:
            return self._query()
        except Exception:
            # Any failure means that the database does not answer.
            return None
        finally:
            connection.close()


def _is_database_up() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True
