"""The thread pool on which the code of WebSockets calls the ORM.

It replaces Channels' `database_sync_to_async`, which runs all database work of a process on one thread: one slow query
would block every socket.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections, connection

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4
# A function that releases the concurrency slot of the current request (server/concurrency_limit.py); None outside a
# request.
release_request_slot: ContextVar[Callable[[], None] | None] = ContextVar("release_request_slot", default=None)
_threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="sockets")
_running: set[Future[Any]] = set()


def _call(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` on a thread that may use the ORM, and return its result."""
    future = _threads.submit(_call, partial(function, *args, **kwargs))
    _running.add(future)
    try:
        return await asyncio.wrap_future(future)
    finally:
        _running.discard(future)


def is_idle() -> bool:
    """Return whether no call of `in_thread` is pending. Must be called on the event loop."""
    return not _running


def release_slot() -> None:
    """Release the database connection and the concurrency slot of the current request.

    A view calls it before it waits for another thread. That thread may need the last connection of the pool. The free
    slot lets further requests run, which may join the same batch of work. Inside a transaction, the connection is kept.
    """
    if not connection.in_atomic_block:
        close_old_connections()
    if (release := release_request_slot.get()) is not None:
        release()
