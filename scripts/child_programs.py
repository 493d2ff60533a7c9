"""The programs that a run of the checks and tests has started, and their end when the run is interrupted."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
CHILD_STOP_SECONDS = 60


class Stopped(Exception):
    """Raised instead of starting a program when the run is already stopping."""


class ChildPrograms:
    """Runs programs and stops all of them together. Several threads may use it at the same time."""

    def __init__(self) -> None:
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._is_stopping = False

    def run(self, command: Sequence[str], environment: Mapping[str, str], output: TextIO) -> int:
        """Run a program, wait until it ends, and return its exit code. Raises Stopped if the run is stopping."""
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
            # A signal interrupts the wait only in a step that runs alone, because signals never reach the threads of
            # parallel steps.
            self.stop(terminate=not isinstance(error, KeyboardInterrupt))
            raise
        finally:
            with self._lock:
                self._children.discard(child)

    def stop(self, *, terminate: bool) -> None:
        """Stop the run: start no more programs, wait at most CHILD_STOP_SECONDS for the running ones, then kill
        them."""
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
