"""The transport of a WebSocket: writes frames, applies backpressure, and aborts the connection.

ASGI has no means for backpressure and for aborting, so each server that Lianxin supports has a subclass:
`server/daphne/transport.py` and `server/uvicorn/transport.py`.
"""

import asyncio
import weakref
from typing import Any

from chat.realtime.frame_meter import FrameMeter


def _abort(reference: "weakref.ref[WebSocketTransport]") -> None:
    if (transport := reference()) is not None:
        transport.abort()


class WebSocketTransport:
    """A transport that uses only the ASGI `send`, so it works with any server. It has no backpressure and cannot
    abort."""

    meter: FrameMeter | None = None

    def __init__(self, send: Any) -> None:
        self._send = send

    @property
    def is_disconnected(self) -> bool:
        """Whether the client has disconnected. The consumer receives the disconnect event only after its current
        work."""
        return False

    def write(self, payload: bytes) -> bool:
        """Write a text message without waiting. Returns False if the client reads too slowly or has disconnected, or if
        this transport can only use `send`."""
        return False

    async def writable(self) -> None:
        """Wait until the client has read most of the data that was sent to it."""

    async def close(self, code: int) -> None:
        """Send a close frame with this code, after all frames that were sent before it."""
        await self._send({"type": "websocket.close", "code": code})

    def stop_reading(self) -> None:
        """Stop reading from the client. The kernel's buffer then fills up, and TCP makes the client wait."""

    def abort(self) -> None:
        """Drop the connection without a close frame, for a client that would not read one."""

    def abort_later(self, seconds: float) -> None:
        """Abort the connection after `seconds` if it is still open.

        The timer holds only a weak reference to this object: the frame meter keeps it alive as long as the connection
        is open.
        """
        asyncio.get_running_loop().call_later(seconds, _abort, weakref.ref(self))
