"""A file lock that allows only one server process on an SQLite database.

The kernel releases the lock when the process that holds it ends, even if it is killed, so no stale lock is left behind.
"""

import fcntl
import os
from pathlib import Path

NAME = "server.lock"


class AlreadyRunning(Exception):
    """Another process holds the lock. `owner_info` is the text that it wrote into the file, such as its address."""

    def __init__(self, owner_info: str) -> None:
        super().__init__(owner_info)
        self.owner_info = owner_info


def acquire(folder: Path, owner_info: str = "") -> int:
    """Acquire the lock and write `owner_info` into its file; return the file descriptor.

    The lock is held until the descriptor is closed or the process ends. Raises AlreadyRunning.
    """
    descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        current_owner_info = os.read(descriptor, 200).decode("utf-8", "replace")
        os.close(descriptor)
        raise AlreadyRunning(current_owner_info) from None
    if owner_info:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, owner_info.encode())
    return descriptor
