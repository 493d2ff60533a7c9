"""`python -m tests.bench [--only NAME] [--seconds S]`: prints a table and writes var/bench.json."""

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from tests.bench.load import Posts, Tally, agent, visitor
from tests.servers import AppServer, PrivatePostgres, PrivateRedis, create_database
from tests.servers.process import Server

# At most one message a second each: a faster visitor is told to slow down.
CHATS = 50
AGENTS = 10
TICKS = os.sysconf("SC_CLK_TCK")

SET_UP = """
import json
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from accounts.models import Department, Staff
from chat.models import Site
department = Department.objects.create(code="bench", name_zh="测试", name_en="Bench")
Site.objects.create(key="bench", name_zh="测试银行", name_en="Bench", allowed_origins="", department=department)
cookies = []
for number in range({agents}):
    staff = Staff.objects.create_user(f"agent{{number}}", password=None, name=f"客服{{number}}", number=str(number))
    staff.departments.add(department)
    session = SessionStore()
    session[SESSION_KEY] = str(staff.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = staff.get_session_auth_hash()
    session.save()
    cookies.append(f"sessionid={{session.session_key}}")
print("RESULT" + json.dumps(cookies))
"""

TAKE = """
import json
from accounts.models import Staff
from chat.actions.agents import take_next
from chat.errors import NobodyWaiting
taken = {}
agents = list(Staff.objects.order_by("pk"))
try:
    while True:
        for number, staff in enumerate(agents):
            taken.setdefault(number, []).append(str(take_next(staff=staff).uuid))
except NobodyWaiting:
    print("RESULT" + json.dumps(taken))
"""

COUNT = """
import json, sys
from chat.models import Message
wanted = set(json.load(open({path!r})))
found = {{str(key) for key in Message.objects.filter(client_id__isnull=False).values_list("client_id", flat=True)}}
print("RESULT" + json.dumps(len(wanted - found)))
"""

Row = dict[str, object]


def result(printed: str) -> object:
    return json.loads(next(line for line in printed.splitlines() if line.startswith("RESULT"))[6:])


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes and all their children, those that have ended too."""
    total = 0
    wanted = set(pids)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(") ", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(entry.name) in wanted or int(fields[1]) in wanted:
            total += int(fields[11]) + int(fields[12])
        if int(entry.name) in wanted:
            total += int(fields[13]) + int(fields[14])
    return total / TICKS


def path_rows(
    name: str, server: Literal["daphne", "uvicorn"], *, bank: bool, rate: float, seconds: float
) -> list[Row]:
    """CPU of all server processes for a message from a visitor to an agent's screen, and how long it takes."""
    with ExitStack() as stack:
        env = {"LIANXIN_LOG_LEVEL": "WARNING"}
        servers: list[Server] = []
        if bank:
            postgres = stack.enter_context(PrivatePostgres(durable=True))
            redis = stack.enter_context(PrivateRedis())
            servers += [postgres, redis]
            env |= {
                "LIANXIN_DATABASE_URL": create_database(postgres.url),
                "LIANXIN_REDIS_URL": redis.url,
                "LIANXIN_SECRET_KEY": "bench" * 10,
            }
        options = ["--access-log", "/dev/null"] if server == "daphne" else ["--log-level", "warning"]
        app = stack.enter_context(AppServer(env, server=server, options=options))
        servers.append(app)
        cookies = result(app.manage("shell", "-v", "0", "-c", SET_UP.format(agents=AGENTS)))
        assert isinstance(cookies, list)
        spent, tally = asyncio.run(_run(app, [one.pid for one in servers], cookies, rate, seconds))
        keys = Path(app.folder) / "accepted.json"
        keys.write_text(json.dumps(list(tally.accepted)))
        missing = result(app.manage("shell", "-v", "0", "-c", COUNT.format(path=str(keys))))
    sent, arrived = len(tally.intended), len(tally.arrived)
    if missing or arrived != sent or len(tally.accepted) != sent:
        raise SystemExit(
            f"void: {sent} sent, {len(tally.accepted)} accepted, {arrived} arrived, {missing} not stored"
        )
    delays = tally.delays_ms()
    where = f"{server}, {'PostgreSQL and Redis' if bank else 'SQLite'}, {CHATS} chats, {rate:.0f}/s for {seconds:.0f} s"
    return [
        row(f"cpu_ms_per_message_{name}", spent * 1000 / sent, "ms", 0.45, 0.27, where),
        row(f"latency_p50_ms_{name}", statistics.median(delays), "ms", 15, 4, where),
        row(f"latency_p99_ms_{name}", delays[int(len(delays) * 0.99)], "ms", 60, 15, where),
    ]


async def _run(
    app: AppServer, pids: list[int], cookies: list[str], rate: float, seconds: float
) -> tuple[float, Tally]:
    posts = Posts(rate=rate, seconds=seconds)
    started: asyncio.Queue[str] = asyncio.Queue()
    go = asyncio.Event()
    url = app.websocket_url
    visitors = [asyncio.create_task(visitor(url, started, go, posts)) for _ in range(CHATS)]
    for _ in range(CHATS):
        await started.get()
    taken = result(await asyncio.to_thread(app.manage, "shell", "-v", "0", "-c", TAKE))
    assert isinstance(taken, dict)
    watching: list[asyncio.Task[None]] = []
    for number, conversations in taken.items():
        ready = asyncio.Event()
        watching.append(asyncio.create_task(agent(url, cookies[int(number)], conversations, ready, posts)))
        await asyncio.wait_for(ready.wait(), 60)
    before = cpu_seconds(pids)
    posts.began = time.monotonic() + 0.1
    go.set()
    await asyncio.gather(*visitors)
    spent = cpu_seconds(pids) - before
    for task in watching:
        task.cancel()
    return spent, posts.tally


def start_rows() -> list[Row]:
    """From starting the process to the first accepted message, on a database that is there."""
    with AppServer({"LIANXIN_LOG_LEVEL": "WARNING"}) as app:
        app.manage("shell", "-v", "0", "-c", SET_UP.format(agents=1))
        app.stop()
        began = time.monotonic()
        app.start()

        async def first() -> None:
            go, posts = asyncio.Event(), Posts(rate=100, seconds=0.01)
            go.set()
            writing = asyncio.create_task(visitor(app.websocket_url, asyncio.Queue(), go, posts))
            await posts.accepted_one.wait()
            writing.cancel()

        asyncio.run(first())
        took = time.monotonic() - began
    return [
        row("start_seconds", took, "s", 4, 1.5, "daphne, SQLite, from exec to the first accepted message")
    ]


def row(name: str, value: float, unit: str, must: float, goal: float, conditions: str) -> Row:
    return {
        "name": name, "value": round(value, 3), "unit": unit, "must": must, "goal": goal, "conditions": conditions,
    }  # fmt: skip


MEASURES: dict[str, Callable[[float], list[Row]]] = {
    "daphne": lambda seconds: path_rows("daphne", "daphne", bank=True, rate=50, seconds=seconds),
    "uvicorn": lambda seconds: path_rows("uvicorn", "uvicorn", bank=True, rate=50, seconds=seconds),
    "sqlite": lambda seconds: path_rows("sqlite", "daphne", bank=False, rate=50, seconds=seconds),
    "start": lambda seconds: start_rows(),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=MEASURES)
    parser.add_argument("--seconds", type=float, default=20, help="of load for each measure")
    options = parser.parse_args()
    rows: list[Row] = []
    for name, measure in MEASURES.items():
        if options.only in (None, name):
            for one in measure(options.seconds):
                rows.append(one)
                print(
                    f"{one['name']:32} {one['value']:>9} {one['unit']:3} must {one['must']:<6} goal {one['goal']:<6}"
                    f" {one['conditions']}",
                    flush=True,
                )
    file = Path(__file__).resolve().parents[2] / "var" / "bench.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
