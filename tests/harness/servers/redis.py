"""A private Redis for a test run."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from tests.harness.servers.process import HOST, Server, ServerFailed


class PrivateRedis(Server):
    """A private Redis without persistence: after a restart it is empty."""

    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def command(self) -> Sequence[str | Path]:
        program = shutil.which("redis-server")
        if program is None:
            raise ServerFailed("redis-server is not installed; on Debian: apt-get install redis-server")
        return [
            program,
            *("--port", str(self.port), "--bind", HOST, "--dir", self.folder),
            *("--save", "", "--appendonly", "no", "--daemonize", "no"),
        ]

    def is_ready(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64) == b"+PONG\r\n"
        except OSError:
            return False
