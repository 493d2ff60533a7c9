"""A WebSocket that sends hello and heartbeats, detects a dead connection, and reconnects, as the real screens do."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.harness.connection import Connection, connect

Frame = dict[str, Any]

# The server's close codes from 4400 to 4499 mean: do not reconnect.
FINAL_CODES = range(4400, 4500)
PING = b'{"kind":"ping"}'

decode: Callable[[bytes], Frame] = msgspec.json.Decoder(dict[str, Any]).decode
_numbers = itertools.count(1)


def encode(frame: Frame) -> bytes:
    """Return a frame as a browser encodes it: Chinese characters are not escaped."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Timing:
    """After `heartbeat_seconds` of silence a ping is sent. A connection counts as dead when there is no answer to a
    ping, or to the handshake with hello, within `answer_seconds`. The pause before an attempt is random, with
    `base_seconds` doubled for each attempt without a welcome, and at most `max_pause_seconds`."""

    heartbeat_seconds: float
    answer_seconds: float
    base_seconds: float
    max_pause_seconds: float


# The intervals of static/chat/socket.js.
SCREENS = Timing(heartbeat_seconds=25.0, answer_seconds=10.0, base_seconds=0.5, max_pause_seconds=30.0)
# Has shorter pauses, for a load whose reconnections need not be spread.
QUICK = Timing(heartbeat_seconds=25.0, answer_seconds=10.0, base_seconds=0.2, max_pause_seconds=2.0)


class ReconnectingSocket:
    """One client's WebSocket. `hello` makes the first frame of every connection, `received` gets every frame, and
    `lost` is called when a connection ends. With `decoded_kinds`, frames of all other kinds are dropped undecoded."""

    def __init__(
        self,
        url: str,
        *,
        rng: random.Random,
        hello: Callable[[], Frame],
        received: Callable[[Frame], None],
        lost: Callable[[], None] = lambda: None,
        headers: Callable[[], Mapping[str, str]] = dict,
        timing: Timing = QUICK,
        decoded_kinds: tuple[bytes, ...] = (),
    ) -> None:
        self._url = url
        self._rng = rng
        self._hello, self._received, self._lost = hello, received, lost
        self._headers = headers
        self._timing, self._decoded_kinds = timing, decoded_kinds
        self._connection: Connection | None = None
        self._asked_at = self._received_at = 0.0
        self._bye_seconds: float | None = None
        # Attempts since the last welcome.
        self._failures = 0
        self._is_closing = False
        self._changed = asyncio.Event()
        # The number of the present connection, unique in the process.
        self.number = 0
        self.attempts = self.connects = 0
        # Says why the server has ended this client for good.
        self.error = ""

    # -- the connection --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected until `close`, or until the server says not to come back."""
        while not self._is_closing:
            try:
                connection = await self.connect()
                await connection.wait_until_ended()
            except (OSError, TimeoutError):
                pass
            finally:
                # Close the connection even if the task was cancelled.
                self.cut()
            if not self._is_closing:
                await asyncio.sleep(self._pause_seconds())

    async def connect(self) -> Connection:
        """Connect once and send hello. Raises OSError, TimeoutError."""
        self.attempts += 1
        self._failures += 1
        self._bye_seconds = None
        self._asked_at = time.monotonic()
        connection = await connect(
            self._url, self._read, self._end, headers=self._headers(), seconds=self._timing.answer_seconds
        )
        if self._is_closing:
            connection.cut()
            raise ConnectionAbortedError("closed during the handshake")
        self._connection = connection
        self.number = next(_numbers)
        self.connects += 1
        connection.send(encode(self._hello()))
        self._watch(connection)
        return connection

    def _pause_seconds(self) -> float:
        """Return the time before the next attempt: what a bye frame said, or longer after every failure."""
        longest = self._timing.max_pause_seconds
        if self._bye_seconds is not None:
            return min(self._bye_seconds, longest)
        return self._rng.uniform(0, min(longest, self._timing.base_seconds * 2 ** min(self._failures, 10)))

    def _watch(self, connection: Connection) -> None:
        """Send a ping after silence; cut the connection when an answer is overdue. Schedules the next look."""
        if connection is not self._connection:
            return
        now = time.monotonic()
        due = self._received_at + self._timing.heartbeat_seconds
        if self._received_at <= self._asked_at:
            due = self._asked_at + self._timing.answer_seconds
            if due <= now:
                connection.cut()
                return
        elif due <= now:
            self._asked_at = now
            connection.send(PING)
            due = now + self._timing.answer_seconds
        wait = min(due - now, self._timing.heartbeat_seconds)
        asyncio.get_running_loop().call_later(wait, self._watch, connection)

    def _read(self, payload: bytes) -> None:
        self._received_at = time.monotonic()
        if self._is_closing or (self._decoded_kinds and not payload.startswith(self._decoded_kinds, 9)):
            return
        frame = decode(payload)
        kind = frame["kind"]
        if kind == "welcome":
            self._failures = 0
        elif kind == "bye":
            self._bye_seconds = frame["retry_after_ms"] / 1000
        self._received(frame)
        self.notify()

    def _end(self, connection: Connection) -> None:
        self._connection = None
        if self._is_closing:
            return
        if connection.close_code in FINAL_CODES:
            self._is_closing = True
            self.error = f"the server closed the socket for good with {connection.close_code}"
        self._lost()
        self.notify()

    # -- public methods --------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    @property
    def reconnects(self) -> int:
        return max(0, self.connects - 1)

    def write(self, frame: Frame) -> None:
        """Send a frame if connected. After the next welcome the caller repeats what must arrive."""
        if self._connection is not None:
            self._connection.send(encode(frame))

    def cut(self) -> None:
        """Drop the connection without a close frame, as if the cable were pulled. `run` reconnects."""
        if self._connection is not None:
            self._connection.cut()

    def leave(self) -> None:
        """Drop the connection without a close frame, and do not come back."""
        self._is_closing = True
        self.cut()

    async def close(self) -> None:
        self._is_closing = True
        if self._connection is not None:
            await self._connection.close()

    def notify(self) -> None:
        """Wake `until`."""
        self._changed.set()

    async def until(self, is_true: Callable[[], bool], seconds: float) -> bool:
        """Wait for frames until `is_true()`, for at most `seconds`; stop at once when the server has ended this
        client."""
        deadline = time.monotonic() + seconds
        while not is_true():
            left = deadline - time.monotonic()
            if left <= 0 or self.error:
                return False
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                return is_true()
        return True
