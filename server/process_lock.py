"""One server process on one SQLite database: a lock on a file in the state folder.

The kernel keeps it for the process that holds the descriptor and drops it when that process ends, however it ends;
so no lock is ever left behind.
"""

import fcntl
import os
from pathlib import Path

NAME = "server.lock"


class AlreadyRunning(Exception):
    """Another process has the lock. `words` is what it wrote beside it: where it can be found."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def acquire(folder: Path, words: str = "") -> int:
    """Takes the lock until the returned descriptor is closed or the process ends. Raises Held."""
    descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        written = os.read(descriptor, 200).decode("utf-8", "replace")
        os.close(descriptor)
        raise AlreadyRunning(written) from None
    if words:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, words.encode())
    return descriptor
