"""Parses untrusted files in a child process with limits on memory, processor time and wall time.

A picture, a PDF or a spreadsheet of a few kilobytes can unpack to gigabytes. The server process only passes bytes on.
The child parses the file, writes its answer and exits, so its memory is always freed. The child does not inherit
the server's settings, hence no secrets, and cannot write files.
"""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

from chat.errors import TooFast
from core.database_threads import release_slot

MEMORY_BYTES = 640 * 1024 * 1024
PROCESSOR_SECONDS = 20
WALL_SECONDS = 40
# The maximum time in seconds for which a request waits for the child processes of earlier requests.
QUEUE_SECONDS = 30

_CHILD_SCRIPT = Path(__file__).with_name("sandbox_process.py")
# Each server process runs one child at a time, so that concurrent uploads need no more memory than one upload.
_slot = threading.BoundedSemaphore(1)


class LimitReached(Exception):
    """Raised when the child process exceeded its memory or time limit, or when its parser crashed."""


class SandboxResult(NamedTuple):
    """The answer of a sandbox script: its findings about the file (`header`), and the converted file (`content`)."""

    header: dict[str, Any]
    content: bytes


def run(script: Path, data: bytes, *arguments: str) -> SandboxResult:
    """Run a script on the file content `data` in a child process, and return the script's answer.

    The child calls the function `answer(data, *arguments)` of `script`, which must not import modules of this project.
    Raises LimitReached. Raises TooFast when other files occupy the only slot for more than QUEUE_SECONDS.
    """
    release_slot()
    if not _slot.acquire(timeout=QUEUE_SECONDS):
        raise TooFast
    try:
        return _run(script, data, arguments)
    finally:
        _slot.release()


def _run(script: Path, data: bytes, arguments: tuple[str, ...]) -> SandboxResult:
    limits = (str(MEMORY_BYTES), str(PROCESSOR_SECONDS))
    command = [sys.executable, "-I", "-B", str(_CHILD_SCRIPT), str(script), *limits, *arguments]
    try:
        child = subprocess.run(  # noqa: S603  (no part of the command comes from a user)
            command,
            input=data,
            capture_output=True,
            timeout=WALL_SECONDS,
            env={"LC_ALL": "C.UTF-8"},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LimitReached from error
    if child.returncode:
        raise LimitReached
    header, _newline, content = child.stdout.partition(b"\n")
    return SandboxResult(json.loads(header), content)
