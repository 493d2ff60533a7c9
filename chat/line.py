"""The line under a socket: whether the other end takes what we send, and how to cut it.

ASGI has no word for either. Daphne's `send` never waits: what a client does not read, Twisted keeps in memory without
a limit (django/daphne #170). uvicorn's waits, but then cannot close.
"""

import asyncio
import struct
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from typing import Any


class Line:
    """Of the `send` that a server handed over. On a server that is neither of the two it changes nothing."""

    def __init__(self, send: Any) -> None:
        self._send = send
        # The console's has gone through Channels' sessions, which wrap it.
        send = getattr(getattr(send, "__self__", None), "real_send", send)
        # Daphne hands over a partial with its protocol in it, uvicorn a method of its protocol.
        self._protocol: Any = (
            send.args[0] if isinstance(send, partial) and send.args else getattr(send, "__self__", None)
        )
        self._transport: Any = getattr(self._protocol, "transport", object())
        self._full: asyncio.Event | None = None
        if hasattr(self._transport, "registerProducer"):
            # Until now the producer was Twisted's HTTP channel, of the handshake.
            self._transport.unregisterProducer()
            self._transport.registerProducer(self, True)

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

    def cut(self) -> None:
        """Drops the connection without a goodbye: for an end that does not read one."""
        if hasattr(self._transport, "abortConnection"):
            self._transport.abortConnection()
        elif hasattr(self._transport, "abort"):
            # As Twisted does it: otherwise the kernel keeps what was not read, and offers it for minutes.
            if (socket := self._transport.get_extra_info("socket")) is not None:
                socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    # What Twisted calls: the methods of its IPushProducer.

    def pauseProducing(self) -> None:
        self._full = self._full or asyncio.Event()

    def resumeProducing(self) -> None:
        if self._full is not None:
            self._full.set()
            self._full = None

    def stopProducing(self) -> None:
        self.resumeProducing()
