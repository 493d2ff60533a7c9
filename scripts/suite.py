"""Run all checks and tests: `scripts/test [--only STEP]... [--clock MOMENT] [--slow] [arguments of pytest]`.

All steps run even when one fails, but the exit code is then 1. The steps are:

  browser   pytest tests/browser, in a separate process: Playwright runs an event loop, in which Django
            refuses synchronous queries
  main      pytest, everything else
  servers   pytest, the tests that break, drain, measure or simulate servers, which they start themselves
  sqlite    pytest, the tests marked both_databases, without PostgreSQL and Redis
  faults    a short run of the fault checker (docs/faults.md), with servers of its own
  lint      types, style, layout, imports, templates, migrations, settings, translations, prose
  js        node --test on tests/js

Steps run in parallel, the longest first. The number of steps that run at a time is one more than the number of cores,
because `servers` and `faults` often wait. Each step that needs PostgreSQL and Redis starts its own. The output of a
step appears as a whole when it ends; a single step prints as it runs. With arguments for pytest but without `--only`,
only the steps that use pytest run. The last line has pytest's counts, added up if several steps ran. A single step that
does not use pytest ends with its own result.

`--clock "2028-02-29 23:58"` starts the run at that time in the bank's time zone. It shifts the wall clock of every
process: pytest, servers, databases and browsers. Durations stay real.

`--slow` delays every answer to the browser tests, to find tests that read a page before its answer has arrived.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

import pytest

from scripts.checks import run_checks
from scripts.child_programs import ChildPrograms
from scripts.shifted_clock import bank_moment, shifted_clock
from tests.harness.servers import PrivatePostgres, PrivateRedis, ServerFailed
from tests.harness.servers.app import SLOW
from tests.harness.servers.prepared import PREPARED_DIR

ROOT = Path(__file__).resolve().parent.parent
# The tests of the other steps. The step `main` runs all tests that are not listed here.
TESTS = {
    "servers": [
        "tests/faults",
        "tests/machine",
        "tests/simulation",
        "tests/bench",
        "tests/demo/test_demo.py",
        "tests/server/test_deploy_files.py",
        "tests/server/test_drain.py",
        "tests/chat/realtime/test_half_open.py",
    ],
    "browser": ["tests/browser"],
}
STEPS = ("browser", "main", "servers", "sqlite", "faults", "lint", "js")
PYTEST_STEPS = ("browser", "main", "servers", "sqlite")
NOTHING_SELECTED = "nothing selected"
COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|warnings?)\b")


@dataclass
class Step:
    """The result of one step.

    `reason` says why the step failed. It is "" if the step passed, and NOTHING_SELECTED if no test matched. `printed`
    is the captured output; it is empty if the step ran alone.
    """

    name: str
    reason: str
    seconds: float
    printed: str

    @property
    def has_failed(self) -> bool:
        return self.reason not in ("", NOTHING_SELECTED)

    @property
    def summary(self) -> str:
        result = "FAILED" if self.has_failed else "passed"
        return f"  {self.name:<8} {result} {self.seconds:6.1f} s  {self.reason}".rstrip()

    def counts(self) -> Counter[str]:
        """Return the counts of passed, failed and other tests from the last line of pytest; none if the step does not
        use pytest."""
        last = self.printed.rstrip().rpartition("\n")[2]
        is_pytest = self.name in PYTEST_STEPS
        return Counter({word: int(number) for number, word in COUNTS.findall(last)} if is_pytest else {})

    def failures(self) -> list[str]:
        """Return the lines of pytest's summary that list failed tests."""
        return [line for line in self.printed.splitlines() if line.startswith(("FAILED ", "ERROR "))]


@dataclass
class Suite:
    """One run of the checks and tests: its arguments, and the programs that it has started."""

    pytest_arguments: Sequence[str]
    state: Path
    programs: ChildPrograms = field(default_factory=ChildPrograms)

    def run(self, names: Sequence[str]) -> int:
        """Run the steps, print their results, and return the exit code."""
        names = [name for name in STEPS if name in names and self.paths(name)]
        started = time.monotonic()
        if len(names) == 1:
            print(f"\n== {names[0]}", flush=True)
            done = [self.run_step(names[0], sys.stdout)]
            if names[0] not in PYTEST_STEPS:
                print("", done[0].summary, sep="\n")
        else:
            done = self.run_in_parallel(names)
            self.print_summary(done, time.monotonic() - started)
        ran_no_test = set(names) <= set(PYTEST_STEPS) and all(
            step.reason == NOTHING_SELECTED for step in done
        )
        return 1 if ran_no_test or any(step.has_failed for step in done) else 0

    def run_in_parallel(self, names: Sequence[str]) -> list[Step]:
        done = []
        with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
            try:
                running = [pool.submit(self.run_captured, name) for name in names]
                for future in as_completed(running):
                    step = future.result()
                    show(step)
                    done.append(step)
            except BaseException as error:
                pool.shutdown(wait=False, cancel_futures=True)
                # After Ctrl-C, the terminal has sent the signal to the children as well. A second signal would
                # interrupt their clean-up.
                self.programs.stop(terminate=not isinstance(error, KeyboardInterrupt))
                for future in running:
                    if not future.cancelled() and future.exception() is None and future.result() not in done:
                        show(future.result())
                raise
        return done

    def run_captured(self, name: str) -> Step:
        """Run a step with its output redirected to a file. Return the result, which includes that output."""
        with (self.state / f"{name}.output").open("w+", encoding="utf-8", errors="replace") as output:
            step = self.run_step(name, output)
            output.seek(0)
            step.printed = output.read()
        return step

    def run_step(self, name: str, output: TextIO) -> Step:
        started = time.monotonic()
        try:
            reason: str = getattr(self, name)(output)
        except ServerFailed as error:
            print(error, file=output, flush=True)
            reason = "a server failed"
        return Step(name, reason, time.monotonic() - started, "")

    def print_summary(self, done: Sequence[Step], seconds: float) -> None:
        print("", "All steps:", *(step.summary for step in done), sep="\n")
        if failures := [line for step in done for line in step.failures()]:
            print("", *failures, sep="\n")
        counts: Counter[str] = sum((step.counts() for step in done), Counter())
        totals = ", ".join(f"{counts[outcome]} {outcome}" for outcome in sorted(counts))
        print("", f"{totals or 'no test of pytest'} in {seconds:.2f}s", sep="\n", flush=True)

    # The steps: each method returns "" if the step has passed, otherwise the reason of the failure.

    def servers(self, output: TextIO) -> str:
        return self.pytest_on_servers("servers", output)

    def browser(self, output: TextIO) -> str:
        return self.pytest_on_servers("browser", output)

    def main(self, output: TextIO) -> str:
        ignored = [f"--ignore={path}" for paths in TESTS.values() for path in paths]
        return self.pytest_on_servers("main", output, *ignored)

    def faults(self, output: TextIO) -> str:
        command = [sys.executable, "-m", "tests.faults", "--short", "--visitors", "12"]
        return failure(self.programs.run(command, self.environment({}), output))

    def sqlite(self, output: TextIO) -> str:
        return self.pytest("sqlite", self.environment({}), output, "-m", "both_databases")

    def lint(self, output: TextIO) -> str:
        return ", ".join(run_checks(self.environment({}), output))

    def js(self, output: TextIO) -> str:
        files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/js").rglob("*.test.js"))
        if not files:
            return "tests/js has no tests"
        command = ["node", "--test", "--test-reporter=spec", *files]
        return failure(self.programs.run(command, self.environment({}), output))

    # Methods that several steps use.

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables for a child process: those of the caller, those of this run, and `settings`.

        LIANXIN_ variables of the caller are removed, so that they do not affect the run.
        """
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIANXIN_")}
        # Without cached bytecode, each process takes half a second longer to start, and a run starts more than a
        # hundred processes.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        own = {"LIANXIN_STATE_DIR": str(self.state), PREPARED_DIR: str(self.state / "prepared")}
        return {**inherited, **own, **settings}

    @contextmanager
    def bank(self) -> Iterator[dict[str, str]]:
        """Start a private PostgreSQL and Redis, and yield the environment variables of a server that uses them."""
        with PrivatePostgres() as postgres, PrivateRedis() as redis:
            yield self.environment(
                {
                    "LIANXIN_DATABASE_URL": postgres.url,
                    "LIANXIN_REDIS_URL": redis.url,
                    "LIANXIN_SECRET_KEY": secrets.token_urlsafe(48),
                }
            )

    def paths(self, step: str) -> list[str]:
        """Return the paths of the tests that a step runs: the paths on the command line that belong to the step, or all
        tests of the step if no path is given."""
        named = [argument for argument in self.pytest_arguments if is_path(argument)]
        if not named:
            return TESTS.get(step, ["tests"])
        if step == "sqlite":
            return [path for path in named if step_of(path) != "browser"]
        return [path for path in named if step_of(path) == step]

    def pytest_on_servers(self, step: str, output: TextIO, *extra: str) -> str:
        with self.bank() as environment:
            return self.pytest(step, environment, output, *extra)

    def pytest(self, step: str, environment: Mapping[str, str], output: TextIO, *extra: str) -> str:
        options = [argument for argument in self.pytest_arguments if not is_path(argument)]
        command = [sys.executable, "-m", "pytest", *options, *extra, *self.paths(step)]
        code = self.programs.run(command, environment, output)
        if code == pytest.ExitCode.NO_TESTS_COLLECTED:
            return NOTHING_SELECTED if self.pytest_arguments else "there are no tests"
        return failure(code)


def show(step: Step) -> None:
    print(f"\n== {step.name}", step.printed.strip("\n"), step.summary, sep="\n", flush=True)


def is_path(argument: str) -> bool:
    """Return whether an argument for pytest is the path of a test, such as `tests/docs/test_readme.py::test_x`."""
    return argument.startswith("tests") and (ROOT / argument.split("::")[0]).exists()


def step_of(path: str) -> str:
    """Return the name of the step that runs the test with this path."""
    for step, paths in TESTS.items():
        if any(path.startswith(prefix) for prefix in paths):
            return step
    return "main"


def failure(code: int) -> str:
    return f"exit code {code}" if code else ""


def stop(number: int, _: FrameType | None) -> None:
    """Handle a termination signal: raise SystemExit, so that servers are stopped and folders removed. Ignore the same
    signal from then on."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser("scripts/test", allow_abbrev=False)
    parser.add_argument("--only", action="append", choices=STEPS)
    parser.add_argument("--clock", type=bank_moment)
    parser.add_argument("--slow", action="store_true")
    known, pytest_arguments = parser.parse_known_args()
    steps = known.only or (PYTEST_STEPS if pytest_arguments else STEPS)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    # A shell makes background programs ignore Ctrl-C (SIGINT), but the servers under test must react to it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="lianxin-test-") as state:
        if known.clock:
            os.environ.update(shifted_clock(known.clock, Path(state)))
        if known.slow:
            os.environ[SLOW] = "1"
        try:
            return Suite(pytest_arguments, Path(state)).run(steps)
        except KeyboardInterrupt:
            return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
