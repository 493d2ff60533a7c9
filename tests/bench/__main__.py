"""`python -m tests.bench [--only NAME...] [--quick] [--long] [--profile] [--split] [--seconds S] [--write FILE]`:
measure, and print a table.

The table is also written to FILE, by default var/bench.json.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import (
    assign,
    churn,
    console,
    floods,
    hostile,
    idle,
    knowledge,
    paths,
    routing,
    rows,
    search,
    start,
    widget,
)
from tests.bench.plan import QUICK, Plan
from tests.bench.process_cost import machine_description
from tests.bench.rows import Row, Void
from tests.bench.servers import ServerName


@dataclass(frozen=True)
class Measure:
    """A measuring function, and the names of the rows that it returns."""

    run: Callable[[Plan], list[Row]]
    rows: tuple[str, ...]


def _closed_loop(
    name: str, server: ServerName = "daphne", *, processes: int = 1, sqlite: bool = False
) -> Measure:
    def run(plan: Plan) -> list[Row]:
        return paths.closed_rows(plan, name, server, processes=processes, sqlite=sqlite)

    return Measure(run, (name,))


def _paced(name: str, rate: float, *, marks: bool = False) -> Measure:
    return Measure(lambda plan: paths.paced_rows(plan, name, rate=rate, marks=marks), (name,))


def _tutorial(name: str, rate: float = 0.0) -> Measure:
    return Measure(lambda plan: paths.tutorial_rows(plan, name, rate=rate), (name,))


MEASURES = {
    "daphne": _closed_loop("cpu_ms_per_message_daphne"),
    "tutorial": _tutorial("cpu_ms_per_message_tutorial"),
    "uvicorn": _closed_loop("cpu_ms_per_message_uvicorn", "uvicorn"),
    "two_processes": _closed_loop("cpu_ms_per_message_two_processes", processes=2),
    "sqlite": _closed_loop("cpu_ms_per_message_sqlite", sqlite=True),
    "at_50_per_s": _paced("cpu_ms_per_message_at_50_per_s", 50),
    "tutorial_at_50_per_s": _tutorial("cpu_ms_per_message_tutorial_at_50_per_s", 50),
    "with_marks": _paced("cpu_ms_per_message_with_marks", 50, marks=True),
    "at_5_per_s": _paced("cpu_ms_per_message_at_5_per_s", 5),
    "tutorial_at_5_per_s": _tutorial("cpu_ms_per_message_tutorial_at_5_per_s", 5),
    "idle_60": Measure(idle.conversation_rows, ("idle_cpu_percent_60_conversations",)),
    "latency": Measure(paths.latency_rows, ("latency_p50_ms", "latency_p99_ms")),
    "idle": Measure(idle.idle_rows, ("idle_kb_per_visitor", "idle_cpu_percent_10k")),
    "in_chat": Measure(
        idle.in_chat_rows,
        ("idle_kb_per_visitor_in_chat", "idle_cpu_percent_10k_in_chat", "reconnects_per_second"),
    ),
    "churn": Measure(churn.churn_rows, ("growth_percent",)),
    "start": Measure(start.start_rows, ("start_seconds",)),
    "assign": Measure(
        assign.assign_rows,
        ("assignments_per_second", "assignments_per_second_action", "assignments_per_second_with_consoles"),
    ),
    "router": Measure(routing.routing_rows, ("router_assignments_per_second", "assignment_delay_p95_ms")),
    "console": Measure(
        console.console_rows,
        ("console_first_page_ms", "console_first_page_kb", "console_first_page_queries"),
    ),
    "search": Measure(search.search_rows, ("search_p95_ms",)),
    "knowledge": Measure(
        knowledge.knowledge_rows,
        ("knowledge_search_p95_ms", "knowledge_request_p95_ms", "knowledge_import_seconds"),
    ),
    "floods": Measure(floods.flood_rows, floods.ROWS),
    "hostile_files": Measure(hostile.hostile_rows, hostile.ROWS),
    "widget": Measure(widget.widget_rows, ("widget_host_kb", "widget_open_kb")),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only",
        action="extend",
        nargs="+",
        choices=[*MEASURES, *rows.BUDGETS],
        metavar="NAME",
        help=f"rows of the table, or any of these measures: {', '.join(MEASURES)}",
    )
    parser.add_argument("--quick", action="store_true", help="a short smoke test; its figures do not count")
    parser.add_argument(
        "--long", action="store_true", help="let 100,000 visitors come and go, and 10,000 reconnect at once"
    )
    parser.add_argument(
        "--profile", action="store_true", help="profile the servers with py-spy into var/profiles"
    )
    parser.add_argument(
        "--split",
        action="store_true",
        help="print what each thread of the servers takes of a message: processor time and context switches",
    )
    parser.add_argument("--seconds", type=float, help="seconds for which each load is measured")
    parser.add_argument("--write", type=Path, default=rows.FILE, help="JSON file for the rows")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else Plan()
    if options.long:
        plan = replace(plan, churned=100_000, storm=10_000)
    plan = replace(
        plan, profile=options.profile, split=options.split, seconds=options.seconds or plan.seconds
    )
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
    return measure_all(plan, wanted(options.only), options.write)


def measure_all(plan: Plan, names: Sequence[str], file: Path) -> int:
    """Print the table row by row and write it to `file`. Then list the rows that were void or missed their `must`
    limit.

    Return the exit code, which is 1 if a row was void twice.
    """
    print(f"{machine_description()}\n{rows.HEAD}", flush=True)
    table: list[Row] = []
    voids: dict[str, str] = {}
    began = time.monotonic()
    for name in names:
        try:
            measured = _measure(name, plan)
        except Void as reason:
            voids |= dict.fromkeys(MEASURES[name].rows, str(reason))
            continue
        for row in measured:
            print(row, flush=True)
        table += measured
    tried = voids.keys() | {row.name for row in table}
    for name, parts in paths.RATIOS.items():
        if tried.issuperset(parts) and (void_parts := voids.keys() & parts):
            voids[name] = f"no figure for {' and '.join(sorted(void_parts))}"
    for row in (ratios := paths.ratio_rows(table)):
        print(row)
    table += ratios
    rows.write(table, file)
    print(f"{time.monotonic() - began:.0f} s in total")
    missed = [row for row in table if row.verdict == "MISSED"]
    for row in missed:
        print(f"missed: {row.name}: {row.figure}, must {row.budget.must:g}")
    for name, why in voids.items():
        print(f"void: {name}: {why}")
    if not missed and not voids:
        print("no row missed a must or was void")
    return 1 if voids else 0


def _measure(name: str, plan: Plan) -> list[Row]:
    """Run a measure and return its rows. A void run is repeated once. Raises Void if the second run is void, too."""
    measure = MEASURES[name]
    try:
        measured = measure.run(plan)
    except Void as reason:
        print(f"{name} was void and is measured once more: {reason}", flush=True)
        measured = measure.run(plan)
    assert tuple(row.name for row in measured) == measure.rows
    return measured


def wanted(only: Sequence[str] | None) -> list[str]:
    """Return the names of the measures to run. `only` names measures or rows; without it, all measures run."""
    if only is None:
        return list(MEASURES)
    requested = {part for name in only for part in paths.RATIOS.get(name, (name,))}
    return [name for name, measure in MEASURES.items() if requested & {name, *measure.rows}]


if __name__ == "__main__":
    sys.exit(main())
