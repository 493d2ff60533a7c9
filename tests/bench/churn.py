"""Measures the memory growth of a server while visitors come and go."""

from __future__ import annotations

import asyncio

from tests.bench import load, servers
from tests.bench.load import Tally, Visitor
from tests.bench.plan import Plan
from tests.bench.process_cost import memory_kb
from tests.bench.rows import Row
from tests.bench.servers import Running

AT_ONCE = 50
# One visitor in this many starts a conversation, posts a message, and disconnects without ending the conversation.
WRITER_EVERY = 20


def churn_rows(plan: Plan) -> list[Row]:
    with servers.lianxin() as running, load.prioritized():
        running.create_staff(agents=1)
        before, after = load.run(_churn(running, plan))
    conditions = (
        f"daphne, PostgreSQL and Redis; anonymous PSS {before / 1024:.0f} MB after {plan.churned // 5:,} visitors "
        f"came and went, {after / 1024:.0f} MB after {plan.churned:,} more; one in {WRITER_EVERY} wrote a message"
    )
    if plan.churned < 100_000:
        conditions += "; the budget is stated for 100,000: --long"
    return [Row("growth_percent", (after - before) * 100 / before, conditions)]


async def _churn(running: Running, plan: Plan) -> tuple[float, float]:
    """Return the server's memory in KB after the warm-up, and after all visitors have come and gone."""
    url, tally = running.app.websocket_url, Tally()

    async def come_and_go(number: int) -> None:
        visitor = Visitor(url, tally)
        await visitor.open()
        if number % WRITER_EVERY == 0:
            accepted = asyncio.Event()
            visitor.on_accepted = lambda _: accepted.set()
            await visitor.start()
            visitor.post_next()
            await asyncio.wait_for(accepted.wait(), 60)
        visitor.close()

    await load.run_all((come_and_go(number) for number in range(plan.churned // 5)), at_once=AT_ONCE)
    await asyncio.sleep(3)
    before = memory_kb(running.app.pid)
    await load.run_all((come_and_go(number) for number in range(plan.churned)), at_once=AT_ONCE)
    await asyncio.sleep(3)
    return before, memory_kb(running.app.pid)
