"""One socket of one person: says hello, beats, finds out that the other end is dead, and comes back."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Mapping
from contextlib import suppress

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.simulation.transport import Frame

OPEN_SECONDS = 4.0
# As the box does it, and as it would be slow to watch: a heartbeat a second, dead after five without a word.
BEAT_SECONDS = 1.0
DEAD_SECONDS = 5.0
MOST_RETRY_SECONDS = 2.0
FINAL_CODES = range(4400, 4500)

_numbers = itertools.count(1)


class Line:
    """`hello` makes the first frame of each connection, `received` hears every frame, `ended` a final close code."""

    def __init__(
        self,
        url: str,
        path: str,
        *,
        chance: random.Random,
        hello: Callable[[], Frame],
        received: Callable[[Frame], None],
        lost: Callable[[], None] = lambda: None,
        ended: Callable[[int], None] = lambda _: None,
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._url, self._path = url, path
        self._chance = chance
        self._hello, self._received, self._lost, self._ended = hello, received, lost, ended
        self._headers = headers
        self._socket: ClientConnection | None = None
        self._is_closing = False
        self._retry: float | None = None
        # Which connection this is, of all in the run.
        self.number = 0
        self.connects = 0

    async def run(self) -> None:
        """Keeps the line up until `close`, or until the server says not to come back."""
        failures = 0
        while not self._is_closing:
            try:
                origin = websockets.Origin(self._url.replace("ws://", "http://"))
                async with connect(
                    self._url + self._path,
                    origin=origin,
                    additional_headers=self._headers(),
                    compression=None,
                    ping_interval=None,
                    proxy=None,
                    open_timeout=OPEN_SECONDS,
                    close_timeout=1,
                ) as connection:
                    self.number = next(_numbers)
                    self._socket = connection
                    await connection.send(json.dumps(self._hello()))
                    async with asyncio.TaskGroup() as group:
                        beating = group.create_task(self._beat(connection))
                        await self._listen(connection)
                        beating.cancel()
                    failures = 0
                    self.connects += 1
                    if connection.close_code in FINAL_CODES and not self._is_closing:
                        self._is_closing = True
                        self._ended(connection.close_code or 0)
            except (OSError, TimeoutError, websockets.WebSocketException):
                failures += 1
            except BaseExceptionGroup as group_error:
                if group_error.split((OSError, TimeoutError, websockets.WebSocketException))[1] is not None:
                    raise
                failures += 1
            finally:
                self._socket = None
                self._lost()
            if not self._is_closing:
                spread = self._chance.uniform(0.02, min(MOST_RETRY_SECONDS, 0.2 * 2 ** min(failures, 5)))
                retry, self._retry = self._retry, None
                await asyncio.sleep(spread if retry is None else min(retry, MOST_RETRY_SECONDS))

    async def _listen(self, connection: ClientConnection) -> None:
        while True:
            try:
                text = await asyncio.wait_for(connection.recv(), DEAD_SECONDS)
            except TimeoutError:
                connection.transport.abort()
                return
            except websockets.ConnectionClosed:
                return
            if self._is_closing:
                return
            frame: Frame = json.loads(text)
            if frame["kind"] == "bye":
                self._retry = frame["retry_after_ms"] / 1000
            self._received(frame)

    async def _beat(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(OSError, websockets.WebSocketException):
                await connection.send('{"kind": "ping"}')

    @property
    def is_up(self) -> bool:
        return self._socket is not None

    async def send(self, frame: Frame) -> bool:
        """Whether it was handed to a connection; what must arrive is sent again after the next welcome."""
        if self._socket is None:
            return False
        try:
            await asyncio.wait_for(self._socket.send(json.dumps(frame, ensure_ascii=False)), DEAD_SECONDS)
        except (OSError, TimeoutError, websockets.WebSocketException):
            return False
        return True

    def cut(self) -> None:
        """As if the cable were pulled: no goodbye. It comes back."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def close(self) -> None:
        self._is_closing = True
        if self._socket is not None:
            with suppress(OSError, TimeoutError, websockets.WebSocketException):
                await self._socket.close()
