"""Measures the time from the start of the process to the first accepted message."""

from __future__ import annotations

import asyncio
import statistics
import time

from tests.bench import load, servers
from tests.bench.load import Tally, Visitor
from tests.bench.plan import Plan
from tests.bench.rows import Row


def start_rows(plan: Plan) -> list[Row]:
    took = []
    with servers.lianxin() as running:
        running.create_staff(agents=1)
        for _ in range(plan.starts):
            running.app.stop()
            began = time.monotonic()
            running.app.start()
            load.run(_post_first_message(running.app.websocket_url))
            took.append(time.monotonic() - began)
    how = f"daphne, PostgreSQL and Redis, warm disk; the median of {plan.starts}"
    return [Row("start_seconds", statistics.median(took), how)]


async def _post_first_message(url: str) -> None:
    visitor = Visitor(url, Tally())
    accepted = asyncio.Event()
    visitor.on_accepted = lambda _: accepted.set()
    await visitor.open()
    await visitor.start()
    visitor.post_next()
    await asyncio.wait_for(accepted.wait(), 30)
    visitor.close()
