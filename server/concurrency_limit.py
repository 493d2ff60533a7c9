"""A bound on how many requests are answered at a time: the others wait for their turn, first come first served.

A view keeps a connection of the pool while it runs. If more ran than the pool can give, those that are left over would
fail after two seconds; so they do not begin. Those kept back are for the sockets' threads and the writer. A view that
waits for the writer keeps no connection, and gives its turn to the next (`core.database_threads.release_slot`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from core.database_threads import THREADS, release_request_slot

Application = Callable[..., Awaitable[Any]]

MIN_CONCURRENT = 2
WITHOUT_POOL = 8


def max_concurrent_requests(pool: int) -> int:
    """How many requests a process answers at a time, that may have so many connections; 0: there is no bound."""
    return max(MIN_CONCURRENT, pool - THREADS - 1) if pool else WITHOUT_POOL


class ConcurrencyLimit:
    """`pool`: connections that this process may have to the database, 0 where there is no bound."""

    def __init__(self, application: Application, pool: int) -> None:
        self._application = application
        self._turns = asyncio.Semaphore(max_concurrent_requests(pool))

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        await self._turns.acquire()
        has_turn, loop = True, asyncio.get_running_loop()

        def give() -> None:
            nonlocal has_turn
            if has_turn:
                has_turn = False
                self._turns.release()

        def give_from_thread() -> None:
            loop.call_soon_threadsafe(give)

        token = release_request_slot.set(give_from_thread)
        try:
            return await self._application(scope, receive, send)
        finally:
            release_request_slot.reset(token)
            give()
