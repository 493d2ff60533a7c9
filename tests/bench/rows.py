"""The rows of the benchmark's table. Each has a figure, its budget and its conditions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.harness.servers.process import ROOT

FILE = ROOT / "var" / "bench.json"


class Void(Exception):
    """The run does not count, for example because a message was refused or lost, or because the load generator was too
    busy or too late."""


@dataclass(frozen=True)
class Budget:
    """The limits `must` and `goal` of a row, in `unit`; None if there is no such limit.

    If `is_least` is true, larger values are better.
    """

    unit: str
    must: float | None = None
    goal: float | None = None
    is_least: bool = False


# The names of all rows, in the order of the table. The limits are budgets of the design, except for two rows that the
# design does not name: assignments_per_second and knowledge_import_seconds. Rows without limits help to explain the
# other rows.
BUDGETS = {
    "cpu_ms_per_message_daphne": Budget("ms", 0.45, 0.27),
    "cpu_ms_per_message_uvicorn": Budget("ms", 0.45, 0.27),
    "cpu_ms_per_message_two_processes": Budget("ms"),
    "cpu_ms_per_message_sqlite": Budget("ms"),
    "cpu_ms_per_message_at_50_per_s": Budget("ms", 1.8, 1.0),
    "cpu_ms_per_message_with_marks": Budget("ms", 2.8, 1.6),
    "cpu_ms_per_message_at_5_per_s": Budget("ms"),
    "cpu_ms_per_message_tutorial": Budget("ms"),
    "cpu_ms_per_message_tutorial_at_50_per_s": Budget("ms"),
    "cpu_ms_per_message_tutorial_at_5_per_s": Budget("ms"),
    "ratio_to_tutorial": Budget("times", 8, 12, is_least=True),
    "ratio_to_tutorial_at_50_per_s": Budget("times", 2, is_least=True),
    "idle_cpu_percent_60_conversations": Budget("%"),
    "latency_p50_ms": Budget("ms", 8, 3),
    "latency_p99_ms": Budget("ms", 40, 12),
    "idle_kb_per_visitor": Budget("KB", 35, 25),
    "idle_kb_per_visitor_in_chat": Budget("KB", 40, 28),
    "idle_cpu_percent_10k": Budget("%", 12, 5),
    "idle_cpu_percent_10k_in_chat": Budget("%", 12, 5),
    "reconnects_per_second": Budget("/s", 600, 1000, is_least=True),
    "growth_percent": Budget("%", 5, 1),
    "start_seconds": Budget("s", 3, 1.2),
    "assignments_per_second": Budget("/s", 300, 800, is_least=True),
    "assignments_per_second_action": Budget("/s", is_least=True),
    "assignments_per_second_with_consoles": Budget("/s", is_least=True),
    "router_assignments_per_second": Budget("/s", 500, 1500, is_least=True),
    "assignment_delay_p95_ms": Budget("ms", 300, 100),
    "console_first_page_ms": Budget("ms", 100, 50),
    "console_first_page_kb": Budget("KB", 30, 20),
    "console_first_page_queries": Budget("queries"),
    "search_p95_ms": Budget("ms", 80, 25),
    "knowledge_search_p95_ms": Budget("ms", 12, 3),
    "knowledge_request_p95_ms": Budget("ms", 30, 10),
    "knowledge_import_seconds": Budget("s", 60),
    "flood_quiet_p99_ms_daphne": Budget("ms"),
    "flood_pings_p99_ms_daphne": Budget("ms"),
    "flood_frames_p99_ms_daphne": Budget("ms"),
    "flood_quiet_p99_ms_uvicorn": Budget("ms"),
    "flood_pings_p99_ms_uvicorn": Budget("ms"),
    "flood_frames_p99_ms_uvicorn": Budget("ms"),
    "hostile_png_mb": Budget("MB"),
    "hostile_six_pngs_mb": Budget("MB"),
    "hostile_six_largest_pngs_mb": Budget("MB"),
    "hostile_deep_png_mb": Budget("MB"),
    "hostile_body_mb": Budget("MB"),
    "hostile_json_mb": Budget("MB"),
    "hostile_xlsx_far_right_mb": Budget("MB"),
    "hostile_xlsx_strings_mb": Budget("MB"),
    "hostile_xlsx_runs_mb": Budget("MB"),
    "hostile_csv_wide_mb": Budget("MB"),
    "hostile_differences_mb": Budget("MB"),
    "widget_host_kb": Budget("KB", 3, 2),
    "widget_open_kb": Budget("KB", 20, 15),
}
NAME_WIDTH = max(map(len, BUDGETS))


@dataclass(frozen=True)
class Row:
    """One figure. `conditions` describes in words the measured subject, the load and the method."""

    name: str
    value: float
    conditions: str

    @property
    def budget(self) -> Budget:
        return BUDGETS[self.name]

    @property
    def verdict(self) -> str:
        """The stricter limit that the value meets: "goal" or "must". If it meets neither, the verdict is "MISSED", or
        "" if the row has no `must` limit."""
        budget = self.budget
        sign = -1 if budget.is_least else 1
        for verdict, limit in (("goal", budget.goal), ("must", budget.must)):
            if limit is not None and sign * self.value <= sign * limit:
                return verdict
        return "" if budget.must is None else "MISSED"

    @property
    def figure(self) -> str:
        value = f"{self.value:.3g}" if self.value < 100 else f"{self.value:.0f}"
        return f"{value} {self.budget.unit}"

    def as_json(self) -> dict[str, object]:
        budget = self.budget
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": budget.unit,
            "must": budget.must,
            "goal": budget.goal,
            "conditions": self.conditions,
        }

    def __str__(self) -> str:
        must, goal = ("" if limit is None else f"{limit:g}" for limit in (self.budget.must, self.budget.goal))
        value, unit = self.figure.split()
        figure = f"{self.name:{NAME_WIDTH}} {value:>7} {unit:7}"
        return f"{figure} {must:>5} {goal:>5} {self.verdict:6}  {self.conditions}"


HEAD = f"{'':{NAME_WIDTH}} {'':>7} {'':7} {'must':>5} {'goal':>5}"


def write(rows: Iterable[Row], file: Path = FILE) -> None:
    """Write the rows to a JSON file: a list of {name, value, unit, must, goal, conditions}, in the order of the
    table."""
    order = list(BUDGETS)
    listed = sorted(rows, key=lambda row: order.index(row.name))
    file.parent.mkdir(exist_ok=True)
    text = json.dumps([row.as_json() for row in listed], ensure_ascii=False, indent=1)
    file.write_text(text + "\n", encoding="utf-8")
