"""Counts the frames and bytes that a client sends, before the server's WebSocket library parses them.

Servers answer pings and reassemble fragments by themselves, so no consumer sees these frames. One read can contain
10,000 of them. The WebSocket libraries of Daphne and uvicorn both take a second for such a read, while every other
client waits. The meter parses frame headers only.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from chat import limits

# The maximum length of a frame from a client. A frame of our protocol has at most 16 KiB, but the libraries accept
# messages of 1 MiB and more (uvicorn: 16 MiB).
MAX_FRAME_BYTES = 256 * 1024
# Bytes charged for each read in addition to its own bytes. A client may send single bytes, and each read costs work.
READ_COST_BYTES = 256


def frame_length(data: bytes, at: int) -> int | None:
    """Return the length in bytes of the frame at offset `at`, header included (RFC 6455, 5.2).

    The result is None if the header is incomplete.
    """
    if len(data) - at < 2:
        return None
    second = data[at + 1]
    length, header = second & 127, 6 if second & 128 else 2
    if length >= 126:
        digits = 2 if length == 126 else 8
        if len(data) - at < 2 + digits:
            return None
        length, header = int.from_bytes(data[at + 2 : at + 2 + digits], "big"), header + digits
    return header + length


def _do_nothing() -> None:
    pass


class FrameCounter:
    """Counts the frames and bytes of one client against its rate limits."""

    def __init__(self) -> None:
        self._frames = limits.frames()
        self._bytes = limits.frame_bytes()
        # The first bytes of a header whose rest has not arrived.
        self._header = b""
        # Bytes of the current frame that have not arrived.
        self._payload_left = 0

    def is_within(self, data: bytes) -> bool:
        """Count received data. Returns False if it exceeds a limit."""
        if not self._bytes.take(len(data) + READ_COST_BYTES):
            return False
        if self._header:
            data, self._header = self._header + data, b""
        at, end = self._payload_left, len(data)
        while at < end:
            length = frame_length(data, at)
            if length is None:
                self._header, at = data[at:], end
            elif length > MAX_FRAME_BYTES or not self._frames.take():
                return False
            else:
                at += length
        self._payload_left = at - end
        return True


class FrameMeter(asyncio.Protocol):
    """A protocol that stands between the transport and the server's own protocol, for Twisted and for asyncio.

    When a client exceeds a limit, the transport is paused, the server's protocol gets no more data, and the callback of
    `watch` is called once.
    """

    def __init__(self, protocol: Any, pause: Callable[[], None]) -> None:
        self._protocol = protocol
        self._pause = pause
        self._count = FrameCounter()
        self._is_flooded = False
        self._on_flood: Callable[[], None] | None = None

    def watch(self, on_flood: Callable[[], None] | None) -> None:
        """Set the callback for a flood, or remove it with None. It is called at once if the flood has already begun."""
        self._on_flood = on_flood
        if self._is_flooded and on_flood is not None:
            on_flood()

    def data_received(self, data: bytes) -> None:
        if self._is_within(data):
            self._protocol.data_received(data)

    def _is_within(self, data: bytes) -> bool:
        if not self._is_flooded and self._count.is_within(data):
            return True
        # Pause each time: uvicorn resumes the transport whenever its application asks for the next frame.
        self._pause()
        if not self._is_flooded:
            self._is_flooded = True
            if self._on_flood is not None:
                self._on_flood()
        return False

    def eof_received(self) -> Any:
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)
        self._break_cycle()

    # Twisted calls the following methods by these names.

    def dataReceived(self, data: bytes) -> None:
        if self._is_within(data):
            self._protocol.dataReceived(data)

    def connectionLost(self, reason: Any) -> None:
        self._protocol.connectionLost(reason)
        self._break_cycle()

    def _break_cycle(self) -> None:
        """Break the reference cycle with the WebSocketTransport. Otherwise only the garbage collector would free the
        meter and the transport."""
        self._on_flood = self._protocol = None
        self._pause = _do_nothing
