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
    """Return a frame encoded as a browser encodes it: Chinese characters are not escaped."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Timing:
    """The times of heartbeats and retries of a socket.

    - `heartbeat_seconds`: after this time of silence, a ping is sent.
    - `answer_seconds`: without an answer to a ping or a handshake in this time, the connection counts as dead.
    - `base_seconds`: the longest pause after the loss of a welcomed connection. It doubles with each failed attempt.
      The pause itself is random.
    - `max_pause_seconds`: the longest pause before any retry.
    """

    heartbeat_seconds: float
    answer_seconds: float
    base_seconds: float
    max_pause_seconds: float


# The intervals of static/chat/socket.js.
SCREENS = Timing(heartbeat_seconds=25.0, answer_seconds=10.0, base_seconds=0.5, max_pause_seconds=30.0)
# Shorter pauses, for a load whose reconnections need not be spread over time.
QUICK = Timing(heartbeat_seconds=25.0, answer_seconds=10.0, base_seconds=0.2, max_pause_seconds=2.0)


class ReconnectingSocket:
    """The WebSocket of one client.

    - `hello` returns the first frame of every connection.
    - `received` is called with every frame.
    - `lost` is called when a connection ends.
    - `decoded_kinds`: if given, frames of all other kinds are dropped undecoded.
    """

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
        # The number of attempts to connect since the last welcome.
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
        """Stay connected until `close` or `leave` is called, or until the server closes the socket for good."""
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
        """Connect once and send hello. Raises OSError or TimeoutError."""
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
        """Return the pause before the next attempt, at most `max_pause_seconds`: the time in a bye frame, or a random
        time whose limit doubles with each failed attempt."""
        longest = self._timing.max_pause_seconds
        if self._bye_seconds is not None:
            return min(self._bye_seconds, longest)
        return self._rng.uniform(0, min(longest, self._timing.base_seconds * 2 ** min(self._failures, 10)))

    def _watch(self, connection: Connection) -> None:
        """Send a ping after a silence, cut the connection if an answer is overdue, and schedule the next call."""
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
        """Send a frame if connected. Otherwise the frame is lost, and the caller must send it again after the next
        welcome."""
        if self._connection is not None:
            self._connection.send(encode(frame))

    def cut(self) -> None:
        """Drop the connection without a close frame, as if the cable were pulled. `run` reconnects."""
        if self._connection is not None:
            self._connection.cut()

    def leave(self) -> None:
        """Drop the connection without a close frame, and do not reconnect."""
        self._is_closing = True
        self.cut()

    async def close(self) -> None:
        self._is_closing = True
        if self._connection is not None:
            await self._connection.close()

    def notify(self) -> None:
        """Make `until` check its condition again."""
        self._changed.set()

    async def until(self, is_true: Callable[[], bool], seconds: float) -> bool:
        """Wait until `is_true()`, for at most `seconds`; return whether it became true.

        The condition is checked after each frame. The wait ends early if the server has closed the socket for good.
        """
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
