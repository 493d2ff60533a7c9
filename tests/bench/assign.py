"""Measures how fast many agents can take waiting visitors at the same time. Each conversation must get exactly one
agent."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from tests.bench import load, servers
from tests.bench.load import Console, Tally, http_client
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.bench.servers import Running
from tests.harness.http_client import UNKNOWN, HttpClient

THREADS = 4
# Seconds after which an agent whose request failed presses the button again.
RETRY_SECONDS = 0.5


def assign_rows(plan: Plan) -> list[Row]:
    """Measure three ways to take visitors: by the console's POST, by the action without HTTP, and by POST while the
    consoles of all agents are open."""
    about = f"{plan.agents} agents, {plan.waiting:,} waiting"
    by_post, failed = _by_post(plan, with_consoles=False)
    by_action = _by_action(plan)
    watched, watched_failed = _by_post(plan, with_consoles=True)
    posted = f"daphne, one process, PostgreSQL and Redis; {about}, all taking at once by POST /console/next"
    return [
        Row("assignments_per_second", by_post, posted + _failures_note(failed)),
        Row(
            "assignments_per_second_action",
            by_action,
            f"{about}; the action take_next in {THREADS} threads of one process, without HTTP and sockets",
        ),
        Row(
            "assignments_per_second_with_consoles",
            watched,
            f"by POST with the consoles of all agents open: each assignment is shown on all {plan.agents}"
            f"{_failures_note(watched_failed)}",
        ),
    ]


def _failures_note(failed: Counter[int]) -> str:
    return (
        f"; {failed.total():,} answers were {dict(failed)}, after which the agent pressed again"
        if failed
        else ""
    )


def _by_post(plan: Plan, *, with_consoles: bool) -> tuple[float, Counter[int]]:
    with servers.lianxin() as running, load.prioritized():
        staff = running.create_staff(agents=plan.agents)
        running.call(f"len(create_conversations(waiting={plan.waiting}))")
        took, taken, failed = load.run(_take_all(running, staff.agents, plan.seconds, with_consoles))
        _check_stored(running, len(taken), len(set(taken)))
    return len(taken) / took, failed


def _by_action(plan: Plan) -> float:
    with servers.lianxin() as running:
        running.create_staff(agents=plan.agents)
        running.call(f"len(create_conversations(waiting={plan.waiting}))")
        result = running.call(f"take_in_threads(threads={THREADS}, seconds={plan.seconds})")
        _check_stored(running, result["taken"], result["distinct"])
    return float(result["taken"] / result["seconds"])


def _check_stored(running: Running, taken: int, distinct: int) -> None:
    stored = running.call("assignment_counts()")
    if not taken or not taken == distinct == stored["active"] == stored["assignments"]:
        raise Void(f"{taken} were taken, {distinct} of them distinct; stored: {stored}")


async def _take_all(
    running: Running, staff: list[dict[str, str]], seconds: float, with_consoles: bool
) -> tuple[float, list[str], Counter[int]]:
    """Let all agents take conversations from the queue for `seconds`, or until it is empty.

    Return the duration, the ids of the conversations taken, and the number of failed requests by HTTP status.
    """
    if with_consoles:
        tally = Tally()
        consoles = [Console(running.app, tally, cookies) for cookies in staff]
        await load.run_all((console.connect([]) for console in consoles), at_once=10)
    clients = [http_client(running.app.url, cookies) for cookies in staff]
    taken: list[str] = []
    failed: Counter[int] = Counter()

    async def take_until_empty(client: HttpClient) -> None:
        while time.monotonic() - began < seconds:
            answer = await client.post("/console/next")
            if answer.status == 200:
                taken.append(answer.document["conversation"])
            elif answer.status == UNKNOWN or answer.status >= 500:
                failed[answer.status] += 1
                await asyncio.sleep(RETRY_SECONDS)
            else:
                if answer.refusal != "nobody_waiting":
                    raise Void(f"taking was refused: {answer.refusal}")
                return

    began = time.monotonic()
    await asyncio.gather(*(take_until_empty(client) for client in clients))
    took = time.monotonic() - began
    for client in clients:
        client.close()
    return took, taken, failed
