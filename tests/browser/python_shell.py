"""A Python process with Django set up, in the environment of a server under test.

The browser tests prepare data about fifty times. `manage.py shell` would take two seconds of CPU time each time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping

from tests.harness.servers.process import ROOT, ServerFailed

# Reads one JSON string with code from each line and runs the code. Prints a JSON array of the code's output and its
# traceback, which is empty if the code did not fail.
LOOP = """
import contextlib, io, json, sys, traceback
import django
django.setup()
from django.db import connection
for line in sys.stdin:
    printed, error = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(printed):
            exec(json.loads(line), {})
    except Exception:
        error = traceback.format_exc()
    connection.close()
    print(json.dumps([printed.getvalue(), error]), flush=True)
"""


class PythonShell:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOOP],
            cwd=ROOT,
            env={**environment, "DJANGO_SETTINGS_MODULE": "config.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str) -> str:
        """Run code and return what it printed. Raises ServerFailed with the traceback if it fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise ServerFailed("the Python process of the tests has ended")
        printed, error = json.loads(answer)
        if error:
            raise ServerFailed(f"{code}\n{error}")
        return str(printed)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
