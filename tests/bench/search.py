"""Search in a million messages, as a supervisor and an agent ask for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

from tests.bench import load, servers
from tests.bench.load import percentile
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.bench.servers import Desk, Running
from tests.bench.web import Web
from tests.harness.servers import AppServer, PrivatePostgres
from tests.harness.servers.process import ROOT

# The loaded database stays between runs: to load it takes longer than all that is measured in it.
FOLDER = ROOT / "var" / "bench-archive"
DATABASE = "archive"

Words = dict[str, list[str]]


def search_rows(plan: Plan) -> list[Row]:
    """Every word is asked for once by a supervisor, who sees all, and once by an agent, who sees a quarter."""
    with _archive(plan) as (running, desk, words), load.ahead_of_the_servers():
        found = load.run(_ask(running, desk, words))
    times = {kind: sorted(ms for ms, _ in answers) for kind, answers in found.items()}
    hits = {kind: sum(is_hit for _, is_hit in answers) for kind, answers in found.items()}
    asked = {kind: len(answers) for kind, answers in found.items()}
    if hits["none"] or hits["common"] < asked["common"]:
        raise Void(f"the archive is not what was meant: of {asked} words were found {hits}")
    p95 = percentile([ms for each in times.values() for ms in each], 95)
    kinds = ", ".join(f"{kind} {percentile(each, 95):.0f}" for kind, each in times.items())
    return [
        Row(
            "search_p95_ms",
            p95,
            f"daphne, PostgreSQL and Redis, {plan.archive:,} messages, two-character Chinese words, "
            f"{sum(asked.values())} requests of POST {RESULTS} by a supervisor and an agent; p95 by kind: {kinds}",
        )
    ]


RESULTS = "/console/search/results"


async def _ask(running: Running, desk: Desk, words: Words) -> dict[str, list[tuple[float, bool]]]:
    """Milliseconds, and whether anything was found, of every request, by the kind of word."""
    readers = [Web(running.app.url, cookie) for cookie in (desk.supervisor, desk.agents[0])]
    for web in readers:
        await _search(web, "预热")
    found = {
        kind: [await _search(web, word) for word in each for web in readers] for kind, each in words.items()
    }
    for web in readers:
        web.close()
    return found


async def _search(web: Web, word: str) -> tuple[float, bool]:
    body = urlencode({"q": word}).encode()
    answer = await web.post(
        RESULTS, body, "application/x-www-form-urlencoded", HX_Request="true", Accept="text/html"
    )
    if answer.status != 200:
        raise Void(f"a search was answered with {answer.status}")
    return answer.ms, b'class="hits"' in answer.body


@contextmanager
def _archive(plan: Plan) -> Iterator[tuple[Running, Desk, Words]]:
    """Lianxin on the archive, which is loaded if there is none of this kind yet."""
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
                desk = running.desk(agents=1)
                words = running.stage(f"library(messages={plan.archive})")
                text = {"kind": _kind(), "words": words, "agents": desk.agents, "supervisor": desk.supervisor}
                about.write_text(json.dumps(text, ensure_ascii=False))
            known = json.loads(about.read_text())
            yield running, Desk(known["agents"], known["supervisor"]), known["words"]


def _kind() -> str:
    """Changes with what loads the archive, and with the tables that it is loaded into."""
    sources = [
        Path(__file__).with_name("stage.py"),
        Path(__file__).with_name("texts.py"),
        ROOT / "chat" / "archive" / "search_terms.py",
    ]
    sources += sorted((ROOT / "chat" / "migrations").glob("*.py"))
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
