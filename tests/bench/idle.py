"""Measures the cost of visitors who are connected and silent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.bench import load, paths, servers
from tests.bench.load import Tally, Visitor
from tests.bench.plan import Plan
from tests.bench.process_cost import Usage, memory_kb
from tests.bench.rows import Row, Void
from tests.bench.servers import Running
from tests.bench.storm import ReconnectingWidget, storm

SETTLE_SECONDS = 3.0
# The size of a small service.
CONVERSATIONS = 60
AGENTS = 4


def idle_rows(plan: Plan) -> list[Row]:
    """Measure open widgets of visitors who have written nothing."""
    with servers.lianxin() as running, load.prioritized():
        running.create_staff(agents=1)
        kb, percent = load.run(
            _idle(running, [Visitor(running.app.websocket_url, Tally()) for _ in range(plan.many)], plan)
        )
    where = "daphne, PostgreSQL and Redis, widgets open before the first message"
    return _rows(plan, "", kb, percent, where)


def in_chat_rows(plan: Plan) -> list[Row]:
    """Measure widgets of silent visitors whose conversations have an agent. Then cut the network of many of them."""
    with servers.lianxin() as running, load.prioritized():
        staff = running.create_staff(agents=50)
        known = running.call(f"create_conversations(active={plan.many}, agents=50)")
        tally = Tally()
        widgets = [
            ReconnectingWidget(running.app.websocket_url, tally, token, conversation)
            for token, conversation in known
        ]

        async def idle_then_storm() -> tuple[float, float, Row]:
            kb, percent = await _idle(running, widgets, plan)
            return kb, percent, await storm(running, widgets[: plan.storm], staff, tally)

        kb, percent, returned = load.run(idle_then_storm())
    where = "daphne, PostgreSQL and Redis, each visitor in a conversation with one of 50 agents"
    return [*_rows(plan, "_in_chat", kb, percent, where), returned]


def conversation_rows(plan: Plan) -> list[Row]:
    """Measure what a small service costs while nobody writes. Its conversations are assigned, and the consoles are
    open."""
    with servers.lianxin() as running, load.prioritized():
        tally, staff = Tally(), running.create_staff(agents=AGENTS)

        async def idle() -> Usage:
            await paths.connect(running, tally, staff, conversations=CONVERSATIONS)
            await asyncio.sleep(SETTLE_SECONDS)
            return await _usage(running, plan)

        used = load.run(idle())
    if tally.refused:
        raise Void(f"refused: {dict(tally.refused)}")
    where = f"daphne, PostgreSQL and Redis, {CONVERSATIONS} conversations with {AGENTS} agents whose consoles are open"
    percent, transactions = used.cpu * 100 / plan.idle_seconds, used.transactions / plan.idle_seconds
    how = f"no messages for {plan.idle_seconds:.0f} s, {transactions:.1f} transactions a second"
    return [Row("idle_cpu_percent_60_conversations", percent, f"{where}; {how}; app, PostgreSQL and Redis")]


async def _usage(running: Running, plan: Plan) -> Usage:
    """Wait `plan.idle_seconds`, and return the resources that all servers have used during this time."""
    before = running.usage()
    await asyncio.sleep(plan.idle_seconds)
    return running.usage() - before


async def _idle(running: Running, widgets: Sequence[Visitor], plan: Plan) -> tuple[float, float]:
    """Return the memory in KB per visitor, and the percentage of a core used while all visitors are connected."""
    await load.run_all((widget.open() for widget in widgets[: plan.few]), at_once=20)
    await asyncio.sleep(SETTLE_SECONDS)
    before = memory_kb(running.app.pid)
    await load.run_all((widget.open() for widget in widgets[plan.few :]), at_once=20)
    await asyncio.sleep(SETTLE_SECONDS)
    percent = (await _usage(running, plan)).cpu * 100 / plan.idle_seconds
    kb = (memory_kb(running.app.pid) - before) / (plan.many - plan.few)
    if cut := sum(widget.socket.connects > 1 or not widget.socket.is_open for widget in widgets):
        raise Void(f"{cut} of {len(widgets)} idle visitors were cut off")
    return kb, percent


def _rows(plan: Plan, suffix: str, kb: float, percent: float, where: str) -> list[Row]:
    pings = "each pings after 25 s of silence, as the widget does"
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
