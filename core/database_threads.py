"""The one bridge from sockets to the ORM: a small pool of threads of its own.

Channels' `database_sync_to_async` runs everything of a process on one thread, where a slow query would stop every
socket's database work.
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
# How the request that is being answered gives its turn to another one (server/concurrency_limit.py).
release_request_slot: ContextVar[Callable[[], None] | None] = ContextVar("give_turn", default=None)
_threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="sockets")
_running: set[Future[Any]] = set()


def _call(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `function` on a thread that may use the ORM and returns what it returns."""
    future = _threads.submit(_call, partial(function, *args, **kwargs))
    _running.add(future)
    try:
        return await asyncio.wrap_future(future)
    finally:
        _running.discard(future)


def is_idle() -> bool:
    """On the loop: whether everything that was asked for has been answered."""
    return not _running


def release_slot() -> None:
    """Before a thread waits for the work of another: it keeps neither a connection, which may be the last of the pool,
    nor the turn of its request. The more wait together, the more are served together."""
    if not connection.in_atomic_block:
        close_old_connections()
    if (give := release_request_slot.get()) is not None:
        give()
