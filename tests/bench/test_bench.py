"""Tests of the benchmark: its rows are complete and correct, and a run with errors is void."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import floods, hostile, load, paths, rows
from tests.bench.__main__ import MEASURES, Measure, wanted
from tests.bench.load import Tally, Window, percentile
from tests.bench.plan import QUICK, Plan
from tests.bench.process_cost import Thread, Usage
from tests.bench.rows import BUDGETS, Row, Void
from tests.bench.texts import CHINESE, ENGLISH, TEXTS
from tests.harness.servers.process import ROOT

# The rows that readers of var/bench.json expect.
NAMES = {
    "cpu_ms_per_message_daphne",
    "cpu_ms_per_message_uvicorn",
    "cpu_ms_per_message_sqlite",
    "cpu_ms_per_message_two_processes",
    "cpu_ms_per_message_tutorial",
    "cpu_ms_per_message_at_50_per_s",
    "cpu_ms_per_message_with_marks",
    "cpu_ms_per_message_at_5_per_s",
    "cpu_ms_per_message_tutorial_at_50_per_s",
    "cpu_ms_per_message_tutorial_at_5_per_s",
    "ratio_to_tutorial",
    "ratio_to_tutorial_at_50_per_s",
    "idle_cpu_percent_60_conversations",
    "latency_p50_ms",
    "latency_p99_ms",
    "idle_kb_per_visitor",
    "idle_cpu_percent_10k",
    "reconnects_per_second",
    "assignments_per_second",
    "router_assignments_per_second",
    "assignment_delay_p95_ms",
    "start_seconds",
    "search_p95_ms",
    "knowledge_search_p95_ms",
    "console_first_page_ms",
    "console_first_page_kb",
    "growth_percent",
    "widget_host_kb",
    "widget_open_kb",
}


def test_every_expected_row_is_measured() -> None:
    measured = {name for measure in MEASURES.values() for name in measure.rows} | set(paths.RATIOS)
    assert measured == set(BUDGETS)
    assert measured >= NAMES


@pytest.mark.parametrize("name", [*MEASURES, *BUDGETS])
def test_each_measure_and_each_row_can_be_selected_alone(name: str) -> None:
    chosen = wanted([name])
    assert chosen
    if name in MEASURES:
        assert chosen == [name]
    elif name not in paths.RATIOS:
        assert [name in MEASURES[measure].rows for measure in chosen] == [True]


def test_quick_run_writes_rows_in_the_documented_format(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    command = [
        sys.executable,
        "-m",
        "tests.bench",
        "--quick",
        *("--only", "ratio_to_tutorial_at_50_per_s", "idle_60", "--split"),
        "--write",
        str(file),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    written = json.loads(file.read_text())
    assert [row["name"] for row in written] == [
        "cpu_ms_per_message_at_50_per_s", "cpu_ms_per_message_tutorial_at_50_per_s", "ratio_to_tutorial_at_50_per_s",
        "idle_cpu_percent_60_conversations",
    ]  # fmt: skip
    for row in written:
        assert list(row) == ["name", "value", "unit", "must", "goal", "conditions"]
        assert row["conditions"]
    ours, tutorial, ratio, idle = written
    assert ours["value"] > 0
    assert ratio["value"] > 0
    assert (ours["unit"], ours["must"], ours["goal"]) == ("ms", 1.8, 1.0)
    assert "transactions a second" in idle["conditions"]
    assert ratio["value"] == pytest.approx(tutorial["value"] / ours["value"], rel=0.01)
    assert all(row["name"] in run.stdout for row in written)
    assert run.stdout.count("switches  postgres: sessions") == 2


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        ("unstored", "1 of those never arrived"),
        ("unseen", "1 of those never arrived"),
        ("deleted", "are not stored"),
    ],
)
def test_run_with_a_lost_message_is_void(plant: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_PLANT", plant)
    monkeypatch.setattr(load, "SETTLE_SECONDS", 2)
    with pytest.raises(Void, match=message):
        paths.closed_rows(
            QUICK, "cpu_ms_per_message_daphne", application="tests.bench.planted_losses:application"
        )


def _void_times(count: int, row: Row) -> Callable[[Plan], list[Row]]:
    """Return a measure that raises Void `count` times, and then returns this row."""
    voids = iter(range(count))

    def run(plan: Plan) -> list[Row]:
        for _ in voids:
            raise Void("one is missing")
        return [row]

    return run


def test_run_that_stays_void_writes_no_row_and_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "cpu_ms_per_message_daphne"
    tutorial = Row("cpu_ms_per_message_tutorial", 4, "")
    monkeypatch.setattr(bench, "MEASURES", {
        "daphne": Measure(_void_times(2, Row(name, 0.4, "")), (name,)),
        "tutorial": Measure(_void_times(0, tutorial), (tutorial.name,)),
    })  # fmt: skip
    file = tmp_path / "bench.json"
    assert bench.main(["--write", str(file)]) == 1
    assert [row["name"] for row in json.loads(file.read_text())] == [tutorial.name]
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "void: cpu_ms_per_message_daphne: one is missing",
        "void: ratio_to_tutorial: no figure for cpu_ms_per_message_daphne",
    ]


def test_void_run_is_repeated_once_and_a_missed_must_is_listed_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "start_seconds"
    monkeypatch.setattr(bench, "MEASURES", {"start": Measure(_void_times(1, Row(name, 3.5, "")), (name,))})
    file = tmp_path / "bench.json"
    assert bench.main(["--write", str(file)]) == 0
    assert [row["value"] for row in json.loads(file.read_text())] == [3.5]
    printed = capsys.readouterr().out
    assert "start was void and is measured once more: one is missing" in printed
    assert printed.splitlines()[-1] == "missed: start_seconds: 3.5 s, must 3"


def test_several_rows_and_groups_can_be_selected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[str] = []
    monkeypatch.setattr(bench, "measure_all", lambda plan, names, file: ran.extend(names))
    bench.main(["--only", "start_seconds", "idle", "--only", "ratio_to_tutorial_at_50_per_s"])
    assert ran == ["at_50_per_s", "tutorial_at_50_per_s", "idle", "start"]


def test_rows_of_other_clients_are_measured_during_a_flood() -> None:
    rows_by_name = {row.name: row for row in floods._rows(QUICK, "daphne")}
    assert list(rows_by_name) == [f"flood_{name}_p99_ms_daphne" for name in floods.FLOODS]
    assert all(row.value > 0 for row in rows_by_name.values())
    for name in ("pings", "frames"):
        assert "MB a second by" in rows_by_name[f"flood_{name}_p99_ms_daphne"].conditions


def test_hostile_table_is_measured_in_a_separate_process() -> None:
    row = hostile._row_in_own_process("csv_wide")
    assert row.value < 50
    assert "KB, refused: " in row.conditions


def test_run_with_a_late_or_overloaded_load_generator_is_void() -> None:
    good = Window(began=0, ended=10, arrived=1000, usage=Usage(1), own=2, late_ms=3, lag_ms=1)
    good.check(Plan())
    assert good.cpu_ms == 1
    for bad in (Window(0, 10, 1000, Usage(1), 9.5, 3, 1), Window(0, 10, 1000, Usage(1), 2, 80, 1)):
        with pytest.raises(Void):
            bad.check(Plan())


def test_split_of_a_message_adds_up_threads_of_one_name() -> None:
    threads = [Thread("app", 1), Thread("app", 2), Thread("app", 3), Thread("redis", 4)]
    nanoseconds, switches = Counter(dict.fromkeys(threads, 3_000_000)), Counter(dict.fromkeys(threads, 8))
    before = Usage(1, 5, Counter({threads[0]: 1_000_000}), Counter({threads[0]: 2}))
    usage = Usage(1.02, 9, nanoseconds, switches) - before
    assert usage.transactions == 4
    assert usage.split(2, {1: "MainThread", 2: "sockets_0", 3: "sockets_1"}).splitlines() == [
        "    4.500 ms    0.00 switches  rounding, and what ended meanwhile",
        "    3.000 ms    8.00 switches  app sockets",
        "    1.500 ms    4.00 switches  redis",
        "    1.000 ms    3.00 switches  app MainThread",
    ]


def test_run_with_nothing_sent_or_unanswered_posts_is_void() -> None:
    with pytest.raises(Void):
        Tally().check()
    tally = Tally(intended={"a": 1.0}, accepted={"a": 1.1}, arrived={"a": 1.2})
    tally.check()
    assert tally.delays_ms() == pytest.approx([200])
    tally.intended["b"] = 2.0
    with pytest.raises(Void, match="2 sent, 1 accepted"):
        tally.check()


def test_row_compares_its_value_with_the_budget() -> None:
    assert [Row("latency_p50_ms", value, "").verdict for value in (2, 3, 8, 9)] == [
        "goal",
        "goal",
        "must",
        "MISSED",
    ]
    assert [Row("ratio_to_tutorial", value, "").verdict for value in (12, 8, 7)] == ["goal", "must", "MISSED"]
    without_goal = [Row("ratio_to_tutorial_at_50_per_s", value, "").verdict for value in (2, 1.9)]
    assert without_goal == ["must", "MISSED"]
    assert Row("cpu_ms_per_message_tutorial", 3, "").verdict == ""


def test_slow_load_is_measured_for_enough_messages() -> None:
    assert Plan().at_pace(50) == Plan()
    calm = Plan().at_pace(5)
    assert (calm.seconds, calm.warm_up) == (48, 10)
    assert Plan(seconds=60).at_pace(5).seconds == 60


def test_rows_are_written_in_the_order_of_the_budgets(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    rows.write([Row(name, 1, "") for name in sorted(BUDGETS, reverse=True)], file)
    assert [row["name"] for row in json.loads(file.read_text())] == list(BUDGETS)


def test_texts_have_the_lengths_of_customers_messages() -> None:
    chinese, english = [len(text) for text in CHINESE], [len(text) for text in ENGLISH]
    assert len(chinese) == 2 * len(english)
    assert len(TEXTS) == len(set(TEXTS)) == len(chinese) + len(english)
    assert percentile(chinese, 50) == pytest.approx(13, abs=1)
    assert percentile(english, 50) == pytest.approx(12, abs=1)
    assert 19 <= percentile(chinese, 90) <= 27
    assert percentile(english, 90) == pytest.approx(43, abs=8)
    assert percentile(chinese, 99) == pytest.approx(42, abs=3)
    assert percentile(english, 99) == pytest.approx(86, abs=3)
