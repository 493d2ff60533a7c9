"""Measures the router: how fast it gives a long queue to free agents, and how soon a free agent gets a visitor."""

from __future__ import annotations

import asyncio
import statistics
import time

from tests.bench import load, servers
from tests.bench.load import Console, Tally
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.bench.servers import Running

POLL_SECONDS = 0.2
# Visitors who start a conversation in one second, while the delay is measured.
STARTS_PER_SECOND = 20
TIMEOUT_SECONDS = 120


def routing_rows(plan: Plan) -> list[Row]:
    """Measure the assignments per second of a full queue, and the delay of single assignments."""
    with servers.lianxin() as running, load.prioritized():
        staff = running.create_staff(agents=plan.agents)
        running.call(f"len(create_conversations(waiting={plan.waiting}))")
        rate = load.run(_drain_queue(running, staff.agents, plan.waiting))
    with servers.lianxin() as running, load.prioritized():
        staff = running.create_staff(agents=plan.agents)
        delays = load.run(_start_at_pace(running, staff.agents, plan.seconds))
    about = f"daphne, one process, PostgreSQL and Redis; {plan.agents} agents with their consoles open"
    return [
        Row(
            "router_assignments_per_second",
            rate,
            f"{about}, {plan.waiting:,} waiting when the department changes to push mode",
        ),
        Row(
            "assignment_delay_p95_ms",
            statistics.quantiles(delays, n=20)[-1],
            f"{about}; {STARTS_PER_SECOND} visitors a second start a conversation in another process; from the start "
            f"to the assignment, {len(delays)} conversations",
        ),
    ]


async def _open_consoles(running: Running, staff: list[dict[str, str]]) -> list[Console]:
    tally = Tally()
    consoles = [Console(running.app, tally, cookies) for cookies in staff]
    await load.run_all((console.connect([]) for console in consoles), at_once=10)
    return consoles


async def _drain_queue(running: Running, staff: list[dict[str, str]], count: int) -> float:
    await _open_consoles(running, staff)
    await asyncio.to_thread(running.call, "set_push_mode()")
    began = time.monotonic()
    while (counts := await asyncio.to_thread(running.call, "assignment_times()"))["assigned"] < count:
        if time.monotonic() - began > TIMEOUT_SECONDS:
            raise Void(f"{counts['assigned']} of {count} conversations were assigned in {TIMEOUT_SECONDS} s")
        await asyncio.sleep(POLL_SECONDS)
    if counts["assigned"] != counts["distinct"]:
        raise Void(f"{counts['assigned'] - counts['distinct']} conversations were assigned twice")
    return float(count / counts["seconds"])


async def _start_at_pace(running: Running, staff: list[dict[str, str]], seconds: float) -> list[float]:
    await _open_consoles(running, staff)
    await asyncio.to_thread(running.call, "set_push_mode()")
    count = max(2, round(seconds * STARTS_PER_SECOND))
    delays: list[float] = await asyncio.to_thread(
        running.call, f"assignment_delays(count={count}, per_second={STARTS_PER_SECOND})"
    )
    if len(delays) < count:
        raise Void(f"{len(delays)} of {count} conversations were assigned")
    return delays
