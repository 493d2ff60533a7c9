"""A WebSocket that reconnects, and the messages that arrive over it, in order of their seq."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

Frame = dict[str, Any]

# The server's close codes from 4400 to 4499 mean: do not reconnect.
FINAL_CODES = range(4400, 4500)


class Thread:
    """The messages of a conversation as a screen shows them: in order, repeats dropped, gaps to be fetched."""

    def __init__(self) -> None:
        self.messages: list[Frame] = []
        self.errors: list[str] = []

    @property
    def head(self) -> int:
        return len(self.messages)

    def add(self, message: Frame) -> bool:
        """Append the message if it is the next one; return whether there is a gap before it."""
        seq = message["seq"]
        if seq == self.head + 1:
            self.messages.append(message)
        elif seq <= self.head and self.messages[seq - 1] != message:
            self.errors.append(f"seq {seq} came twice with different content")
        return bool(seq > self.head)


class ReconnectingSocket:
    """A WebSocket that reconnects. `hello` makes the first frame of every connection, `received` gets every
    frame."""

    def __init__(
        self,
        url: str,
        *,
        origin: str,
        rng: random.Random,
        hello: Callable[[], Frame],
        received: Callable[[Frame], None],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url
        self._origin = origin
        self._headers = dict(headers or {})
        self._rng = rng
        self._hello = hello
        self._received = received
        self._socket: ClientConnection | None = None
        self._is_closing = False
        self._changed = asyncio.Event()
        self.reconnects = -1
        self.error = ""

    async def run(self) -> None:
        """Stay connected until `close`."""
        failures = 0
        while not self._is_closing:
            try:
                async with connect(
                    self._url,
                    origin=websockets.Origin(self._origin),
                    additional_headers=self._headers,
                    compression=None,
                ) as socket:
                    self._socket, failures = socket, 0
                    self.reconnects += 1
                    await socket.send(json.dumps(self._hello()))
                    async for text in socket:
                        self._received(json.loads(text))
                        self.notify()
                    if socket.close_code in FINAL_CODES:
                        self._fail(f"closed with {socket.close_code}")
                        return
            except (OSError, websockets.WebSocketException) as error:
                failures += 1
                if failures > 20:
                    self._fail(f"cannot connect: {error}")
                    return
            finally:
                self._socket = None
            if not self._is_closing:
                # Full jitter like the widget's, but shorter, because this load need not be spread.
                await asyncio.sleep(self._rng.uniform(0.02, min(5, 0.2 * 2**failures)))

    def _fail(self, error: str) -> None:
        self.error = error
        self._is_closing = True
        self.notify()

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    async def send(self, frame: Frame) -> None:
        """Send a frame if connected. After the next welcome the caller repeats what must arrive."""
        if self._socket is not None:
            with suppress(OSError, websockets.WebSocketException):
                await self._socket.send(json.dumps(frame))

    def cut(self) -> None:
        """Drop the connection without a close frame, as if the cable were pulled."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def close(self) -> None:
        self._is_closing = True
        if self._socket is not None:
            await self._socket.close()

    # -- waiting -----------------------------------------------------------------------------------------

    def notify(self) -> None:
        self._changed.set()

    async def until(self, is_true: Callable[[], bool], seconds: float) -> bool:
        """Wait for frames until `is_true()`, for at most `seconds`; stop at once when the socket has failed."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not is_true():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or self.error:
                return False
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                return is_true()
        return True
