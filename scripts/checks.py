"""The checks of `make lint`: linters and other programs that check the project without running it.

Several of them run at the same time.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent
TSC = "node_modules/.bin/tsc"

# The settings of a bank's production server, as docs/operate.md requires them. The check does not connect to PostgreSQL
# and Redis.
BANK = {
    "LIANXIN_SECRET_KEY": secrets.token_urlsafe(48),
    "LIANXIN_ALLOWED_HOSTS": "chat.bank.example",
    "LIANXIN_OWN_ORIGINS": "https://chat.bank.example",
    "LIANXIN_BEHIND_TLS": "1",
    "LIANXIN_PROXY_COUNT": "1",
    "LIANXIN_DATABASE_URL": "postgres://lianxin@127.0.0.1:9/lianxin",
    "LIANXIN_REDIS_URL": "redis://127.0.0.1:9/0",
}


@dataclass(frozen=True)
class Check:
    """A program to run as a check, and the environment variables to add for it. Exit code 0 means that the check
    passes."""

    name: str
    command: Sequence[str | Path]
    settings: Mapping[str, str] = field(default_factory=dict)


CHECKS = [
    # The longest check comes first, so that the others can run on the second core meanwhile.
    Check("types (mypy)", [PROGRAMS / "mypy", "--no-error-summary"]),
    Check("style (ruff)", [PROGRAMS / "ruff", "check", "--output-format=concise", "."]),
    Check(
        "layout (ruff; make format)", [PROGRAMS / "ruff", "format", "--check", "--output-format=concise", "."]
    ),
    Check("imports (import-linter)", [PROGRAMS / "lint-imports", "--no-logo"]),
    Check("templates (djlint)", [PROGRAMS / "djlint", "--lint", "--quiet", "--use-gitignore", "."]),
    Check("types of the browser code (tsc)", [TSC, "--project", "jsconfig.json"]),
    Check("types of the browser code's tests (tsc)", [TSC, "--project", "tests/js/jsconfig.json"]),
    Check("migrations", [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"]),
    Check(
        "settings of a bank", [sys.executable, "manage.py", "check", "--deploy", "--fail-level=WARNING"], BANK
    ),
    Check("translations", [sys.executable, "-m", "scripts.catalogue", "check"]),
    Check("prose", [sys.executable, "-m", "scripts.prose"]),
]


def run_checks(environment: Mapping[str, str], output: TextIO) -> list[str]:
    """Run every check and return the names of the failed ones.

    Print the result of each check, and the output of failed checks.
    """

    def run(check: Check) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            check.command,
            cwd=ROOT,
            env={**environment, **check.settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    failed = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for check, result in zip(CHECKS, pool.map(run, CHECKS), strict=True):
            print(f"  {'passed' if result.returncode == 0 else 'FAILED'}  {check.name}", file=output)
            if result.returncode:
                failed.append(check.name)
                print(result.stdout, file=output)
    return failed
