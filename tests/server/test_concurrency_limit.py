"""So many requests at a time as the pool has connections for; the others wait, and none fails."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import Request, urlopen

import pytest

from server.concurrency_limit import ConcurrencyLimit
from tests.conftest import bank_environment
from tests.harness.servers import AppServer, PrivatePostgres, PrivateRedis


async def test_the_others_wait_for_their_turn() -> None:
    inside, most, answered = 0, 0, []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        answered.append(scope["number"])

    in_turn = ConcurrencyLimit(application, pool=8)
    await asyncio.gather(*(in_turn({"number": number}, None, None) for number in range(50)))
    assert most == 3
    assert answered == list(range(50))


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_many_at_once_are_all_answered(server: Any) -> None:
    """With more of them than connections, the last ones failed after two seconds."""
    with PrivatePostgres() as postgres, PrivateRedis() as redis:
        env = bank_environment(postgres.url, redis.url) | {"LIANXIN_DATABASE_POOL": "7"}
        with AppServer(env, server=server) as app:
            # A session is looked for, and the page drawn with the connection in hand.
            page = Request(f"{app.url}/console/login/", headers={"Cookie": "sessionid=nobody-has-this-one"})
            with ThreadPoolExecutor(200) as threads:
                statuses = list(threads.map(lambda _: urlopen(page).status, range(400)))
            assert statuses == [200] * 400
            assert "PoolTimeout" not in app.log
