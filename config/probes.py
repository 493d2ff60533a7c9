"""What load balancers and monitors ask a server process. Answered at the door, before Django: no session, no thread of
a request, and no host name that has to be known, because they ask by address.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import connection

from chat.delivery import hub

Application = Callable[..., Awaitable[Any]]

ANSWER_SECONDS = 1.0


class Probes:
    """`/healthz`: the process runs and its loop turns. `/readyz`: it should be sent people, 200 or 503.

    Ready needs a database that answers within a second and no drain under way. Redis is not needed: without it
    everything is slower, not down.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._database = Database()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        match scope["path"]:
            case "/healthz":
                await answer(send, 200, "ok")
            case "/readyz":
                if hub.is_draining:
                    await answer(send, 503, "draining")
                elif await self._database.answers():
                    await answer(send, 200, "ok")
                else:
                    await answer(send, 503, "the database does not answer")
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


class Database:
    """Asks the database for a sign of life, on a thread of its own and never twice at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="readiness")
        self._question: Future[bool] | None = None

    async def answers(self) -> bool:
        """Whether it does, within ANSWER_SECONDS."""
        if self._question is None or self._question.done():
            self._question = self._thread.submit(_ask)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._question)), ANSWER_SECONDS)
        except TimeoutError:
            return False


def _ask() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except Exception:
        # Whatever it is: it does not answer.
        return False
    finally:
        connection.close()
