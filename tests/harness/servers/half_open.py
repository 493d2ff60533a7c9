"""A TCP proxy between browser and server whose connections can die silently, as a phone's connection does in a
tunnel."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

from tests.harness.servers.process import HOST


class HalfOpenProxy:
    """Forwards data in both directions. `swallow` makes all open WebSockets half-open: they stay open, but deliver
    nothing any more.

    WebSockets that are opened later work. HTTP requests always pass, because browsers detect failed requests
    themselves.

        with HalfOpenProxy(server.port) as proxy:
            page.goto(proxy.url)
            proxy.swallow()
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self._sockets: set[socket.socket] = set()
        self._swallowed: set[socket.socket] = set()
        self._given_up = threading.Event()
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # `shutdown` wakes the thread blocked in `accept`; `close` would not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def swallow(self) -> int:
        """Make the open WebSockets half-open; return their number."""
        with self._lock:
            dead, self._sockets = self._sockets, set()
            self._swallowed |= dead
        return len(dead) // 2

    def is_given_up(self, within: float) -> bool:
        """Wait at most `within` seconds until the client or the server closes its side of a half-open connection.
        Return whether one of them has."""
        return self._given_up.wait(within)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                browser_end, _ = self._listener.accept()
                server_end = socket.create_connection((HOST, self._server_port))
                with self._lock:
                    self._ends += [browser_end, server_end]
                for source, target in ((browser_end, server_end), (server_end, browser_end)):
                    threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if data.startswith(b"GET /ws/"):
                    with self._lock:
                        self._sockets |= {source, target}
                if source not in self._swallowed:
                    target.sendall(data)
        # On a half-open connection, neither end learns that the other has closed it.
        if source in self._swallowed:
            self._given_up.set()
        else:
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)
