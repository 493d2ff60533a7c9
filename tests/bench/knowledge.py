"""The search for knowledge points: by itself, and as the console asks for it; and bringing 5,000 points in."""

from __future__ import annotations

import json
import time

from demo.generator import generated_points, generated_queries
from knowledge.search import Index, IndexEntry
from knowledge.search.embeddings import set_vector_store
from tests.bench import load, servers
from tests.bench.load import percentile
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.bench.web import Answer, Web
from tests.harness.servers.process import ROOT

ASKED = 500
READ_SECONDS = 120
VECTORS = ROOT / "var" / "bench-vectors.sqlite3"


def knowledge_rows(plan: Plan) -> list[Row]:
    described = list(generated_points(plan.points))
    queries = [text for text, _ in generated_queries(described, ASKED, seed=2)]
    # As a server keeps them: to work them out takes a minute.
    VECTORS.parent.mkdir(parents=True, exist_ok=True)
    set_vector_store(VECTORS)
    index = Index(
        (
            IndexEntry(number, each["title"], tuple(each["phrasings"]), each["answer"], each["language"])
            for number, each in enumerate(described)
        ),
        train=True,
    )
    times = []
    for text in queries:
        began = time.perf_counter()
        index.find(text)
        times.append((time.perf_counter() - began) * 1000)
    phrasings = sum(len(each["phrasings"]) for each in described)
    about = f"{plan.points:,} generated points with {phrasings:,} phrasings"
    del index
    with servers.lianxin() as running, load.ahead_of_the_servers():
        desk = running.desk(agents=1)
        began = time.monotonic()
        running.app.manage("import_points", "--generate", str(plan.points))
        imported = time.monotonic() - began
        answers = load.run(_look_for(running.app.url, desk.agents[0], queries))
    if any(answer.status != 200 for answer in answers):
        raise Void(f"the search was answered with {answers[-1].status}")
    return [
        Row(
            "knowledge_search_p95_ms",
            percentile(times, 95),
            f"{about}; {ASKED} customers' wordings, half of them unlike any phrasing; in process, p50 "
            f"{percentile(times, 50):.1f}",
        ),
        Row(
            "knowledge_request_p95_ms",
            percentile([answer.ms for answer in answers], 95),
            f"{about}; daphne, PostgreSQL and Redis, POST /console/points/find, p50 "
            f"{percentile([answer.ms for answer in answers], 50):.1f}",
        ),
        Row("knowledge_import_seconds", imported, f"{about}; manage.py import_points, with its start"),
    ]


async def _look_for(url: str, cookie: str, queries: list[str]) -> list[Answer]:
    web = Web(url, cookie)
    # The library is read, on a thread of the server, when it is first asked for.
    until = time.monotonic() + READ_SECONDS
    while not json.loads((await _find(web, queries[0])).body)["points"] and time.monotonic() < until:
        pass
    answers = [await _find(web, text) for text in queries]
    web.close()
    return answers


async def _find(web: Web, text: str) -> Answer:
    return await web.post(
        "/console/points/find", json.dumps({"q": text[:100]}).encode(), Accept_Encoding="identity"
    )
