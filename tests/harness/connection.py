"""A WebSocket client with little overhead, for many clients in one event loop.

The benchmark shares the two cores with the servers that it measures. The client parses only the frame header, masks
with zeros, and hands over the payload undecoded. It accepts only the frames that our servers send: control frames, and
text frames that are uncompressed and not fragmented.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable, Mapping
from socket import SO_LINGER, SOL_SOCKET
from typing import cast
from urllib.parse import urlsplit

from tests.harness.raw_sockets import CLOSE, PONG, TEXT, frame, handshake

CLOSE_SECONDS = 1.0

# All open connections, so that the benchmark can close them at the end of a run.
open_connections: set[Connection] = set()


class Refused(ConnectionError):
    """The server answered the handshake with a status other than 101, or with compression."""


class Connection(asyncio.Protocol):
    """One WebSocket. `on_text` gets the payload of every text frame; `on_end` is called once when the connection is
    lost."""

    __slots__ = ("_buffer", "_ended", "_on_text", "_opened", "_transport", "close_code", "is_open", "on_end")

    def __init__(self, on_text: Callable[[bytes], None]) -> None:
        self.on_end: Callable[[Connection], None] | None = None
        self.is_open = False
        self.close_code: int | None = None
        self._on_text = on_text
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()

    # -- sending -------------------------------------------------------------------------------------------

    def send(self, payload: bytes) -> None:
        """Send a text frame. Does nothing if the connection is lost."""
        self._write(frame(TEXT, payload))

    def cut(self) -> None:
        """Drop the connection without a close frame, like a network failure.

        SO_LINGER 0 keeps our port out of the state TIME_WAIT.
        """
        self.is_open = False
        if self._transport is not None and not self._transport.is_closing():
            socket = self._transport.get_extra_info("socket")
            if socket is not None:
                socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    async def close(self) -> None:
        """Send a close frame, wait at most CLOSE_SECONDS for the server to end the connection, and then drop it."""
        if self.is_open:
            self._write(frame(CLOSE, struct.pack(">H", 1000)))
            await asyncio.wait([self._ended], timeout=CLOSE_SECONDS)
        self.cut()

    async def wait_until_ended(self) -> None:
        """Wait until the connection is lost. If `on_text` has raised an exception, raise it again."""
        await asyncio.shield(self._ended)

    def pause_reading(self) -> None:
        """Stop reading, so that the server's frames fill the buffers of the network."""
        assert self._transport is not None
        self._transport.pause_reading()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    # -- receiving --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports match asyncio.Transport but do not inherit from it.
        self._transport = cast(asyncio.Transport, transport)
        open_connections.add(self)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self.is_open:
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            self._handle_response(head)
        self._buffer = self._handle_frames(buffer)

    def _handle_response(self, head: bytes) -> None:
        status, *fields = head.split(b"\r\n")
        refusal = ""
        if b" 101 " not in status:
            refusal = status.decode("latin-1")
        elif any(field.lower().startswith(b"sec-websocket-extensions") for field in fields):
            refusal = "the server compresses, unlike the deployment in deploy/systemd"
        if refusal:
            if not self._opened.done():
                self._opened.set_exception(Refused(refusal))
            self.cut()
            return
        self.is_open = True
        if not self._opened.done():
            self._opened.set_result(None)

    def _handle_frames(self, buffer: bytes) -> bytes:
        """Handle the complete frames in the buffer and return the rest."""
        position, end = 0, len(buffer)
        while self.is_open and end - position >= 2:
            first, size = buffer[position], buffer[position + 1]
            start = position + 2
            if size == 126:
                start += 2
                size = int.from_bytes(buffer[position + 2 : start], "big")
            elif size == 127:
                start += 8
                size = int.from_bytes(buffer[position + 2 : start], "big")
            if end < start + size:
                break
            position = start + size
            self._handle_frame(first, buffer[start:position])
        return buffer[position:]

    def _handle_frame(self, first: int, payload: bytes) -> None:
        if first == 0x81:
            self._on_text(payload)
        elif first == 0x89:
            self._write(frame(PONG, payload))
        elif first == 0x88:
            if self.close_code is None:
                self._write(frame(CLOSE, payload[:2]))
            self.close_code = int.from_bytes(payload[:2], "big")
        elif first != 0x8A:
            raise AssertionError(f"unexpected frame: {first:#x}")

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        open_connections.discard(self)
        if not self._opened.done():
            self._opened.set_exception(error or ConnectionResetError("closed in the handshake"))
        if self.on_end is not None:
            self.on_end(self)
        # Errors other than network errors come from `on_text`.
        if error is not None and not isinstance(error, OSError):
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)


async def connect(
    url: str,
    on_text: Callable[[bytes], None],
    on_end: Callable[[Connection], None] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    seconds: float = 30.0,
) -> Connection:
    """Open a WebSocket at `url` (`ws://host:port/path`), with an Origin header of the same origin.

    Raises OSError or TimeoutError.
    """
    address = urlsplit(url)
    is_secure = address.scheme == "wss"
    connection = Connection(on_text)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                address.hostname or "",
                address.port or (443 if is_secure else 80),
                ssl=ssl.create_default_context() if is_secure else None,
            )
            connection._write(handshake(address.netloc, address.path, headers or {}, is_secure=is_secure))
            await connection._opened
        if not connection.is_open:
            raise ConnectionResetError("closed after the handshake")
    except BaseException:
        connection.cut()
        raise
    connection.on_end = on_end
    return connection
