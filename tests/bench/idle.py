"""What visitors cost who are there and say nothing."""

from __future__ import annotations

import asyncio
import time

from tests.bench import load, servers
from tests.bench.load import Tally, Visitor
from tests.bench.plan import Plan
from tests.bench.proc import memory_kb
from tests.bench.rows import Row, Void
from tests.bench.servers import Running
from tests.bench.storm import Box, storm

SETTLE_SECONDS = 3.0


def idle_rows(plan: Plan) -> list[Row]:
    """Boxes that were opened and in which nothing has been written."""
    with servers.lianxin() as running, load.ahead_of_the_servers():
        running.desk(agents=1)
        kb, percent = load.run(_idle(running, [Visitor(Tally()) for _ in range(plan.many)], plan))
    where = "daphne, PostgreSQL and Redis, boxes open before the first word"
    return _rows(plan, "", kb, percent, where)


def in_chat_rows(plan: Plan) -> list[Row]:
    """Boxes whose visitors have a conversation with an agent and are silent; then the network is cut for many."""
    with servers.lianxin() as running, load.ahead_of_the_servers():
        desk = running.desk(agents=50)
        known = running.stage(f"crowd(active={plan.many}, agents=50)")
        tally = Tally()
        boxes = [Box(tally, running.app.websocket_url, token, conversation) for token, conversation in known]

        async def both() -> tuple[float, float, Row]:
            kb, percent = await _idle(running, boxes, plan)
            return kb, percent, await storm(running, boxes[: plan.storm], desk, tally)

        kb, percent, returned = load.run(both())
    where = "daphne, PostgreSQL and Redis, each in a conversation with one of 50 agents"
    return [*_rows(plan, "_in_chat", kb, percent, where), returned]


async def _idle(running: Running, boxes: list[Visitor] | list[Box], plan: Plan) -> tuple[float, float]:
    """KB a visitor, and percent of a core with all of them connected."""
    url = running.app.websocket_url
    await load.each((box.open(url) for box in boxes[: plan.few]), at_once=20)
    await asyncio.sleep(SETTLE_SECONDS)
    before = memory_kb(running.app.pid)
    await load.each((box.open(url) for box in boxes[plan.few :]), at_once=20)
    await asyncio.sleep(SETTLE_SECONDS)
    began, cpu = time.monotonic(), running.spent()
    await asyncio.sleep(plan.idle_seconds)
    percent = (running.spent() - cpu) * 100 / (time.monotonic() - began)
    kb = (memory_kb(running.app.pid) - before) / (plan.many - plan.few)
    if gone := sum(not box.line.is_open for box in boxes):
        raise Void(f"{gone} of {len(boxes)} idle visitors were cut off")
    return kb, percent


def _rows(plan: Plan, suffix: str, kb: float, percent: float, where: str) -> list[Row]:
    pings = "each pings after 25 s of silence, as the box does"
    return [
        Row(
            f"idle_kb_per_visitor{suffix}",
            kb,
            f"{where}; anonymous PSS of the server process, ({plan.many:,} - {plan.few:,}) / {plan.many - plan.few:,}",
        ),
        Row(
            f"idle_cpu_percent_10k{suffix}",
            percent,
            f"{where}; {plan.many:,} visitors, {plan.idle_seconds:.0f} s, {pings}; app, PostgreSQL and Redis",
        ),
    ]
