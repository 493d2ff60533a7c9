"""A line between browser and server that can die without telling anybody, as a phone's does in a tunnel."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

from tests.harness.servers.process import HOST


class HalfOpenLine:
    """Hands on what both ends say, until `swallow`: WebSockets that are open then stay open, and nothing arrives.

    What is opened afterwards works. Requests do at all times: what of them is dead the browser finds out by itself.

    with HalfOpenLine(server.port) as line:
        page.goto(line.url)
        line.swallow()
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self._sockets: set[socket.socket] = set()
        self._swallowed: set[socket.socket] = set()
        self._given_up = threading.Event()
        self._door = socket.create_server((HOST, 0))
        self.port: int = self._door.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # A listening socket wakes its thread by shutdown, not by close.
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        with self._lock:
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def swallow(self) -> int:
        """Returns how many that are."""
        with self._lock:
            dead, self._sockets = self._sockets, set()
            self._swallowed |= dead
        return len(dead) // 2

    def is_given_up(self, within: float) -> bool:
        """Waits until one of the two ends has left a dead line."""
        return self._given_up.wait(within)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.create_connection((HOST, self._to))
                with self._lock:
                    self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._hand_on, args=(one, other), daemon=True).start()

    def _hand_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if data.startswith(b"GET /ws/"):
                    with self._lock:
                        self._sockets |= {one, other}
                if one not in self._swallowed:
                    other.sendall(data)
        # An end, too, is not told to the other once the line is dead.
        if one in self._swallowed:
            self._given_up.set()
        else:
            with suppress(OSError):
                other.shutdown(socket.SHUT_WR)
