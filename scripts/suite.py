"""Check everything: `scripts/test [--only STEP]... [--clock MOMENT] [what pytest takes]`.

The steps; all of them run even when one fails, and the exit code says whether any did:

  servers   pytest, the tests that break, drain, measure or simulate, on servers that they start themselves
  browser   pytest tests/browser, in a process of its own: Playwright's event loop and Django's guard
            against queries from asynchronous code do not bear each other in one
  main      pytest, everything else
  faults    a short run of the fault checker (docs/faults.md), with servers of its own
  sqlite    pytest, the tests marked both_databases, with neither PostgreSQL nor Redis
  lint      types, imports, style, templates, migrations, translations
  js        node --test on tests/js

As many run at once as there are cores, the long ones first. Each step that needs PostgreSQL and Redis has its own,
and what a step prints comes in one piece when it ends; a step that runs alone prints as it goes. With arguments for
pytest, only the steps that run pytest do. The last line is pytest's own, or for several steps the sum of theirs.

`--clock "2028-02-29 23:58"` starts the run at that moment of the bank's day: the clock of every process is shifted
(pytest, servers, databases, browsers). Durations stay real.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TextIO
from zoneinfo import ZoneInfo

import pytest

from scripts.checks import run_checks
from tests.harness.servers import PrivatePostgres, PrivateRedis, ServerFailed
from tests.harness.servers.prepared import PREPARED_DIR

ROOT = Path(__file__).resolve().parent.parent
# What belongs to a step of its own; the step `main` has the rest.
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
STEPS = ("servers", "browser", "main", "faults", "sqlite", "lint", "js")
PYTEST_STEPS = ("servers", "browser", "main", "sqlite")
NOTHING_SELECTED = "nothing selected"
CHILD_STOP_SECONDS = 60
# The time zone of config.settings, in which days begin.
BANK_TIME = ZoneInfo("Asia/Shanghai")
COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|warnings?)\b")


class Stopped(Exception):
    """The run is to end: nothing new is started."""


@dataclass
class Step:
    """How one step went: why it failed or "", how long it took, and what it printed unless it ran alone."""

    name: str
    words: str
    seconds: float
    printed: str

    @property
    def has_failed(self) -> bool:
        return self.words not in ("", NOTHING_SELECTED)

    @property
    def line(self) -> str:
        went = "FAILED" if self.has_failed else "passed"
        return f"  {self.name:<8} {went} {self.seconds:6.1f} s  {self.words}".rstrip()

    def counts(self) -> Counter[str]:
        """What pytest counted, from its last line."""
        last = self.printed.rstrip().rpartition("\n")[2]
        is_pytest = self.name in PYTEST_STEPS
        return Counter({word: int(number) for number, word in COUNTS.findall(last)} if is_pytest else {})

    def failures(self) -> list[str]:
        """The lines that name what failed, as pytest sums them up."""
        return [line for line in self.printed.splitlines() if line.startswith(("FAILED ", "ERROR "))]


@dataclass
class Suite:
    """One run: what was asked for, and the programs that run now."""

    pytest_arguments: Sequence[str]
    state: Path
    _children: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_stopping: bool = False

    def run(self, names: Sequence[str]) -> int:
        """Run the steps, say how they went, and return the exit code."""
        names = [name for name in STEPS if name in names and self.paths(name)]
        began = time.monotonic()
        if len(names) == 1:
            print(f"\n== {names[0]}", flush=True)
            done = [self.step(names[0], sys.stdout)]
            if names[0] not in PYTEST_STEPS:
                print("", done[0].line, sep="\n")
        else:
            done = self.side_by_side(names)
            self.sum_up(done, time.monotonic() - began)
        ran_no_test = set(names) <= set(PYTEST_STEPS) and all(one.words == NOTHING_SELECTED for one in done)
        return 1 if ran_no_test or any(one.has_failed for one in done) else 0

    def side_by_side(self, names: Sequence[str]) -> list[Step]:
        done = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                running = [pool.submit(self.captured, name) for name in names]
                for ended in as_completed(running):
                    step = ended.result()
                    show(step)
                    done.append(step)
            except BaseException as error:
                pool.shutdown(wait=False, cancel_futures=True)
                # Ctrl-C has reached the children as well; a second signal would interrupt their cleaning up.
                self.stop(terminate=not isinstance(error, KeyboardInterrupt))
                for ended in running:
                    if not ended.cancelled() and ended.exception() is None and ended.result() not in done:
                        show(ended.result())
                raise
        return done

    def captured(self, name: str) -> Step:
        with (self.state / f"{name}.output").open("w+", encoding="utf-8", errors="replace") as output:
            step = self.step(name, output)
            output.seek(0)
            step.printed = output.read()
        return step

    def step(self, name: str, output: TextIO) -> Step:
        began = time.monotonic()
        try:
            words: str = getattr(self, name)(output)
        except ServerFailed as error:
            print(error, file=output, flush=True)
            words = "a server failed"
        return Step(name, words, time.monotonic() - began, "")

    def sum_up(self, done: Sequence[Step], seconds: float) -> None:
        print("", "All of it:", *(step.line for step in done), sep="\n")
        if failures := [line for step in done for line in step.failures()]:
            print("", *failures, sep="\n")
        counts: Counter[str] = sum((step.counts() for step in done), Counter())
        words = ", ".join(f"{counts[word]} {word}" for word in sorted(counts))
        print("", f"{words or 'no test of pytest'} in {seconds:.2f}s", sep="\n", flush=True)

    # The steps. Each returns "" when it passed, otherwise why not.

    def servers(self, output: TextIO) -> str:
        return self.pytest_on_servers("servers", output)

    def browser(self, output: TextIO) -> str:
        return self.pytest_on_servers("browser", output)

    def main(self, output: TextIO) -> str:
        others = [f"--ignore={path}" for paths in TESTS.values() for path in paths]
        return self.pytest_on_servers("main", output, *others)

    def faults(self, output: TextIO) -> str:
        command = [sys.executable, "-m", "tests.faults", "--short", "--visitors", "12"]
        return failure(self.call(command, self.environment({}), output))

    def sqlite(self, output: TextIO) -> str:
        return self.pytest("sqlite", self.environment({}), output, "-m", "both_databases")

    def lint(self, output: TextIO) -> str:
        return ", ".join(run_checks(self.environment({}), output))

    def js(self, output: TextIO) -> str:
        files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/js").rglob("*.test.js"))
        if not files:
            return "tests/js holds no test"
        command = ["node", "--test", "--test-reporter=spec", *files]
        return failure(self.call(command, self.environment({}), output))

    # What they share.

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return our environment with these LIANXIN_ settings and no others: a run depends on nobody's."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIANXIN_")}
        ours = {"LIANXIN_STATE_DIR": str(self.state), PREPARED_DIR: str(self.state / "prepared")}
        return {**inherited, **ours, **settings}

    @contextmanager
    def bank(self) -> Iterator[dict[str, str]]:
        """The environment of a bank's set-up, with a PostgreSQL and a Redis of its own."""
        with PrivatePostgres() as postgres, PrivateRedis() as redis:
            yield self.environment(
                {
                    "LIANXIN_DATABASE_URL": postgres.url,
                    "LIANXIN_REDIS_URL": redis.url,
                    "LIANXIN_SECRET_KEY": secrets.token_urlsafe(48),
                }
            )

    def paths(self, step: str) -> list[str]:
        """Return the tests that a step runs: those of its kind that were named, or all of its kind."""
        named = [word for word in self.pytest_arguments if is_path(word)]
        if not named:
            return TESTS.get(step, ["tests"])
        if step == "sqlite":
            return [word for word in named if step_of(word) != "browser"]
        return [word for word in named if step_of(word) == step]

    def pytest_on_servers(self, step: str, output: TextIO, *ours: str) -> str:
        with self.bank() as environment:
            return self.pytest(step, environment, output, *ours)

    def pytest(self, step: str, environment: Mapping[str, str], output: TextIO, *ours: str) -> str:
        options = [word for word in self.pytest_arguments if not is_path(word)]
        command = [sys.executable, "-m", "pytest", *options, *ours, *self.paths(step)]
        code = self.call(command, environment, output)
        if code == pytest.ExitCode.NO_TESTS_COLLECTED:
            return NOTHING_SELECTED if self.pytest_arguments else "there is no such test"
        return failure(code)

    def call(self, command: Sequence[str], environment: Mapping[str, str], output: TextIO) -> int:
        """Run a program to its end and return its exit code."""
        with self._lock:
            if self._is_stopping:
                raise Stopped
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is sys.stdout else subprocess.STDOUT,
            )
            self._children.add(child)
        try:
            return child.wait()
        except BaseException as error:
            # Only where a step runs alone: a thread hears no signal.
            self.stop(terminate=not isinstance(error, KeyboardInterrupt))
            raise
        finally:
            with self._lock:
                self._children.discard(child)

    def stop(self, *, terminate: bool) -> None:
        """Start nothing more, and wait for what runs; it may clean up, within a time."""
        with self._lock:
            self._is_stopping = True
            children = list(self._children)
        if terminate:
            for child in children:
                child.terminate()
        deadline = time.monotonic() + CHILD_STOP_SECONDS
        for child in children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()


def show(step: Step) -> None:
    print(f"\n== {step.name}", step.printed.strip("\n"), step.line, sep="\n", flush=True)


def is_path(word: str) -> bool:
    """Tell a test that is named (`tests/chat/test_post.py::test_repeat`) from an option of pytest."""
    return word.startswith("tests") and (ROOT / word.split("::")[0]).exists()


def step_of(path: str) -> str:
    """The step whose servers a named test wants."""
    for step, paths in TESTS.items():
        if any(path.startswith(own) for own in paths):
            return step
    return "main"


def failure(code: int) -> str:
    return f"exit code {code}" if code else ""


def bank_moment(text: str) -> datetime:
    """Read `2028-02-29 23:58` as a moment in the bank's time zone. Raises ValueError, as argparse expects."""
    return datetime.fromisoformat(text).replace(tzinfo=BANK_TIME)


def shifted_clock(moment: datetime, folder: Path) -> dict[str, str]:
    """Return the environment in which every child process starts at `moment`; needs a C compiler (`cc`).

    An offset rather than a fixed time, so that all processes of the run agree. Monotonic clocks stay real: time limits
    and pauses last as long as they say.
    """
    library = folder / "shifted_clock.so"
    source = ROOT / "scripts/shifted_clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", library, source], check=True)
    # Servers that run under an account of their own read it too.
    folder.chmod(0o755)
    seconds = round(moment.timestamp() - time.time())
    return {"LD_PRELOAD": str(library), "SHIFTED_CLOCK_SECONDS": str(seconds)}


def stop(number: int, _: FrameType | None) -> None:
    """Turn a signal to end into an exception, once: servers and folders are removed on the way out."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser("scripts/test", allow_abbrev=False)
    parser.add_argument("--only", action="append", choices=STEPS)
    parser.add_argument("--clock", type=bank_moment)
    known, pytest_arguments = parser.parse_known_args()
    steps = known.only or (PYTEST_STEPS if pytest_arguments else STEPS)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    # A shell has what it starts in the background ignore Ctrl-C; the servers under test are to hear it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="lianxin-test-") as state:
        if known.clock:
            os.environ.update(shifted_clock(known.clock, Path(state)))
        try:
            return Suite(pytest_arguments, Path(state)).run(steps)
        except KeyboardInterrupt:
            return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
