"""The cost and the delay of a message from a visitor to an agent's screen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from tests.bench import load, profiler, servers
from tests.bench.load import Console, RoomReader, RoomWriter, Tally, Visitor, Window
from tests.bench.plan import Plan
from tests.bench.rows import Row
from tests.bench.servers import Running, ServerName

CONVERSATIONS = 50
AGENTS = 10


def closed_rows(
    plan: Plan,
    name: str,
    server: ServerName = "daphne",
    *,
    processes: int = 1,
    sqlite: bool = False,
    application: str = servers.APPLICATION,
) -> list[Row]:
    """Measure fifty visitors who each post the next message as soon as the last was accepted."""
    with servers.lianxin(server, processes=processes, sqlite=sqlite, application=application) as running:
        window, tally, batch = _run(running, plan, name)
    where = "SQLite, one process" if sqlite else "PostgreSQL and Redis"
    if processes > 1:
        where += f", {processes} processes, visitors on one and agents on the other"
    how = f"{server}, {where}, {CONVERSATIONS} conversations, {AGENTS} consoles, closed loop"
    return [Row(name, window.cpu_ms, _conditions(how, window, tally, batch))]


def paced_rows(plan: Plan, name: str, *, marks: bool = False) -> list[Row]:
    """Measure fifty visitors at a human pace, one message a second each."""
    with servers.lianxin() as running:
        window, tally, batch = _run(running, plan, name, rate=50, marks=marks)
    how = f"daphne, PostgreSQL and Redis, {CONVERSATIONS} conversations, {AGENTS} consoles, open loop"
    if marks:
        how += ", widgets and consoles send read marks, a supervisor's console open"
    return [Row(name, window.cpu_ms, _conditions(how, window, tally, batch))]


def tutorial_rows(plan: Plan) -> list[Row]:
    with servers.tutorial() as running, load.prioritized():
        tally = Tally()
        window = load.run(_tutorial(running, tally, plan))
        tally.check()
        window.check(plan)
        running.check_stored(tally)
    how = f"the Channels tutorial on daphne, PostgreSQL, Redis, {CONVERSATIONS} rooms of two, closed loop"
    return [Row("cpu_ms_per_message_tutorial", window.cpu_ms, _conditions(how, window, tally, 1.0))]


def ratio_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the tutorial's cost divided by ours, from the same run."""
    values = {row.name: row.value for row in rows}
    tutorial, ours = values.get("cpu_ms_per_message_tutorial"), values.get("cpu_ms_per_message_daphne")
    if tutorial is None or ours is None:
        return []
    return [Row("ratio_to_tutorial", tutorial / ours, "both on daphne, in one run, by the same load")]


def latency_rows(plan: Plan) -> list[Row]:
    """Measure the delay from the intended time to the agent's screen."""
    with servers.lianxin() as running:
        window, tally, batch = _run(
            running,
            plan,
            "latency",
            rate=100,
            conversations=plan.talking,
            agents=plan.talking // 8,
            idle=plan.connected,
        )
    delays = tally.delays_ms(window.began, window.ended)
    how = _conditions(
        f"daphne, PostgreSQL and Redis, {plan.connected} visitors connected, {plan.talking} in conversations, "
        f"{plan.talking // 8} consoles, open loop (Poisson)",
        window,
        tally,
        batch,
    )
    p50, p99, most = load.percentile(delays, 50), load.percentile(delays, 99), delays[-1]
    return [
        Row("latency_p50_ms", p50, how),
        Row("latency_p99_ms", p99, f"{how}; longest {most:.0f} ms"),
    ]


def _run(
    running: Running,
    plan: Plan,
    name: str,
    *,
    rate: float = 0.0,
    marks: bool = False,
    conversations: int = CONVERSATIONS,
    agents: int = AGENTS,
    idle: int = 0,
) -> tuple[Window, Tally, float]:
    """Run a load and check it. Return the measurements, the fate of each message, and messages per
    transaction."""
    tally = Tally()
    staff = running.create_staff(agents=agents)
    with load.prioritized():
        window = load.run(_run_load(running, tally, staff, plan, name, rate, marks, conversations, idle))
    tally.check()
    window.check(plan)
    return window, tally, running.check_stored(tally)


async def _run_load(
    running: Running,
    tally: Tally,
    staff: servers.StaffSessions,
    plan: Plan,
    name: str,
    rate: float,
    marks: bool,
    conversations: int,
    idle: int,
) -> Window:
    # With two processes, visitors use the first and agents the second.
    visitor_url = running.apps[0].websocket_url
    visitors = [Visitor(visitor_url, tally, marks=marks) for _ in range(max(conversations, idle))]
    await load.run_all((visitor.open() for visitor in visitors), at_once=20)
    writers = visitors[:conversations]
    await load.run_all((visitor.start() for visitor in writers), at_once=10)
    taken: list[list[str]] = await asyncio.to_thread(running.call, "take_all()")
    consoles = [Console(running.apps[-1], tally, cookies, marks=marks) for cookies in staff.agents]
    for console, assigned in zip(consoles, taken, strict=True):
        await console.connect(assigned)
    if marks:
        await Console(running.apps[-1], tally, staff.supervisor).connect([])
    with _profiled(running, plan, name):
        if rate:
            return await load.open_loop(
                writers, tally, running.cpu_seconds, rate=rate, warm_up=plan.warm_up, seconds=plan.seconds
            )
        return await load.closed_loop(
            writers, tally, running.cpu_seconds, warm_up=plan.warm_up, seconds=plan.seconds
        )


async def _tutorial(running: Running, tally: Tally, plan: Plan) -> Window:
    url = running.app.websocket_url
    writers = [RoomWriter(url, tally, f"room{number}") for number in range(CONVERSATIONS)]
    readers = [RoomReader(url, tally, f"room{number}") for number in range(CONVERSATIONS)]
    await load.run_all((writer.open() for writer in writers), at_once=20)
    await load.run_all((reader.open() for reader in readers), at_once=20)
    with _profiled(running, plan, "cpu_ms_per_message_tutorial"):
        return await load.closed_loop(
            writers, tally, running.cpu_seconds, warm_up=plan.warm_up, seconds=plan.seconds
        )


@contextmanager
def _profiled(running: Running, plan: Plan, name: str) -> Iterator[None]:
    pids = {f"{name}{'' if n == 0 else f'_{n + 1}'}": app.pid for n, app in enumerate(running.apps)}
    with profiler.profiling(pids, plan.seconds, delay=plan.warm_up) if plan.profile else nullcontext():
        yield


def _conditions(how: str, window: Window, tally: Tally, batch: float) -> str:
    rate = f"{window.rate:.0f}/s for {window.seconds:.0f} s, {batch:.1f} messages per transaction"
    conditions = f"{how}; {rate}; {window}"
    if tally.repeats or tally.gaps:
        conditions += f"; {tally.repeats} repeats dropped, {tally.gaps} gaps fetched"
    return conditions
