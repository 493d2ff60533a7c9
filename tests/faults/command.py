"""`make faults`: inject every fault, heal it, and check the whole history."""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from pathlib import Path
from types import FrameType

from tests.browser.bank_page import BankPage
from tests.faults import network, people, processes, stores  # noqa: F401  Importing them registers their faults.
from tests.faults.bank import Bank
from tests.faults.bugs import BUGS
from tests.faults.checker import KINDS, Verdict, check
from tests.faults.delays import table
from tests.faults.fault_schedule import FAULTS
from tests.faults.history import History
from tests.faults.planted_bug_trials import PlantedBugTrials
from tests.faults.scenario import Plan, Scenario
from tests.harness.servers.process import HOST, ROOT

OUTPUT = ROOT / "var" / "faults"
MAX_PRINTED = 40
# Seconds of faults in a run of `make test`.
SHORT_SECONDS = 25.0


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, stop)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    if arguments.list:
        for fault in FAULTS.values():
            print(f"{fault.name:<28}{fault.description}")
        return 0
    if arguments.read:
        from tests.faults.history import read

        return report(check(read(arguments.read)), 0, 0)
    plan = Plan(
        seconds=arguments.seconds,
        max_seconds=SHORT_SECONDS if arguments.short else 0.0,
        seed=arguments.seed,
        only=tuple(arguments.only or ()),
        visitors=arguments.visitors,
        agents=max(3, arguments.visitors // 4),
        hold_range=(1.0, 2.0) if arguments.seconds == 0 else (2.0, 8.0),
        has_browsers=not arguments.no_browsers,
    )
    bugs = [bug for bug in BUGS if not (arguments.short and bug.is_slow)]
    with BankPage() as page:
        # The bank's page may be addressed by either host name.
        origins = [f"http://{HOST}:{page.port}", f"http://localhost:{page.port}"]
        with Bank(processes=arguments.processes, agents=plan.agents, origins=origins) as bank:
            verdict = Verdict([], 0, 0) if arguments.only_bugs else faulty_run(bank, page, plan)
            found_bugs = []
            if not arguments.no_bugs:
                trials = PlantedBugTrials(bank, bugs, is_loud=arguments.only_bugs)
                found_bugs = asyncio.run(trials.run())
    return report(verdict, len(found_bugs), len(bugs) if not arguments.no_bugs else 0)


def faulty_run(bank: Bank, page: BankPage, plan: Plan) -> Verdict:
    began = time.monotonic()
    path = OUTPUT / f"history-{plan.seed}.jsonl"
    with History(path) as history:
        scenario = Scenario(bank, plan, history)
        page.chat = scenario.url
        scenario.widget_page_url = f"http://localhost:{page.port}/?lang=zh-CN"
        try:
            asyncio.run(_run(scenario))
        finally:
            for process in bank.processes:
                (OUTPUT / f"{process.kind}-{process.port}.log").write_text(process.log, encoding="utf-8")
    bank.forget()
    verdict = check(history.records)
    for name, reason in scenario.scheduler.skipped.items():
        print(f"  not possible on this machine: {name}: {reason}")
    print(*table(history.records), sep="\n")
    print(f"  {time.monotonic() - began:.0f} s, {len(history.records)} records, seed {plan.seed}")
    if verdict.violations:
        print(f"  the history is in {path.relative_to(ROOT)}")
    else:
        path.unlink()
        for log in OUTPUT.glob("*.log"):
            log.unlink()
    return verdict


async def _run(scenario: Scenario) -> None:
    await scenario.run()
    await scenario.check_leftovers()


def report(verdict: Verdict, found_bugs: int, planted_bugs: int) -> int:
    """Print the violations, then one line of results; return the exit code."""
    for violation in verdict.violations[:MAX_PRINTED]:
        print(f"  {violation.kind.upper():<10}{violation.rule}: {violation.description}")
    if len(verdict.violations) > MAX_PRINTED:
        print(f"  ... and {len(verdict.violations) - MAX_PRINTED} more")
    counts = ", ".join(
        f"{kind} {verdict.count(kind)}" for kind in KINDS if kind != "wrong" or verdict.count(kind)
    )
    totals = f"faults {verdict.faults}; messages {verdict.messages}"
    print(f"{counts}; {totals}; planted bugs found {found_bugs} of {planted_bugs}")
    return 1 if verdict.violations or found_bugs < planted_bugs else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make faults", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=0, help="seconds of faults; each is injected at least once (0)"
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="inject only the faults that fit into 25 seconds, and plant no slow bugs",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="the seed of the order of faults and of the texts (1)"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=sorted(FAULTS),
        metavar="NAME",
        help="inject only this fault; may be repeated",
    )
    parser.add_argument("--list", action="store_true", help="list the faults and exit")
    parser.add_argument(
        "--visitors", type=int, default=24, help="number of visitors (24); a quarter as many agents"
    )
    parser.add_argument(
        "--processes", type=int, default=2, help="number of server processes, Daphne and uvicorn in turn (2)"
    )
    parser.add_argument("--no-browsers", action="store_true", help="do not start Chromium")
    parser.add_argument("--no-bugs", action="store_true", help="skip the planted bugs")
    parser.add_argument("--only-bugs", action="store_true", help="run only the planted bugs")
    parser.add_argument("--read", type=Path, help="check a history file of an earlier run")
    return parser.parse_args()


def stop(number: int, _: FrameType | None) -> None:
    """Handle a termination signal: raise an exception, so that servers are stopped and folders removed. Ignore the same
    signal from then on."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)
