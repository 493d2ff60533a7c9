"""The transport of a WebSocket: writing frames, backpressure, and aborting the connection.

ASGI's `send` costs four times as much as the write itself: for each frame and each reader a task, a message and the
server's own layers. Our frames are one header and a text that is encoded once for all readers, so they are written
straight to the server's transport. ASGI also has no means for backpressure and for aborting: Daphne's `send` never
waits, and Twisted keeps everything that a client does not read in memory without a limit (django/daphne #170);
uvicorn's `send` waits, but a socket that waits cannot be closed.
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
    """Return a text message as one unmasked frame, as a server sends it (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((_TEXT, length)) + payload
    if length < 65536:
        return struct.pack(">BBH", _TEXT, 126, length) + payload
    return struct.pack(">BBQ", _TEXT, 127, length) + payload


def _abort(reference: "weakref.ref[WebSocketTransport]") -> None:
    if (transport := reference()) is not None:
        transport.abort()


class WebSocketTransport:
    """The transport behind the ASGI `send` of Daphne or uvicorn. On any other server everything goes through `send`."""

    def __init__(self, send: Any) -> None:
        self._send = send
        # Daphne's `send` is a partial with its protocol as an argument; uvicorn's is a method of its protocol.
        self._protocol: Any = (
            send.args[0] if isinstance(send, partial) and send.args else getattr(send, "__self__", None)
        )
        self._transport: Any = getattr(self._protocol, "transport", object())
        # Set while the client does not read fast enough; the event fires once it has caught up.
        self._drained: asyncio.Event | None = None
        self._is_twisted = hasattr(self._transport, "registerProducer")
        self._is_uvicorn = hasattr(self._protocol, "close_sent")
        self._socket: Any = None
        self.meter: FrameMeter | None = None
        if self._is_uvicorn:
            self.meter = FrameMeter(self._protocol, self.stop_reading)
            self._transport.set_protocol(self.meter)
        if self._is_twisted:
            self.meter = FrameMeter(self._protocol, self.stop_reading)
            # Replace the protocol as Daphne does when it upgrades HTTP to WebSocket: a TLS transport wraps another.
            name = "wrappedProtocol" if hasattr(self._transport, "wrappedProtocol") else "protocol"
            setattr(self._transport, name, self.meter)
            if not getattr(self._transport, "TLS", True) and hasattr(self._transport, "_tempDataBuffer"):
                self._socket = self._transport.getHandle()
            # The producer was Twisted's HTTP channel of the handshake. Break its reference cycle with its request.
            getattr(self._transport.producer, "requests", []).clear()
            self._transport.unregisterProducer()
            self._transport.registerProducer(self, True)

    @property
    def is_disconnected(self) -> bool:
        """Whether the client has disconnected. The consumer receives that event only after its current work."""
        if self._is_twisted:
            return not self._transport.connected
        return bool(self._is_uvicorn and self._protocol.disconnected)

    def write(self, payload: bytes) -> bool:
        """Write a text message. Returns False if it cannot be written now, or only through `send`."""
        protocol = self._protocol
        if self._is_twisted:
            is_open = self._drained is None and protocol.state == protocol.STATE_OPEN
        elif self._is_uvicorn:
            is_open = protocol.writable.is_set() and not (protocol.close_sent or protocol.disconnected)
        else:
            return False
        if is_open:
            self._write_bytes(encode_frame(payload))
        return is_open

    def _write_bytes(self, data: bytes) -> None:
        if self._socket is not None and not (self._transport.dataBuffer or self._transport._tempDataBuffer):
            # Write to the kernel at once, as asyncio does, instead of waiting for the next run of the reactor.
            # An error means that the buffer is full or the connection has ended: Twisted finds out which.
            with suppress(OSError):
                data = data[self._socket.send(data) :]
            if not data:
                return
        self._transport.write(data)

    async def writable(self) -> None:
        """Wait until the client has read most of what was sent to it."""
        if self._drained is not None:
            await self._drained.wait()

    async def close(self, code: int) -> None:
        """Send a close frame with this code after everything sent before it."""
        if hasattr(self._protocol, "sendCloseFrame"):
            # Daphne itself does this for 1011: Autobahn's `sendClose` accepts only 1000 and 3000 to 4999.
            self._protocol.sendCloseFrame(code=code)
        else:
            await self._send({"type": "websocket.close", "code": code})

    def stop_reading(self) -> None:
        """Stop reading from the client: the kernel's buffer fills up and TCP makes the client wait."""
        if self._is_twisted:
            self._transport.pauseProducing()
        elif self._is_uvicorn:
            self._transport.pause_reading()

    def abort(self) -> None:
        """Drop the connection without a close frame, for a client that would not read one."""
        if hasattr(self._transport, "abortConnection"):
            self._transport.abortConnection()
        elif hasattr(self._transport, "abort"):
            # Reset the connection, as Twisted does: otherwise the kernel keeps retransmitting unread data for minutes.
            if (socket := self._transport.get_extra_info("socket")) is not None:
                # Setting the option fails if the connection has ended meanwhile.
                with suppress(OSError, ValueError):
                    socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def abort_later(self, seconds: float) -> None:
        """Abort the connection after `seconds` if it is still open.

        A weak reference is enough: the frame meter keeps this object alive as long as the connection is open.
        """
        asyncio.get_running_loop().call_later(seconds, _abort, weakref.ref(self))

    # Twisted's IPushProducer: Twisted pauses it while the client does not read fast enough.

    def pauseProducing(self) -> None:
        self._drained = self._drained or asyncio.Event()

    def resumeProducing(self) -> None:
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    def stopProducing(self) -> None:
        self.resumeProducing()
