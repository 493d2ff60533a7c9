"""The meter before a socket: frames and bytes from the client, counted before the server's library reads them.

Servers answer pings and gather fragments by themselves, so no consumer sees them, and 10,000 of them fit into one read:
both libraries then work for a second while everybody else waits. The meter looks at frame headers alone.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from chat import limits

# The libraries allow a message of a mebibyte and more (uvicorn 16); a frame of the protocol has 16 KiB.
MAX_FRAME_BYTES = 256 * 1024
# What a read costs besides its bytes: a client may send them one by one.
READ_COST_BYTES = 256


def frame_length(data: bytes, at: int) -> int | None:
    """Return the bytes of the frame that begins there, header included (RFC 6455, 5.2); None if that is cut off."""
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
    """The frames and bytes of one client against its limits."""

    def __init__(self) -> None:
        self._frames = limits.frames()
        self._bytes = limits.frame_bytes()
        # The first bytes of a header that was cut off, or how many bytes are left of a frame that was.
        self._header = b""
        self._payload_left = 0

    def is_within(self, data: bytes) -> bool:
        """Count what came; False once it is too much."""
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
    """Stands between the transport and the server's protocol, of Twisted or of asyncio.

    Once there was too much, the transport is paused, the protocol gets nothing more, and the watcher is called once.
    """

    def __init__(self, protocol: Any, pause: Callable[[], None]) -> None:
        self._protocol = protocol
        self._pause = pause
        self._count = FrameCounter()
        self._is_flooded = False
        self._on_flood: Callable[[], None] | None = None

    def watch(self, on_flood: Callable[[], None] | None) -> None:
        """Have it called at the flood, at once if that has been; None to forget it."""
        self._on_flood = on_flood
        if self._is_flooded and on_flood is not None:
            on_flood()

    def data_received(self, data: bytes) -> None:
        if self._is_within(data):
            self._protocol.data_received(data)

    def _is_within(self, data: bytes) -> bool:
        if not self._is_flooded and self._count.is_within(data):
            return True
        # Each time: uvicorn resumes a transport whenever its application asks for the next frame.
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
        self._let_go()

    # The names that Twisted calls.

    def dataReceived(self, data: bytes) -> None:
        if self._is_within(data):
            self._protocol.dataReceived(data)

    def connectionLost(self, reason: Any) -> None:
        self._protocol.connectionLost(reason)
        self._let_go()

    def _let_go(self) -> None:
        """Break the reference cycle with the line, which would stay until the garbage collector comes."""
        self._on_flood = self._protocol = None
        self._pause = _do_nothing
