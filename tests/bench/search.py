"""Measures the search in a million messages, as a supervisor and as an agent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from tests.bench import load, servers
from tests.bench.load import http_client, percentile
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.bench.servers import Running, StaffSessions
from tests.harness.http_client import HttpClient
from tests.harness.servers import AppServer, PrivatePostgres
from tests.harness.servers.process import ROOT

# The loaded database is kept between runs, because loading it takes longer than all the measurements.
FOLDER = ROOT / "var" / "bench-archive"
DATABASE = "archive"

WordsByKind = dict[str, list[str]]


def search_rows(plan: Plan) -> list[Row]:
    """Search for every word twice: as a supervisor, who may see all messages, and as an agent, who may see a quarter of
    them."""
    with _archive(plan) as (running, staff, words), load.prioritized():
        answers_by_kind = load.run(_search_all(running, staff, words))
    times = {kind: sorted(ms for ms, _ in answers) for kind, answers in answers_by_kind.items()}
    hits = {kind: sum(is_hit for _, is_hit in answers) for kind, answers in answers_by_kind.items()}
    searched = {kind: len(answers) for kind, answers in answers_by_kind.items()}
    if hits["none"] or hits["common"] < searched["common"]:
        raise Void(f"the archive is wrong: of {searched} words these were found: {hits}")
    p95 = percentile([ms for values in times.values() for ms in values], 95)
    kinds = ", ".join(f"{kind} {percentile(values, 95):.0f}" for kind, values in times.items())
    return [
        Row(
            "search_p95_ms",
            p95,
            f"daphne, PostgreSQL and Redis, {plan.archive:,} messages, two-character Chinese words, "
            f"{sum(searched.values())} requests of POST {RESULTS} by a supervisor and an agent; p95 by kind: {kinds}",
        )
    ]


RESULTS = "/console/search/results"


async def _search_all(
    running: Running, staff: StaffSessions, words: WordsByKind
) -> dict[str, list[tuple[float, bool]]]:
    """Return (milliseconds, whether a result was found) for every request, in lists by the kind of word."""
    readers = [http_client(running.app.url, cookies) for cookies in (staff.supervisor, staff.agents[0])]
    for client in readers:
        await _search(client, "预热")
    answers = {
        kind: [await _search(client, word) for word in texts for client in readers]
        for kind, texts in words.items()
    }
    for client in readers:
        client.close()
    return answers


async def _search(client: HttpClient, word: str) -> tuple[float, bool]:
    answer = await client.post(RESULTS, {"q": word}, HX_Request="true", Accept="text/html")
    if answer.status != 200:
        raise Void(f"a search was answered with {answer.status}")
    return answer.ms, b'class="hits"' in answer.body


@contextmanager
def _archive(plan: Plan) -> Iterator[tuple[Running, StaffSessions, WordsByKind]]:
    """Start Lianxin with the archive of messages. The archive is loaded first, unless one with the same `_kind`
    exists."""
    folder = FOLDER.with_name(f"{FOLDER.name}-{plan.archive}")
    about = folder / "about.json"
    if not about.exists() or json.loads(about.read_text())["kind"] != _kind():
        shutil.rmtree(folder, ignore_errors=True)
    with PrivatePostgres(durable=True, keep=folder) as postgres:
        database = postgres.url_of(DATABASE)
        if not about.exists():
            postgres.create_database(DATABASE)
            AppServer({"LIANXIN_DATABASE_URL": database}).manage("migrate", "--verbosity=0")
        with servers.lianxin(postgres=postgres, database=database) as running:
            if not about.exists():
                staff = running.create_staff(agents=1)
                words = running.call(f"create_archive(messages={plan.archive})")
                text = {
                    "kind": _kind(),
                    "words": words,
                    "agents": staff.agents,
                    "supervisor": staff.supervisor,
                }
                about.write_text(json.dumps(text, ensure_ascii=False))
            known = json.loads(about.read_text())
            yield running, StaffSessions(known["agents"], known["supervisor"]), known["words"]


def _kind() -> str:
    """Return a hash of the code that loads the archive, and of the tables that the archive fills."""
    sources = [
        Path(__file__).with_name("fixtures.py"),
        Path(__file__).with_name("texts.py"),
        ROOT / "chat" / "archive" / "search_terms.py",
    ]
    sources += sorted((ROOT / "chat" / "migrations").glob("*.py"))
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
