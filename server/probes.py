"""What load balancers and monitors ask a server process. Answered at the door, before Django: no session, no thread of
a request, and no host name that has to be known, because they ask by address.
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
    """`/healthz`: the process runs and its loop turns. `/readyz`: it should be sent people, 200 or 503. `/metrics`.

    Ready needs a database that answers within a second and no drain under way. Redis is not needed: without it
    everything is slower, not down.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._life = CachedProbe(_is_alive)
        self._figures = CachedProbe(metrics_page.stored)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        match scope["path"]:
            case "/healthz":
                await answer(send, 200, "ok")
            case "/readyz":
                if hub.is_draining:
                    await answer(send, 503, "draining")
                elif await self._life.answer():
                    await answer(send, 200, "ok")
                else:
                    await answer(send, 503, "the database does not answer")
            case "/metrics":
                if metrics_page.is_allowed(scope):
                    await answer(
                        send, 200, metrics_page.page(await self._figures.answer()), metrics_page.CONTENT_TYPE
                    )
                else:
                    await answer(send, 404, "not found")
            case _:
                return await self._application(scope, receive, send)


async def answer(send: Any, status: int, body: str, content_type: str = "text/plain; charset=utf-8") -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


class CachedProbe(Generic[T]):
    """A question to the database, on a thread of its own, and never twice at a time: nothing piles up."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="probe")
        self._asked: Future[T | None] | None = None

    async def answer(self) -> T | None:
        """None when there is no answer within ANSWER_SECONDS."""
        if self._asked is None or self._asked.done():
            self._asked = self._thread.submit(self._try)
        waiting = asyncio.wrap_future(self._asked)
        await asyncio.wait({waiting}, timeout=ANSWER_SECONDS)
        return waiting.result() if waiting.done() else None

    def _try(self) -> T | None:
        try:
            return self._ask()
        except Exception:
            # Whatever it is: it does not answer.
            return None
        finally:
            connection.close()


def _is_alive() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True
