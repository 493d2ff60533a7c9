"""Measures the cost and the delay of a message from a visitor to an agent's screen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from tests.bench import load, profiler, servers
from tests.bench.load import Console, RoomReader, RoomWriter, Tally, Visitor, Window, Writer
from tests.bench.plan import Plan
from tests.bench.rows import Row
from tests.bench.servers import Running, ServerName

CONVERSATIONS = 50
AGENTS = 10
# Each ratio is the tutorial's cost divided by ours, from these two rows of the same run.
RATIOS = {
    "ratio_to_tutorial": ("cpu_ms_per_message_tutorial", "cpu_ms_per_message_daphne"),
    "ratio_to_tutorial_at_50_per_s": (
        "cpu_ms_per_message_tutorial_at_50_per_s",
        "cpu_ms_per_message_at_50_per_s",
    ),
}


def closed_rows(
    plan: Plan,
    name: str,
    server: ServerName = "daphne",
    *,
    processes: int = 1,
    sqlite: bool = False,
    application: str = servers.APPLICATION,
) -> list[Row]:
    """Measure fifty visitors. Each of them posts a message as soon as the visitor's previous message was accepted."""
    with servers.lianxin(server, processes=processes, sqlite=sqlite, application=application) as running:
        window, tally, batch = _run(running, plan, name)
    where = "SQLite, one process" if sqlite else "PostgreSQL and Redis"
    if processes > 1:
        where += f", {processes} processes, visitors on one and agents on the other"
    how = f"{server}, {where}, {CONVERSATIONS} conversations, {AGENTS} consoles, closed loop"
    return [Row(name, window.cpu_ms, _conditions(how, window, tally, batch))]


def paced_rows(plan: Plan, name: str, *, rate: float, marks: bool = False) -> list[Row]:
    """Measure fifty visitors who write at the pace of people: together they post `rate` messages a second."""
    with servers.lianxin() as running:
        window, tally, batch = _run(running, plan, name, rate=rate, marks=marks)
    how = (
        f"daphne, PostgreSQL and Redis, {CONVERSATIONS} conversations, {AGENTS} consoles, open loop (Poisson)"
    )
    if marks:
        how += ", widgets and consoles send read marks, a supervisor's console open"
    return [Row(name, window.cpu_ms, _conditions(how, window, tally, batch))]


def tutorial_rows(plan: Plan, name: str, *, rate: float = 0.0) -> list[Row]:
    """Measure the tutorial's chat with the same load as `paced_rows`, or as `closed_rows` if no rate is given."""
    with servers.tutorial() as running, load.prioritized():
        tally = Tally()
        window = load.run(_tutorial(running, tally, plan, name, rate))
        tally.check()
        window.check(plan)
        running.check_stored(tally)
    loop = "open loop (Poisson)" if rate else "closed loop"
    how = f"the Channels tutorial on daphne, PostgreSQL, Redis, {CONVERSATIONS} rooms of two, {loop}"
    return [Row(name, window.cpu_ms, _conditions(how, window, tally, 1.0))]


def ratio_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the row of each ratio in RATIOS whose two rows were both measured."""
    values = {row.name: row.value for row in rows}
    return [
        Row(name, values[tutorial] / values[ours], "both on daphne, in one run, by the same load")
        for name, (tutorial, ours) in RATIOS.items()
        if tutorial in values and ours in values
    ]


def latency_rows(plan: Plan) -> list[Row]:
    """Measure the delay of messages: from the time at which a message should have been sent until the agent's screen
    shows it."""
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
    """Run a load and check it.

    Return the measurements, the tally with the fate of each message, and the average number of messages per
    transaction.
    """
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
    writers = await connect(running, tally, staff, conversations=conversations, visitors=idle, marks=marks)
    return await _drive(running, writers, tally, plan, name, rate)


async def connect(
    running: Running,
    tally: Tally,
    staff: servers.StaffSessions,
    *,
    conversations: int,
    visitors: int = 0,
    marks: bool = False,
) -> list[Visitor]:
    """Open `visitors` widgets, but at least `conversations`, and start a conversation in `conversations` of them.
    Return the visitors in conversations.

    The agents take the conversations in turn and watch them on their consoles. With `marks`, a supervisor's console is
    opened, too.
    """
    # With two processes, visitors use the first and agents the second.
    visitor_url = running.apps[0].websocket_url
    opened = [Visitor(visitor_url, tally, marks=marks) for _ in range(max(conversations, visitors))]
    await load.run_all((visitor.open() for visitor in opened), at_once=20)
    writers = opened[:conversations]
    await load.run_all((visitor.start() for visitor in writers), at_once=10)
    taken: list[list[str]] = await asyncio.to_thread(running.call, "take_all()")
    consoles = [Console(running.apps[-1], tally, cookies, marks=marks) for cookies in staff.agents]
    for console, assigned in zip(consoles, taken, strict=True):
        await console.connect(assigned)
    if marks:
        await Console(running.apps[-1], tally, staff.supervisor).connect([])
    return writers


async def _tutorial(running: Running, tally: Tally, plan: Plan, name: str, rate: float) -> Window:
    url = running.app.websocket_url
    writers = [RoomWriter(url, tally, f"room{number}") for number in range(CONVERSATIONS)]
    readers = [RoomReader(url, tally, f"room{number}") for number in range(CONVERSATIONS)]
    await load.run_all((writer.open() for writer in writers), at_once=20)
    await load.run_all((reader.open() for reader in readers), at_once=20)
    return await _drive(running, writers, tally, plan, name, rate)


async def _drive(
    running: Running, writers: Sequence[Writer], tally: Tally, plan: Plan, name: str, rate: float
) -> Window:
    """Let the writers post `rate` messages a second; without a rate, each writer posts a message as soon as the
    previous one was accepted.

    Return the measurements.
    """
    plan = plan.at_pace(rate) if rate else plan
    usage, warm_up, seconds = running.usage, plan.warm_up, plan.seconds
    with _profiled(running, plan, name):
        if rate:
            window = await load.open_loop(writers, tally, usage, rate=rate, warm_up=warm_up, seconds=seconds)
        else:
            window = await load.closed_loop(writers, tally, usage, warm_up=warm_up, seconds=seconds)
    if plan.split:
        names = {tid: name for app in running.apps for tid, name in profiler.thread_names(app.pid).items()}
        print(f"{name}, a message:\n{window.usage.split(window.arrived, names)}", flush=True)
    return window


@contextmanager
def _profiled(running: Running, plan: Plan, name: str) -> Iterator[None]:
    pids = {f"{name}{'' if n == 0 else f'_{n + 1}'}": app.pid for n, app in enumerate(running.apps)}
    with profiler.profiling(pids, plan.seconds, delay=plan.warm_up) if plan.profile else nullcontext():
        yield


def _conditions(how: str, window: Window, tally: Tally, batch: float) -> str:
    rate = f"{window.rate:.0f}/s for {window.seconds:.0f} s, {batch:.1f} messages per transaction"
    used, arrived = window.usage, window.arrived
    if used.transactions:
        rate += f", {used.transactions / arrived:.2f} transactions of any kind per message"
    rate += f", {used.switches.total() / arrived:.1f} context switches"
    conditions = f"{how}; {rate}; {window}"
    if tally.repeats or tally.gaps:
        conditions += f"; {tally.repeats} repeats dropped, {tally.gaps} gaps fetched"
    return conditions
