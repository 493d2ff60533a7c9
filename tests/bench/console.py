"""The console's first page, with a long line and full hands."""

from __future__ import annotations

import statistics

from tests.bench import load, servers
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.bench.web import Answer, Web

OWN = 50
WARM_UP, TIMES = 5, 30


def console_rows(plan: Plan) -> list[Row]:
    with servers.lianxin() as running, load.ahead_of_the_servers():
        desk = running.desk(agents=1)
        running.stage(f"len(crowd(waiting={plan.line}, active={OWN}))")
        answers = load.run(_open(running.app.url, desk.agents[0]))
        queries = running.stage(f"queries_of('/console/', {desk.agents[0]!r})")
    if any(answer.status != 200 or answer.headers.get("content-encoding") != "gzip" for answer in answers):
        raise Void(f"the page was answered with {answers[0].status}, {answers[0].headers}")
    times = sorted(answer.ms for answer in answers)
    about = f"daphne, PostgreSQL and Redis, {plan.line:,} waiting and {OWN} own chats"
    return [
        Row(
            "console_first_page_ms",
            statistics.median(times),
            f"{about}; the middle of {TIMES} on an open connection, from asking to the last byte; "
            f"longest {times[-1]:.0f}",
        ),
        Row(
            "console_first_page_kb",
            max(len(answer.body) for answer in answers) / 1000,
            f"{about}; the page as sent (gzip), without scripts and styles, which a browser keeps",
        ),
        Row("console_first_page_queries", queries, f"{about}; with those of session and user"),
    ]


async def _open(url: str, cookie: str) -> list[Answer]:
    web = Web(url, cookie)
    answers = [await web.get("/console/") for _ in range(WARM_UP + TIMES)]
    web.close()
    return answers[WARM_UP:]
