"""Measures the search for knowledge points, in process and through the console, and an import of 5,000 points."""

from __future__ import annotations

import time
from collections.abc import Mapping

from demo.generator import generated_points, generated_queries
from knowledge.search import Index, IndexEntry
from knowledge.search.embeddings import set_vector_store
from tests.bench import load, servers
from tests.bench.load import http_client, percentile
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.harness.http_client import Answer, HttpClient
from tests.harness.servers.process import ROOT

QUERIES = 500
LOAD_SECONDS = 120
VECTORS = ROOT / "var" / "bench-vectors.sqlite3"


def knowledge_rows(plan: Plan) -> list[Row]:
    described = list(generated_points(plan.points))
    queries = [text for text, _ in generated_queries(described, QUERIES, seed=2)]
    # Keep the vectors in a file, as a server does, because computing them takes a minute.
    VECTORS.parent.mkdir(parents=True, exist_ok=True)
    set_vector_store(VECTORS)
    index = Index(
        (
            IndexEntry(number, point["title"], tuple(point["phrasings"]), point["answer"], point["language"])
            for number, point in enumerate(described)
        ),
        train=True,
    )
    times = []
    for text in queries:
        began = time.perf_counter()
        index.find(text)
        times.append((time.perf_counter() - began) * 1000)
    phrasings = sum(len(point["phrasings"]) for point in described)
    about = f"{plan.points:,} generated points with {phrasings:,} phrasings"
    del index
    with servers.lianxin() as running, load.prioritized():
        staff = running.create_staff(agents=1)
        began = time.monotonic()
        running.app.manage("import_points", "--generate", str(plan.points))
        imported = time.monotonic() - began
        answers = load.run(_search_all(running.app.url, staff.agents[0], queries))
    if any(answer.status != 200 for answer in answers):
        raise Void(f"the search was answered with {answers[-1].status}")
    return [
        Row(
            "knowledge_search_p95_ms",
            percentile(times, 95),
            f"{about}; {QUERIES} customer phrasings, half of them unlike any stored one; in process, p50 "
            f"{percentile(times, 50):.1f}",
        ),
        Row(
            "knowledge_request_p95_ms",
            percentile([answer.ms for answer in answers], 95),
            f"{about}; daphne, PostgreSQL and Redis, POST /console/points/find, p50 "
            f"{percentile([answer.ms for answer in answers], 50):.1f}",
        ),
        Row("knowledge_import_seconds", imported, f"{about}; manage.py import_points, including its start"),
    ]


async def _search_all(url: str, cookies: Mapping[str, str], queries: list[str]) -> list[Answer]:
    client = http_client(url, cookies)
    # The server loads the published index on a thread after the first request.
    until = time.monotonic() + LOAD_SECONDS
    while not (await _find(client, queries[0])).document["points"] and time.monotonic() < until:
        pass
    answers = [await _find(client, text) for text in queries]
    client.close()
    return answers


async def _find(client: HttpClient, text: str) -> Answer:
    return await client.post("/console/points/find", document={"q": text[:100]}, Accept_Encoding="identity")
