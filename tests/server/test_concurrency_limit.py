"""Tests of the limit on concurrent requests.

The number of requests that run at the same time depends on the number of database connections in the pool. The other
requests wait for a slot, and none fails.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import Request, urlopen

import pytest

from server.concurrency_limit import ConcurrencyLimit
from tests.conftest import Processes
from tests.harness.servers import AppServer


async def test_excess_requests_wait_for_a_slot_in_order() -> None:
    running, max_running, answered = 0, 0, []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal running, max_running
        running += 1
        max_running = max(max_running, running)
        await asyncio.sleep(0)
        running -= 1
        answered.append(scope["number"])

    limited = ConcurrencyLimit(application, pool=8)
    await asyncio.gather(*(limited({"number": number}, None, None) for number in range(50)))
    assert max_running == 3
    assert answered == list(range(50))


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_many_concurrent_requests_are_all_answered(server: Any, processes: Processes) -> None:
    """Check that 400 requests, 200 at a time, are all answered by a server with seven database connections.

    Without the limit, requests that got no connection failed after two seconds.
    """
    with AppServer(processes.environment(LIANXIN_DATABASE_POOL="7"), prepare=False, server=server) as app:
        # The request looks up a session, and renders the page while it holds a database connection.
        page = Request(f"{app.url}/console/login/", headers={"Cookie": "sessionid=nobody-has-this-one"})
        with ThreadPoolExecutor(200) as threads:
            statuses = list(threads.map(lambda _: urlopen(page).status, range(400)))
        assert statuses == [200] * 400
        assert "PoolTimeout" not in app.log
