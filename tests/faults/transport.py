"""One client's WebSocket: sends hello and heartbeats, detects a dead connection, and reconnects."""

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
# Like the widget, but faster: a heartbeat each second, and dead after five seconds without a frame.
BEAT_SECONDS = 1.0
DEAD_SECONDS = 5.0
MAX_RETRY_SECONDS = 2.0
FINAL_CODES = range(4400, 4500)

_numbers = itertools.count(1)


class ReconnectingSocket:
    """A WebSocket that reconnects. `hello` makes the first frame of each connection, `received` gets every
    frame, `ended` gets a final close code."""

    def __init__(
        self,
        url: str,
        path: str,
        *,
        rng: random.Random,
        hello: Callable[[], Frame],
        received: Callable[[Frame], None],
        lost: Callable[[], None] = lambda: None,
        ended: Callable[[int], None] = lambda _: None,
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._url, self._path = url, path
        self._rng = rng
        self._hello, self._received, self._lost, self._ended = hello, received, lost, ended
        self._headers = headers
        self._socket: ClientConnection | None = None
        self._is_closing = False
        self._retry: float | None = None
        # The number of the present connection, unique in the run.
        self.number = 0
        self.connects = 0

    async def run(self) -> None:
        """Stay connected until `close`, or until the server says not to come back."""
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
                        heartbeats = group.create_task(self._send_heartbeats(connection))
                        await self._listen(connection)
                        heartbeats.cancel()
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
                delay = self._rng.uniform(0.02, min(MAX_RETRY_SECONDS, 0.2 * 2 ** min(failures, 5)))
                retry, self._retry = self._retry, None
                await asyncio.sleep(delay if retry is None else min(retry, MAX_RETRY_SECONDS))

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

    async def _send_heartbeats(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(OSError, websockets.WebSocketException):
                await connection.send('{"kind": "ping"}')

    @property
    def is_up(self) -> bool:
        return self._socket is not None

    async def send(self, frame: Frame) -> bool:
        """Send a frame; return whether a connection took it. After the next welcome the caller repeats what
        must arrive."""
        if self._socket is None:
            return False
        try:
            await asyncio.wait_for(self._socket.send(json.dumps(frame, ensure_ascii=False)), DEAD_SECONDS)
        except (OSError, TimeoutError, websockets.WebSocketException):
            return False
        return True

    def cut(self) -> None:
        """Drop the connection without a close frame, as if the cable were pulled. `run` reconnects."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def close(self) -> None:
        self._is_closing = True
        if self._socket is not None:
            with suppress(OSError, TimeoutError, websockets.WebSocketException):
                await self._socket.close()
