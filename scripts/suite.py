"""Check everything: `scripts/test [--only STEP]... [what pytest takes]`.

The steps, in their order; all of them run even when one fails, and the exit code says whether any did:

  lint      types, imports, style, templates, migrations, translations
  js        node --test on tests/js
  sqlite    pytest, the tests marked both_databases, with neither PostgreSQL nor Redis
  main      pytest, everything but the browser, on a PostgreSQL and a Redis of its own
  faults    a short run of the fault checker (docs/faults.md), with servers of its own
  browser   pytest tests/browser, in a process of its own: Playwright's event loop and Django's guard
            against queries from asynchronous code do not bear each other in one

With arguments for pytest, only the steps that run pytest do. A server that cannot start fails the steps that
need it. The last line printed is pytest's own; what came before it is summed up above it.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import pytest

from scripts.checks import run_checks
from tests.servers import PrivatePostgres, PrivateRedis, ServerFailed

ROOT = Path(__file__).resolve().parent.parent
BROWSER_TESTS = "tests/browser"
STEPS = ("lint", "js", "sqlite", "main", "faults", "browser")
PYTEST_STEPS = ("sqlite", "main", "browser")
NOTHING_SELECTED = "nothing selected"
CHILD_STOP_SECONDS = 60


@dataclass
class Suite:
    """One run: what was asked for, the servers it has started, and how each step went."""

    pytest_arguments: Sequence[str]
    state: Path
    servers: ExitStack
    failed: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    ran_a_test: bool = False
    _bank: dict[str, str] = field(default_factory=dict)

    def run(self, steps: Sequence[str]) -> int:
        """Run the steps, say how they went, and return the exit code."""
        steps = [step for step in STEPS if step in steps and self.paths(step)]
        for step in steps:
            is_last_and_pytest = step == steps[-1] and step in PYTEST_STEPS
            if is_last_and_pytest and self.summary:
                print("", "So far:", *self.summary, f"and last, {step}:", sep="\n")
            print(f"\n== {step}", flush=True)
            began = time.monotonic()
            try:
                words: str = getattr(self, step)()
            except ServerFailed as error:
                print(error)
                words = "a server failed"
            if words and words != NOTHING_SELECTED:
                self.failed.append(step)
            went = "FAILED" if step in self.failed else "passed"
            took = time.monotonic() - began
            self.summary.append(f"  {step:<8} {went} {took:6.1f} s  {words}".rstrip())
            if step == steps[-1] and not is_last_and_pytest:
                print("", *self.summary, sep="\n")
        found_no_test = set(steps) & set(PYTEST_STEPS) and not self.ran_a_test
        return 1 if self.failed or found_no_test or not steps else 0

    # The steps. Each returns "" when it passed, otherwise why not.

    def lint(self) -> str:
        failed = run_checks(self.environment({}))
        return ", ".join(failed)

    def js(self) -> str:
        files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/js").rglob("*.test.js"))
        if not files:
            return "tests/js holds no test"
        return failure(call(["node", "--test", "--test-reporter=spec", *files], self.environment({})))

    def sqlite(self) -> str:
        return self.pytest("sqlite", self.environment({}), "-m", "both_databases")

    def main(self) -> str:
        return self.pytest("main", self.with_servers(), f"--ignore={BROWSER_TESTS}")

    def faults(self) -> str:
        command = [sys.executable, "-m", "tests.faults", "--short", "--visitors", "12"]
        return failure(call(command, self.environment({})))

    def browser(self) -> str:
        return self.pytest("browser", self.with_servers())

    # What they share.

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return our environment with these LIANXIN_ settings and no others: a run depends on nobody's."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIANXIN_")}
        return {**inherited, "LIANXIN_STATE_DIR": str(self.state), **settings}

    def with_servers(self) -> dict[str, str]:
        """Return the environment of a bank's set-up; its servers start the first time it is asked for."""
        if not self._bank:
            postgres = self.servers.enter_context(PrivatePostgres())
            redis = self.servers.enter_context(PrivateRedis())
            self._bank = {
                "LIANXIN_DATABASE_URL": postgres.url,
                "LIANXIN_REDIS_URL": redis.url,
                "LIANXIN_SECRET_KEY": secrets.token_urlsafe(48),
            }
        return self.environment(self._bank)

    def paths(self, step: str) -> list[str]:
        """Return the tests that a step runs: those of its kind that were named, or all of its kind."""
        named = [word for word in self.pytest_arguments if is_path(word)]
        if not named:
            return [BROWSER_TESTS if step == "browser" else "tests"]
        return [word for word in named if word.startswith(BROWSER_TESTS) == (step == "browser")]

    def pytest(self, step: str, environment: Mapping[str, str], *ours: str) -> str:
        options = [word for word in self.pytest_arguments if not is_path(word)]
        code = call([sys.executable, "-m", "pytest", *options, *ours, *self.paths(step)], environment)
        if code == pytest.ExitCode.NO_TESTS_COLLECTED:
            return NOTHING_SELECTED if self.pytest_arguments else "there is no such test"
        self.ran_a_test = True
        return failure(code)


def is_path(word: str) -> bool:
    """Tell a test that is named (`tests/chat/test_post.py::test_repeat`) from an option of pytest."""
    return word.startswith("tests") and (ROOT / word.split("::")[0]).exists()


def failure(code: int) -> str:
    return f"exit code {code}" if code else ""


def call(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program to its end and return its exit code. If we are told to stop, it is, and may clean up."""
    with subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL) as child:
        try:
            return child.wait()
        except BaseException as error:
            # Ctrl-C has reached the child as well; a second signal would interrupt its cleaning up.
            if not isinstance(error, KeyboardInterrupt):
                child.terminate()
            try:
                child.wait(CHILD_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
            raise


def stop(number: int, _: FrameType | None) -> None:
    """Turn a signal to end into an exception, once: servers and folders are removed on the way out."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser("scripts/test", allow_abbrev=False)
    parser.add_argument("--only", action="append", choices=STEPS)
    known, pytest_arguments = parser.parse_known_args()
    steps = known.only or (PYTEST_STEPS if pytest_arguments else STEPS)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    # A shell has what it starts in the background ignore Ctrl-C; the servers under test are to hear it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with ExitStack() as servers:
        state = Path(servers.enter_context(tempfile.TemporaryDirectory(prefix="lianxin-test-")))
        try:
            return Suite(pytest_arguments, state, servers).run(steps)
        except KeyboardInterrupt:
            return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
