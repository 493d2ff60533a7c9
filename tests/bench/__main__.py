"""`python -m tests.bench [--only NAME]... [--quick] [--profile] [--seconds S]`: a table, and var/bench.json."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.bench import assign, churn, console, idle, paths, rows, search, start, widget
from tests.bench.plan import QUICK, Plan
from tests.bench.proc import machine
from tests.bench.rows import Row, Void

Measure = Callable[[Plan], list[Row]]

# By what a run costs the most of; in the order of the table.
MEASURES: dict[str, Measure] = {
    "daphne": lambda plan: paths.closed_rows(plan, "cpu_ms_per_message_daphne"),
    "tutorial": paths.tutorial_rows,
    "uvicorn": lambda plan: paths.closed_rows(plan, "cpu_ms_per_message_uvicorn", "uvicorn"),
    "two_processes": lambda plan: paths.closed_rows(plan, "cpu_ms_per_message_two_processes", processes=2),
    "sqlite": lambda plan: paths.closed_rows(plan, "cpu_ms_per_message_sqlite", sqlite=True),
    "at_50_per_s": lambda plan: paths.paced_rows(plan, "cpu_ms_per_message_at_50_per_s"),
    "with_marks": lambda plan: paths.paced_rows(plan, "cpu_ms_per_message_with_marks", marks=True),
    "latency": paths.latency_rows,
    "idle": idle.idle_rows,
    "in_chat": idle.in_chat_rows,
    "churn": churn.churn_rows,
    "start": start.start_rows,
    "assign": assign.assign_rows,
    "console": console.console_rows,
    "search": search.search_rows,
    "widget": widget.widget_rows,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = [*MEASURES, *rows.BUDGETS]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--quick", action="store_true", help="a short smoke of everything; no figure counts")
    parser.add_argument(
        "--long", action="store_true", help="100,000 visitors come and go, 10,000 return at once"
    )
    parser.add_argument("--profile", action="store_true", help="py-spy looks on: var/profiles")
    parser.add_argument("--seconds", type=float, default=15, help="that each load is measured for")
    parser.add_argument("--write", type=Path, default=rows.FILE, help="where the rows go, as JSON")
    options = parser.parse_args()
    plan = Plan(seconds=options.seconds)
    if options.long:
        plan = replace(plan, churned=100_000, storm=10_000)
    if options.quick:
        plan = QUICK
    plan = replace(plan, profile=options.profile)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"{machine()}\n{rows.HEAD}", flush=True)
    found: list[Row] = []
    is_void = False
    began = time.monotonic()
    for name, measure in MEASURES.items():
        if not is_wanted(name, options.only):
            continue
        try:
            measured = measure(plan)
        except Void as reason:
            is_void = True
            print(f"{name}: VOID: {reason}", flush=True)
            continue
        for row in measured:
            print(row, flush=True)
        found += measured
    ratio = paths.ratio_rows(found)
    for row in ratio:
        print(row)
    rows.write([*found, *ratio], options.write)
    print(f"{time.monotonic() - began:.0f} s in all", flush=True)
    return 1 if is_void else 0


def is_wanted(name: str, only: list[str] | None) -> bool:
    return only is None or any(one == name or name in one.removesuffix("_ms") for one in only)


if __name__ == "__main__":
    sys.exit(main())
