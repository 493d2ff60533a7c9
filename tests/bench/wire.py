"""The WebSocket client of the load: a browser's handshake and text frames, at the lowest cost.

The client must cost little beside the servers that it measures on the same two cores. It parses only the
frame header, masks with one operation on big integers, and hands over the payload undecoded.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET
from typing import cast
from urllib.parse import urlsplit

MASK = b"\x9a\x3c\x51\xe7"
_MASK_2K = MASK * 512
# More handshakes at once than the kernel's listen backlog would be refused on loopback, which would say
# nothing about the server.
HANDSHAKES_AT_ONCE = 100
HANDSHAKE_SECONDS = 30.0

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


# All open sockets, so that none is left when the load is over.
open_sockets: set[WebSocket] = set()


class Refused(ConnectionError):
    """The handshake was answered with another status than 101."""


class WebSocket(asyncio.Protocol):
    """One WebSocket. `on_text` gets the payload of every text frame; `on_end` is called once, when the
    connection is lost."""

    __slots__ = ("_buffer", "_opened", "_transport", "close_code", "is_open", "on_end", "on_text")

    def __init__(self) -> None:
        self.on_text: Callable[[bytes], None] = _ignore
        self.on_end: Callable[[], None] | None = None
        self.is_open = False
        self.close_code: int | None = None
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] | None = None

    # -- sending -------------------------------------------------------------------------------------------

    def say(self, payload: bytes) -> None:
        self._send(TEXT, payload)

    def cut(self) -> None:
        """Drop the connection without a close frame, like a network failure. SO_LINGER 0 keeps our port out
        of TIME_WAIT."""
        self.is_open = False
        if self._transport is not None and not self._transport.is_closing():
            socket = self._transport.get_extra_info("socket")
            if socket is not None:
                socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def _send(self, opcode: int, payload: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        size = len(payload)
        head = bytes((0x80 | opcode, 0x80 | size)) if size < 126 else bytes((0x80 | opcode, 0xFE))
        if size >= 126:
            head += size.to_bytes(2, "big")
        mask = _MASK_2K[:size] if size <= 2048 else (MASK * (size // 4 + 1))[:size]
        masked = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
        self._transport.write(head + MASK + masked.to_bytes(size, "big"))

    # -- receiving --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports match asyncio.Transport but do not inherit from it.
        self._transport = cast(asyncio.Transport, transport)
        open_sockets.add(self)

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
        assert self._opened is not None
        status, *fields = head.split(b"\r\n")
        if b" 101 " not in status:
            if not self._opened.done():
                self._opened.set_exception(Refused(status.decode("latin-1")))
            self.cut()
            return
        if any(field.lower().startswith(b"sec-websocket-extensions") for field in fields):
            self._opened.set_exception(
                Refused("the server compresses, unlike the deployment in deploy/systemd")
            )
            self.cut()
            return
        self.is_open = True
        if not self._opened.done():
            self._opened.set_result(None)

    def _handle_frames(self, buffer: bytes) -> bytes:
        """Handle the complete frames in the buffer and return the rest."""
        position, end = 0, len(buffer)
        while end - position >= 2:
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
            self.on_text(payload)
        elif first == 0x89:
            self._send(PONG, payload)
        elif first == 0x88:
            self.close_code = int.from_bytes(payload[:2], "big")
            self._send(CLOSE, payload[:2])
        elif first != 0x8A:
            raise AssertionError(f"unexpected frame: {first:#x}")

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        open_sockets.discard(self)
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(error or ConnectionResetError("closed in the handshake"))
        if self.on_end is not None:
            self.on_end()


async def connect(
    url: str,
    path: str,
    *,
    on_text: Callable[[bytes], None],
    on_end: Callable[[], None] | None = None,
    cookie: str = "",
) -> WebSocket:
    """Open a WebSocket as Chrome does, which also offers compression. `url` is `ws://host:port`."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[None] = loop.create_future()
    head = [
        f"GET {path} HTTP/1.1",
        f"Host: {address.netloc}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        f"Origin: http://{address.netloc}",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
        "Accept-Language: zh-CN,zh;q=0.9,en;q=0.8",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    ]
    if cookie:
        head.append(f"Cookie: {cookie}")
    client = WebSocket()
    client.on_text = on_text
    client._opened = opened
    try:
        await loop.create_connection(lambda: client, address.hostname or "", address.port or 80)
        assert client._transport is not None
        client._transport.write(("\r\n".join(head) + "\r\n\r\n").encode())
        await asyncio.wait_for(opened, HANDSHAKE_SECONDS)
    except BaseException:
        client.cut()
        raise
    client.on_end = on_end
    return client


def _ignore(payload: bytes) -> None:
    pass
