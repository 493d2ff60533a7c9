"""Measures the console's first page, with a long queue and an agent who has many conversations."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from tests.bench import load, servers
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.harness.http_client import Answer

OWN_CONVERSATIONS = 50
WARM_UPS, TIMES = 5, 30


def console_rows(plan: Plan) -> list[Row]:
    with servers.lianxin() as running, load.prioritized():
        staff = running.create_staff(agents=1)
        running.call(f"len(create_conversations(waiting={plan.queue_length}, active={OWN_CONVERSATIONS}))")
        answers = load.run(_load_page(running.app.url, staff.agents[0]))
        queries = running.call(f"queries_of('/console/', {staff.agents[0]!r})")
    if any(answer.status != 200 or answer.headers.get("content-encoding") != "gzip" for answer in answers):
        raise Void(f"the page was answered with {answers[0].status}, {answers[0].headers}")
    times = sorted(answer.ms for answer in answers)
    about = f"daphne, PostgreSQL and Redis, {plan.queue_length:,} waiting and {OWN_CONVERSATIONS} own conversations"
    return [
        Row(
            "console_first_page_ms",
            statistics.median(times),
            f"{about}; the median of {TIMES} on an open connection, from the request to the last byte; "
            f"longest {times[-1]:.0f}",
        ),
        Row(
            "console_first_page_kb",
            max(len(answer.body) for answer in answers) / 1000,
            f"{about}; the page as sent (gzip), without scripts and styles, which a browser caches",
        ),
        Row("console_first_page_queries", queries, f"{about}; including those of session and user"),
    ]


async def _load_page(url: str, cookies: Mapping[str, str]) -> list[Answer]:
    client = load.http_client(url, cookies)
    answers = [await client.get("/console/") for _ in range(WARM_UPS + TIMES)]
    client.close()
    return answers[WARM_UPS:]
