"""A WebSocket that comes back when it is cut, and the messages that come over it, placed by their seq."""

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

# Our server's close codes from 4400 to 4499 mean: do not come back.
FINAL_CODES = range(4400, 4500)


class Thread:
    """What a screen shows of a conversation: messages in order, a repeat dropped, a gap to be fetched."""

    def __init__(self) -> None:
        self.messages: list[Frame] = []
        self.wrong: list[str] = []

    @property
    def head(self) -> int:
        return len(self.messages)

    def place(self, message: Frame) -> bool:
        """Places it if it is the next; returns whether there is a gap before it."""
        seq = message["seq"]
        if seq == self.head + 1:
            self.messages.append(message)
        elif seq <= self.head and self.messages[seq - 1] != message:
            self.wrong.append(f"seq {seq} came twice with different content")
        return bool(seq > self.head)


class Line:
    """One socket of one person. `hello` makes the first frame of every connection, `received` hears every frame."""

    def __init__(
        self,
        url: str,
        *,
        origin: str,
        chance: random.Random,
        hello: Callable[[], Frame],
        received: Callable[[Frame], None],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url
        self._origin = origin
        self._headers = dict(headers or {})
        self._chance = chance
        self._hello = hello
        self._received = received
        self._socket: ClientConnection | None = None
        self._is_closing = False
        self._news = asyncio.Event()
        self.reconnects = -1
        self.error = ""

    async def run(self) -> None:
        """Keeps the line up until `close`."""
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
                # Full jitter, as the box does it, but sooner: nobody is spared here.
                await asyncio.sleep(self._chance.uniform(0.02, min(5, 0.2 * 2**failures)))

    def _fail(self, words: str) -> None:
        self.error = words
        self._is_closing = True
        self.notify()

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    async def send(self, frame: Frame) -> None:
        """Sends if the line is up; what must arrive is sent again after the next welcome."""
        if self._socket is not None:
            with suppress(OSError, websockets.WebSocketException):
                await self._socket.send(json.dumps(frame))

    def cut(self) -> None:
        """As if the cable were pulled: no goodbye."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def close(self) -> None:
        self._is_closing = True
        if self._socket is not None:
            await self._socket.close()

    # -- waiting -----------------------------------------------------------------------------------------

    def notify(self) -> None:
        self._news.set()

    async def until(self, is_true: Callable[[], bool], seconds: float) -> bool:
        """Waits for frames until it is true, at most so long, and not once the line has failed."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not is_true():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or self.error:
                return False
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                return is_true()
        return True
