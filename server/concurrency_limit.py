"""A limit on the number of requests answered at the same time; the others wait for a slot, first come, first served.

A view holds a database connection of the pool while it runs. If more views ran than the pool has connections, some
would wait for a connection and fail after two seconds. Requests without a slot therefore do not start. The connections
that no slot uses are for the sockets' threads and the writer. A view that waits for the writer holds no connection and
releases its slot (`core.database_threads.release_slot`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from core.database_threads import THREADS, release_request_slot

Application = Callable[..., Awaitable[Any]]

MIN_CONCURRENT = 2
# The number of slots if there is no pool and every view opens its own connection.
WITHOUT_POOL = 8


def max_concurrent_requests(pool: int) -> int:
    """Return the number of slots for requests of a process whose pool has `pool` database connections. 0 means that
    there is no pool."""
    return max(MIN_CONCURRENT, pool - THREADS - 1) if pool else WITHOUT_POOL


class ConcurrencyLimit:
    """Middleware that runs each request in a slot. `pool` is the size of the connection pool, or 0 if there is none."""

    def __init__(self, application: Application, pool: int) -> None:
        self._application = application
        self._slots = asyncio.Semaphore(max_concurrent_requests(pool))

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        await self._slots.acquire()
        has_slot, loop = True, asyncio.get_running_loop()

        def release() -> None:
            nonlocal has_slot
            if has_slot:
                has_slot = False
                self._slots.release()

        def release_from_thread() -> None:
            loop.call_soon_threadsafe(release)

        token = release_request_slot.set(release_from_thread)
        try:
            return await self._application(scope, receive, send)
        finally:
            release_request_slot.reset(token)
            release()
