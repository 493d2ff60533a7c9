"""The one bridge from sockets to the ORM: a small pool of threads of its own.

Channels' `database_sync_to_async` runs everything of a process on one thread, where a slow query would stop every
socket's database work.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sockets")


def _call(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `function` on a thread that may use the ORM and returns what it returns."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, partial(_call, partial(function, *args, **kwargs)))
