"""A server of a test run: a child process with a folder, a log and a port."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"


class ServerFailed(RuntimeError):
    """A server's program is missing or failed, or a server did not start or did not stop in time. If the server's
    process has been started, the message of a failed start or stop ends with the last part of the server's log."""


def free_port() -> int:
    """Return a loopback port on which no program listens, below the kernel's ephemeral range.

    The kernel could give an ephemeral port to an outgoing connection before our server binds it.
    """
    for port in random.SystemRandom().sample(range(20_000, 30_000), 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ServerFailed("no free port between 20000 and 30000")


class Server:
    """A child process of a test run. Subclasses define its command, and the condition under which it is ready."""

    name = "server"
    start_seconds = 180.0
    stop_signal = signal.SIGTERM
    stop_seconds = 60.0

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"lianxin-{self.name}-"))
        # Remove the folder even if the server is never started and only its `manage.py` is used.
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._log_path = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    # Subclasses override these methods.

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return os.environ

    def owner(self) -> pwd.struct_passwd | None:
        """Return the account that runs the server, or None for the account that runs the tests."""
        return None

    # Tests use the following methods.

    @property
    def log(self) -> str:
        """Everything the server has written since it was first started."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerFailed(f"{self.name} is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return once it answers. Starting a running server does nothing."""
        if self.is_running:
            return
        owner = self.owner()
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder if owner else ROOT,
                env=dict(self.environment()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=owner.pw_uid if owner else None,
                group=owner.pw_gid if owner else None,
                extra_groups=[] if owner else None,
                # Start the server in its own session, so that Ctrl-C at a terminal reaches only the tests. The tests
                # then end the servers in order.
                start_new_session=True,
            )
        self.wait_until(self.is_ready, f"{self.name} did not answer on port {self.port}")

    def wait_until(self, is_true: Callable[[], bool], otherwise: str) -> None:
        """Wait until `is_true()`; raise `ServerFailed` after `start_seconds`, or if the process has ended."""
        deadline = time.monotonic() + self.start_seconds
        while not is_true():
            if not self.is_running:
                raise self.failure(f"{self.name} ended while starting")
            if time.monotonic() > deadline:
                raise self.failure(otherwise)
            # The process cannot notify us, so poll.
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server as an operator would, and wait until it has ended. Stopping a stopped server does nothing."""
        self.send_signal(self.stop_signal)
        self.wait()

    def kill(self) -> None:
        """End the server at once with SIGKILL."""
        self.send_signal(signal.SIGKILL)
        self.wait()

    def restart(self) -> None:
        """Stop the server and start it again on the same port with the same data."""
        self.stop()
        self.start()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's process, for example SIGSTOP and SIGCONT for a stall."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self) -> int | None:
        """Wait until the server ends and return the exit code, or None if it was never started. After `stop_seconds`,
        kill it and raise `ServerFailed`."""
        if self._process is None:
            return None
        try:
            return self._process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise self.failure(f"{self.name} did not stop within {self.stop_seconds:.0f} s") from None

    def failure(self, message: str) -> ServerFailed:
        return ServerFailed(f"{message}\n--- end of its log ---\n{self.log[-4000:]}")

    def close(self) -> None:
        """End the server, whatever its state, and remove its folder."""
        try:
            self.send_signal(signal.SIGCONT)  # A process stopped by SIGSTOP would not receive the signal.
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
