"""Whether a server grows while visitors come and go."""

from __future__ import annotations

import asyncio

from tests.bench import load, servers
from tests.bench.load import Tally, Visitor
from tests.bench.plan import Plan
from tests.bench.proc import memory_kb
from tests.bench.rows import Row
from tests.bench.servers import Running

AT_ONCE = 50
# One in so many begins a conversation, says something and is cut off in the middle of it.
TALKS = 20


def churn_rows(plan: Plan) -> list[Row]:
    with servers.lianxin() as running, load.ahead_of_the_servers():
        running.desk(agents=1)
        before, after = load.run(_churn(running, plan))
    how = (
        f"daphne, PostgreSQL and Redis; anonymous PSS {before / 1024:.0f} MB after {plan.churned // 5:,} visitors who "
        f"came and went, {after / 1024:.0f} MB after {plan.churned:,} more; one in {TALKS} began to talk"
    )
    if plan.churned < 100_000:
        how += "; the budget speaks of 100,000: --long"
    return [Row("growth_percent", (after - before) * 100 / before, how)]


async def _churn(running: Running, plan: Plan) -> tuple[float, float]:
    """KB after the warm-up, and after all the others."""
    url, tally = running.app.websocket_url, Tally()

    async def come_and_go(number: int) -> None:
        visitor = Visitor(tally)
        await visitor.open(url)
        if number % TALKS == 0:
            accepted = asyncio.Event()
            visitor.on_accepted = lambda _: accepted.set()
            await visitor.begin()
            visitor.post()
            await asyncio.wait_for(accepted.wait(), 60)
        visitor.close()

    await load.each((come_and_go(number) for number in range(plan.churned // 5)), at_once=AT_ONCE)
    await asyncio.sleep(3)
    before = memory_kb(running.app.pid)
    await load.each((come_and_go(number) for number in range(plan.churned)), at_once=AT_ONCE)
    await asyncio.sleep(3)
    return before, memory_kb(running.app.pid)
