"""The Lianxin server of a test run."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from tests.harness.servers.prepared import prepare_database, prepare_static
from tests.harness.servers.process import HOST, ROOT, Server, ServerFailed

# The environment variable that `scripts/test --slow` sets for the servers of the browser tests.
SLOW = "TESTS_SLOW"


class AppServer(Server):
    """Lianxin started as a bank starts it: `migrate`, `collectstatic`, then Daphne or uvicorn.

    `env` must hold every LIANXIN_ variable that the test needs, because none is inherited from the test run. Only
    LIANXIN_STATE_DIR has a default, a folder that is removed with the server. `prepare=False` skips `migrate` and
    `collectstatic`, for a second process that shares the database and files of the first one. `application` names an
    ASGI application other than production's, for tests that cause errors on purpose.
    """

    name = "app"

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        server: Literal["daphne", "uvicorn"] = "daphne",
        options: Sequence[str] = (),
        prepare: bool = True,
        application: str = "config.asgi:application",
    ) -> None:
        super().__init__()
        self._server = server
        self._options = list(options)
        self._prepare = prepare
        self._application = application
        self._env = {"LIANXIN_STATE_DIR": str(self.folder / "state"), **env}

    @property
    def url(self) -> str:
        """The base URL of the server, without a trailing slash."""
        return f"http://{HOST}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{HOST}:{self.port}"

    def environment(self) -> Mapping[str, str]:
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("LIANXIN_", "DJANGO_"))
        }
        return inherited | {"PYTHONUNBUFFERED": "1"} | self._env

    def command(self) -> Sequence[str | Path]:
        if self._server == "daphne":
            return [
                *(sys.executable, "-m", "daphne"),
                *("--endpoint", f"tcp:port={self.port}:interface={HOST}:backlog=4096"),
                *self._options,
                self._application,
            ]
        return [
            *(sys.executable, "-m", "uvicorn", "--host", HOST, "--port", str(self.port)),
            *self._options,
            self._application,
        ]

    def manage(self, *arguments: str) -> str:
        """Run `manage.py` in the server's environment; return what it printed or raise `ServerFailed`."""
        result = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=dict(self.environment()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if result.returncode:
            raise ServerFailed(f"manage.py {' '.join(arguments)} failed:\n{result.stdout}{result.stderr}")
        return result.stdout

    def prepare(self) -> None:
        """Create the tables in the server's empty database, and collect its static files."""
        self.migrate()
        self.collect()
        self._prepare = False

    def migrate(self) -> None:
        """Create the tables in the server's empty database."""
        prepare_database(self.environment(), self.manage)

    def collect(self) -> None:
        """Collect the server's static files."""
        prepare_static(self.environment(), self.manage)

    def start(self) -> None:
        if self._prepare:
            self.prepare()
        super().start()

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
