"""The line under a socket: what goes out, whether the other end takes it, and how to cut it.

ASGI's `send` costs four times as much as what it sends: a task, a message, and the server's own layers for each frame
and each reader. A frame of ours is one header and a text that is encoded once for all readers, so it goes straight to
the transport. Nor has ASGI a word for the rest: Daphne's `send` never waits, and what a client does not read Twisted
keeps in memory without a limit (django/daphne #170); uvicorn's waits, but then cannot close.
"""

import asyncio
import struct
import weakref
from contextlib import suppress
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from chat.realtime.frame_meter import FrameMeter

# The first byte of a whole text message (RFC 6455, 5.2).
_TEXT = 0x81


def encode_frame(payload: bytes) -> bytes:
    """A text message as a server sends it: unmasked, in one frame."""
    length = len(payload)
    if length < 126:
        return bytes((_TEXT, length)) + payload
    if length < 65536:
        return struct.pack(">BBH", _TEXT, 126, length) + payload
    return struct.pack(">BBQ", _TEXT, 127, length) + payload


def _abort(line: "weakref.ref[WebSocketTransport]") -> None:
    if (alive := line()) is not None:
        alive.cut()


class WebSocketTransport:
    """Of the `send` that a server handed over. On a server that is neither of the two, `send` has to do it all."""

    def __init__(self, send: Any) -> None:
        self._send = send
        # Daphne hands over a partial with its protocol in it, uvicorn a method of its protocol.
        self._protocol: Any = (
            send.args[0] if isinstance(send, partial) and send.args else getattr(send, "__self__", None)
        )
        self._transport: Any = getattr(self._protocol, "transport", object())
        self._full: asyncio.Event | None = None
        self._is_twisted = hasattr(self._transport, "registerProducer")
        self._is_uvicorn = hasattr(self._protocol, "close_sent")
        self._socket: Any = None
        self.meter: FrameMeter | None = None
        if self._is_uvicorn:
            self.meter = FrameMeter(self._protocol, self.stop_reading)
            self._transport.set_protocol(self.meter)
        if self._is_twisted:
            self.meter = FrameMeter(self._protocol, self.stop_reading)
            # As Daphne puts the WebSocket's protocol in the place of HTTP's: over TLS the transport wraps one.
            name = "wrappedProtocol" if hasattr(self._transport, "wrappedProtocol") else "protocol"
            setattr(self._transport, name, self.meter)
            if not getattr(self._transport, "TLS", True) and hasattr(self._transport, "_tempDataBuffer"):
                self._socket = self._transport.getHandle()
            # Until now the producer was Twisted's HTTP channel, of the handshake. It and its request hold each other.
            getattr(self._transport.producer, "requests", []).clear()
            self._transport.unregisterProducer()
            self._transport.registerProducer(self, True)

    @property
    def is_gone(self) -> bool:
        """Whether the other end has left, which the consumer hears only after what it is doing now."""
        if self._is_twisted:
            return not self._transport.connected
        return bool(self._is_uvicorn and self._protocol.disconnected)

    def write(self, payload: bytes) -> bool:
        """Puts a text on the line. False where it cannot take one now, or only by `send`."""
        protocol = self._protocol
        if self._is_twisted:
            is_open = self._full is None and protocol.state == protocol.STATE_OPEN
        elif self._is_uvicorn:
            is_open = protocol.writable.is_set() and not (protocol.close_sent or protocol.disconnected)
        else:
            return False
        if is_open:
            self._put(encode_frame(payload))
        return is_open

    def _put(self, data: bytes) -> None:
        if self._socket is not None and not (self._transport.dataBuffer or self._transport._tempDataBuffer):
            # As asyncio does it: what the kernel takes at once need not wait for a turn of the reactor.
            # On an error it is full, or has gone: Twisted finds out which.
            with suppress(OSError):
                data = data[self._socket.send(data) :]
            if not data:
                return
        self._transport.write(data)

    async def writable(self) -> None:
        """Returns once the other end has taken most of what it was sent."""
        if self._full is not None:
            await self._full.wait()

    async def close(self, code: int) -> None:
        """Closes with a code, after what was sent before it."""
        if hasattr(self._protocol, "sendCloseFrame"):
            # As Daphne itself does for 1011: `sendClose` of Autobahn refuses every code but 1000 and 3000 to 4999.
            self._protocol.sendCloseFrame(code=code)
        else:
            await self._send({"type": "websocket.close", "code": code})

    def stop_reading(self) -> None:
        """Leave what the other end sends in the kernel, which then makes it wait."""
        if self._is_twisted:
            self._transport.pauseProducing()
        elif self._is_uvicorn:
            self._transport.pause_reading()

    def cut(self) -> None:
        """Drops the connection without a goodbye: for an end that does not read one."""
        if hasattr(self._transport, "abortConnection"):
            self._transport.abortConnection()
        elif hasattr(self._transport, "abort"):
            # As Twisted does it: otherwise the kernel keeps what was not read, and offers it for minutes.
            if (socket := self._transport.get_extra_info("socket")) is not None:
                # It fails where the connection has ended meanwhile.
                with suppress(OSError, ValueError):
                    socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def cut_later(self, seconds: float) -> None:
        """Drop the connection then, if it is still there: while it is, its meter keeps this line."""
        asyncio.get_running_loop().call_later(seconds, _abort, weakref.ref(self))

    # What Twisted calls: the methods of its IPushProducer.

    def pauseProducing(self) -> None:
        self._full = self._full or asyncio.Event()

    def resumeProducing(self) -> None:
        if self._full is not None:
            self._full.set()
            self._full = None

    def stopProducing(self) -> None:
        self.resumeProducing()
