"""`make faults`: break everything that can be broken, heal it, and check every word of it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from pathlib import Path
from types import FrameType

from tests.browser.bank_page import BankPage
from tests.faults import network, people, processes, stores  # noqa: F401  They register their faults.
from tests.faults.bank import Bank
from tests.faults.bugs import BUGS
from tests.faults.checker import KINDS, Verdict, check
from tests.faults.delays import table
from tests.faults.history import History
from tests.faults.nemesis import FAULTS
from tests.faults.run import Trials
from tests.faults.world import Plan, World
from tests.harness.servers.process import HOST, ROOT

KEPT = ROOT / "var" / "faults"
SHOWN = 40
# Of faults, in `make test`.
SHORT_SECONDS = 25.0


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, stop)
    KEPT.mkdir(parents=True, exist_ok=True)
    if arguments.list:
        for one in FAULTS.values():
            print(f"{one.name:<28}{one.words}")
        return 0
    if arguments.read:
        from tests.faults.history import read

        return report(check(read(arguments.read)), 0, 0)
    plan = Plan(
        seconds=arguments.seconds,
        most=SHORT_SECONDS if arguments.short else 0.0,
        seed=arguments.seed,
        only=tuple(arguments.only or ()),
        visitors=arguments.visitors,
        agents=max(3, arguments.visitors // 4),
        hold=(1.0, 2.0) if arguments.seconds == 0 else (2.0, 8.0),
        has_browsers=not arguments.no_browsers,
    )
    with BankPage() as page:
        # Both sides of a socket's origin; the box's page is the bank's.
        origins = [f"http://{HOST}:{page.port}", f"http://localhost:{page.port}"]
        with Bank(processes=arguments.processes, agents=plan.agents, origins=origins) as bank:
            verdict = Verdict([], 0, 0) if arguments.only_bugs else faulty_run(bank, page, plan)
            found = []
            if not arguments.no_bugs:
                found = asyncio.run(Trials(bank, is_loud=arguments.only_bugs).run())
    return report(verdict, len(found), len(BUGS) if not arguments.no_bugs else 0)


def faulty_run(bank: Bank, page: BankPage, plan: Plan) -> Verdict:
    began = time.monotonic()
    path = KEPT / f"history-{plan.seed}.jsonl"
    with History(path) as history:
        world = World(bank, plan, history)
        page.chat = world.url
        world.box_url = f"http://localhost:{page.port}/?lang=zh-CN"
        try:
            asyncio.run(_run(world))
        finally:
            for process in bank.processes:
                (KEPT / f"{process.kind}-{process.port}.log").write_text(process.log, encoding="utf-8")
    bank.forget()
    verdict = check(history.records)
    for name, words in world.nemesis.skipped.items():
        print(f"  not done here: {name}: {words}")
    print(*table(history.records), sep="\n")
    print(f"  {time.monotonic() - began:.0f} s, {len(history.records)} records, seed {plan.seed}")
    if verdict.wrong:
        print(f"  the history is kept in {path.relative_to(ROOT)}")
    else:
        path.unlink()
        for log in KEPT.glob("*.log"):
            log.unlink()
    return verdict


async def _run(world: World) -> None:
    await world.run()
    await world.look_back()


def report(verdict: Verdict, found: int, planted: int) -> int:
    """What is wrong, then the one line; the exit code."""
    for one in verdict.wrong[:SHOWN]:
        print(f"  {one.kind.upper():<10}{one.rule}: {one.words}")
    if len(verdict.wrong) > SHOWN:
        print(f"  ... and {len(verdict.wrong) - SHOWN} more")
    counts = ", ".join(
        f"{kind} {verdict.count(kind)}" for kind in KINDS if kind != "wrong" or verdict.count(kind)
    )
    print(
        f"{counts}; faults {verdict.faults}; messages {verdict.messages}; planted bugs found {found} of {planted}"
    )
    return 1 if verdict.wrong or found < planted else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make faults", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=0, help="how long faults strike, each once at least (0)"
    )
    parser.add_argument("--short", action="store_true", help="only those faults that fit into half a minute")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same plan (1)")
    parser.add_argument(
        "--only", action="append", choices=sorted(FAULTS), metavar="NAME", help="this fault; again for more"
    )
    parser.add_argument("--list", action="store_true", help="name the faults and end")
    parser.add_argument("--visitors", type=int, default=24, help="how many (24); a quarter as many agents")
    parser.add_argument(
        "--processes", type=int, default=2, help="server processes, Daphne and uvicorn by turns (2)"
    )
    parser.add_argument("--no-browsers", action="store_true", help="without Chromium")
    parser.add_argument("--no-bugs", action="store_true", help="without the planted bugs")
    parser.add_argument("--only-bugs", action="store_true", help="nothing but the planted bugs")
    parser.add_argument("--read", type=Path, help="check a history that was kept")
    return parser.parse_args()


def stop(number: int, _: FrameType | None) -> None:
    """Turn a signal to end into an exception, once: servers and folders are removed on the way out."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)
