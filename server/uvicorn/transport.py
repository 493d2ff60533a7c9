"""The transport of a WebSocket on uvicorn.

uvicorn's `send` waits for a slow client. While `send` waits, the socket cannot be closed, but its asyncio transport can
be aborted.
"""

import asyncio
import struct
from contextlib import suppress
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import Server

from chat.realtime.frame_meter import FrameMeter
from chat.realtime.transport import WebSocketTransport
from server.library_internals import Internal

# The version of uvicorn whose internals this code was written against. A test compares it with the installed version.
VERSIONS = {"uvicorn": "0.54.0"}

INTERNALS = (
    Internal(WebSocketsSansIOProtocol, "__init__", ("transport", "disconnected")),
    # Used by server/drain.py
    Internal(Server, "__init__", ("force_exit", "should_exit")),
    Internal(Server, "startup", ("servers",)),
)


def transport_of(send: Any) -> "UvicornTransport":
    """Return the transport for the ASGI `send` of a WebSocket on uvicorn.

    There, `send` is a method of the protocol. Raises TypeError for any other implementation of WebSockets, because
    floods and slow readers would not be limited on it.
    """
    protocol = getattr(send, "__self__", None)
    if not isinstance(protocol, WebSocketsSansIOProtocol):
        raise TypeError(f"start uvicorn with --ws auto: {send} is not that of WebSocketsSansIOProtocol")
    return UvicornTransport(send, protocol)


class UvicornTransport(WebSocketTransport):
    """The transport of a WebSocket on uvicorn: writes through uvicorn's protocol and asyncio's transport."""

    def __init__(self, send: Any, protocol: Any) -> None:
        super().__init__(send)
        self._protocol = protocol
        self._transport: asyncio.Transport = protocol.transport
        self.meter = FrameMeter(protocol, self.stop_reading)
        self._transport.set_protocol(self.meter)

    @property
    def is_disconnected(self) -> bool:
        return bool(self._protocol.disconnected)

    def stop_reading(self) -> None:
        self._transport.pause_reading()

    def abort(self) -> None:
        # Reset the connection, as Twisted does: otherwise the kernel keeps retransmitting unread data for minutes.
        if (socket := self._transport.get_extra_info("socket")) is not None:
            # Setting the option fails if the connection has ended meanwhile.
            with suppress(OSError, ValueError):
                socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
