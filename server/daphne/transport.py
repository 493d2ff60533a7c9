"""The transport of a WebSocket on Daphne.

Daphne's `send` never waits: Twisted keeps in memory everything that a client has not read yet, without any limit
(django/daphne #170). Twisted's own transport, which this module uses instead, has backpressure and can abort.
"""

import asyncio
import struct
from functools import partial
from typing import Any

from daphne.ws_protocol import WebSocketProtocol

from chat.realtime.frame_meter import FrameMeter
from chat.realtime.transport import WebSocketTransport

# Seconds to wait for the peer's close frame. Autobahn waits one second and then resets the connection, so a slow client
# would lose the last frame: `bye`, which contains the time to reconnect.
CLOSE_SECONDS = 6.0
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


def transport_of(send: Any) -> "DaphneTransport":
    """Return the transport for the ASGI `send` of a WebSocket on Daphne.

    There, `send` is a partial whose first argument is the protocol. Raises TypeError for any other `send`, because
    floods and slow readers would not be limited on it.
    """
    protocol = send.args[0] if isinstance(send, partial) and send.args else None
    if not isinstance(protocol, WebSocketProtocol):
        raise TypeError(f"{send} is not that of Daphne's WebSocketProtocol")
    return DaphneTransport(send, protocol)


class DaphneTransport(WebSocketTransport):
    """The transport of a WebSocket on Daphne: writes through Autobahn's protocol and Twisted's transport."""

    def __init__(self, send: Any, protocol: Any) -> None:
        super().__init__(send)
        self._protocol = protocol
        self._transport: Any = protocol.transport
        # The event exists while the client does not read fast enough. It fires when the client has caught up.
        self._drained: asyncio.Event | None = None
        self.meter = FrameMeter(protocol, self.stop_reading)
        # Put the meter in place of the protocol, as Daphne does with its own protocol at the upgrade to WebSocket. A
        # TLS transport wraps the protocol.
        if hasattr(self._transport, "wrappedProtocol"):
            self._transport.wrappedProtocol = self.meter
        else:
            self._transport.protocol = self.meter
            # The producer is Twisted's HTTP channel of the handshake. Break the reference cycle between the channel and
            # its request.
            if self._transport.producer is not None:
                self._transport.producer.requests.clear()
        self._transport.unregisterProducer()
        self._transport.registerProducer(self, True)
        # An option of Autobahn, which may be set for each connection.
        protocol.closeHandshakeTimeout = CLOSE_SECONDS
        # `is_closed` is a future whose result is the protocol itself. Break that reference cycle (server/gc_tuning.py).
        protocol.is_closed.addCallback(_drop_result)

    @property
    def is_disconnected(self) -> bool:
        return not self._transport.connected

    def write(self, payload: bytes) -> bool:
        protocol = self._protocol
        if self._drained is not None or protocol.state != protocol.STATE_OPEN:
            return False
        # A direct write takes half the time of `send`, which creates a task and passes through the layers of Daphne and
        # Autobahn (docs/performance.md, section Patches).
        self._transport.write(encode_frame(payload))
        return True

    async def writable(self) -> None:
        if self._drained is not None:
            await self._drained.wait()

    async def close(self, code: int) -> None:
        # Autobahn's `sendClose`, which ASGI's `send` calls, refuses the code 1012. Daphne itself calls `sendCloseFrame`
        # for the code 1011.
        self._protocol.sendCloseFrame(code=code)

    def stop_reading(self) -> None:
        self._transport.pauseProducing()

    def abort(self) -> None:
        self._transport.abortConnection()

    # The methods of Twisted's IPushProducer. Twisted pauses the producer while the client does not read fast enough.

    def pauseProducing(self) -> None:
        self._drained = self._drained or asyncio.Event()

    def resumeProducing(self) -> None:
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    def stopProducing(self) -> None:
        self.resumeProducing()


def _drop_result(_: object) -> None:
    pass
