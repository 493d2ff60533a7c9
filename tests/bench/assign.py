"""How fast a line of waiting visitors is taken by many agents at once, each conversation by exactly one."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter

from tests.bench import load, servers
from tests.bench.load import Console, Tally
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.bench.servers import Running
from tests.bench.web import Web

THREADS = 4
# An agent who is told that it failed presses again.
AGAIN_SECONDS = 0.5


def assign_rows(plan: Plan) -> list[Row]:
    """By the console's POST, by the action alone, and by the POST while all agents' consoles are open."""
    about = f"{plan.agents} agents, {plan.waiting:,} waiting"
    by_post, failed = _by_post(plan, with_consoles=False)
    by_action = _by_action(plan)
    watched, watched_failed = _by_post(plan, with_consoles=True)
    posted = f"daphne, one process, PostgreSQL and Redis; {about}, all taking at once by POST /console/next"
    return [
        Row("assignments_per_second", by_post, posted + _again(failed)),
        Row(
            "assignments_per_second_action",
            by_action,
            f"{about}; the action take_next in {THREADS} threads of one process, without HTTP and sockets",
        ),
        Row(
            "assignments_per_second_with_consoles",
            watched,
            f"as by POST, with the consoles of all agents open: each taking is shown on all {plan.agents}"
            f"{_again(watched_failed)}",
        ),
    ]


def _again(failed: Counter[int]) -> str:
    return f"; {failed.total():,} answers were {dict(failed)}, and the agent pressed again" if failed else ""


def _by_post(plan: Plan, *, with_consoles: bool) -> tuple[float, Counter[int]]:
    with servers.lianxin() as running, load.ahead_of_the_servers():
        desk = running.desk(agents=plan.agents)
        running.stage(f"len(crowd(waiting={plan.waiting}))")
        took, taken, failed = load.run(_take(running, desk.agents, plan.seconds, with_consoles))
        _check(running, len(taken), len(set(taken)))
    return len(taken) / took, failed


def _by_action(plan: Plan) -> float:
    with servers.lianxin() as running:
        running.desk(agents=plan.agents)
        running.stage(f"len(crowd(waiting={plan.waiting}))")
        result = running.stage(f"take_in_threads(threads={THREADS}, seconds={plan.seconds})")
        _check(running, result["taken"], result["distinct"])
    return float(result["taken"] / result["seconds"])


def _check(running: Running, taken: int, distinct: int) -> None:
    stands = running.stage("assigned()")
    if not taken or not taken == distinct == stands["active"] == stands["assignments"]:
        raise Void(f"{taken} were taken, {distinct} of them different; stored: {stands}")


async def _take(
    running: Running, cookies: list[str], seconds: float, with_consoles: bool
) -> tuple[float, list[str], Counter[int]]:
    """Seconds, the conversations that all agents took for so long or until nobody waited, and what failed, by HTTP
    status."""
    if with_consoles:
        tally = Tally()
        consoles = [Console(tally, cookie) for cookie in cookies]
        await load.each((console.open(running.app.websocket_url, []) for console in consoles), at_once=10)
    webs = [Web(running.app.url, cookie) for cookie in cookies]
    taken: list[str] = []
    failed: Counter[int] = Counter()

    async def take_all(web: Web) -> None:
        while time.monotonic() - began < seconds:
            answer = await web.post("/console/next")
            if answer.status == 200:
                taken.append(json.loads(answer.body)["conversation"])
            elif answer.status >= 500:
                failed[answer.status] += 1
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                code = json.loads(answer.body)["refused"]["code"]
                if code != "nobody_waiting":
                    raise Void(f"taking was refused: {code}")
                return

    began = time.monotonic()
    await asyncio.gather(*(take_all(web) for web in webs))
    took = time.monotonic() - began
    for web in webs:
        web.close()
    return took, taken, failed
