"""The load generator of the benchmark: visitors who write, and agents whose consoles watch. The visitors and the
consoles behave like the real screens.

Times are seconds of one monotonic clock. A message's delay counts from the time at which it should have been sent, even
if the load generator sent it later. A server that holds up the load generator therefore cannot hide its delay.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar
from uuid import uuid4

import uvloop

from tests.bench.plan import Plan
from tests.bench.process_cost import Usage
from tests.bench.rows import Void
from tests.bench.texts import TEXTS
from tests.harness.agent import AgentClient
from tests.harness.connection import Connection, connect, open_connections
from tests.harness.http_client import HttpClient
from tests.harness.reconnecting_socket import SCREENS, Frame, ReconnectingSocket, decode, encode
from tests.harness.servers import AppServer
from tests.harness.thread import Message, Thread
from tests.harness.visitor import Post, VisitorClient

SETTLE_SECONDS = 20.0


# Chrome sends these headers with a handshake, and so offers compression.
CHROME = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8",
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
}


@dataclass
class Tally:
    """The fate of each message, by its client_id: its seq, and the times when it should have been sent, was accepted
    and was shown."""

    intended: dict[str, float] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    # Repeats and gaps do not void a run, because real screens drop repeats and fetch gaps. The `conditions` of the row
    # give the numbers of repeats and gaps.
    repeats: int = 0
    gaps: int = 0

    @property
    def is_settled(self) -> bool:
        return len(self.arrived) >= len(self.intended) <= len(self.accepted) + self.refused.total()

    def check(self) -> None:
        """Raise Void unless messages were sent, none was refused, and every one was accepted and has arrived on the
        agent's screen."""
        lost = self.accepted.keys() - self.arrived.keys()
        unanswered = self.intended.keys() - self.accepted.keys()
        if lost or unanswered or self.refused or not self.intended:
            raise Void(
                f"{len(self.intended)} sent, {len(self.accepted)} accepted, {len(lost)} of those never arrived, "
                f"refused: {dict(self.refused) or 0}"
            )

    def delays_ms(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """Return the sorted delays in milliseconds of the messages that should have been sent in this period.

        A delay ends when the message is shown.
        """
        return sorted(
            (at - self.intended[key]) * 1000
            for key, at in self.arrived.items()
            if since <= self.intended[key] < until
        )


class SeenHead(Thread):
    """A message thread that keeps only the last seq, and counts repeats and gaps. The load generator shows no messages,
    and keeping all of them would fill the memory."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def add(self, message: Message) -> bool:
        seq: int = message["seq"]
        head = self.head
        if seq == head + 1:
            self.head = seq
            return False
        self._tally.repeats += seq <= head
        self._tally.gaps += seq > head
        return seq > head


class Writer:
    """A visitor who posts one text after the other."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.on_accepted: Callable[[Writer], None] = _ignore
        self._texts = itertools.cycle(TEXTS)
        for _ in range(next(_writer_numbers) % len(TEXTS)):
            next(self._texts)

    def post_next(self, intended: float | None = None) -> None:
        """Post the next text. `intended` is the time at which it should have been posted, by default now."""
        now = time.monotonic()
        key = self.send_text(next(self._texts))
        self.tally.intended[key] = now if intended is None else intended
        if intended is not None:
            self.tally.late.append(now - intended)

    def send_text(self, text: str) -> str:
        """Send a message and return its client_id."""
        raise NotImplementedError

    def note_accepted(self, client_id: str) -> None:
        self.tally.accepted[client_id] = time.monotonic()
        self.on_accepted(self)


class Visitor(Writer, VisitorClient):
    """A visitor's widget that does not wait for the answer to its last post. With `marks`, it also sends read marks."""

    handshake_headers = CHROME

    def __init__(self, url: str, tally: Tally, *, marks: bool = False) -> None:
        Writer.__init__(self, tally)
        VisitorClient.__init__(
            self,
            url,
            site="bench",
            rng=_rng,
            page="https://www.bank.example/",
            device="phone",
            burst=sys.maxsize,
            timing=SCREENS,
        )
        self.sends_marks = marks

    async def open(self) -> None:
        """Connect, send hello and wait for the welcome."""
        await self.socket.connect()
        await until(self.socket, lambda: self.is_welcomed)

    async def start(self) -> None:
        self.begin({})
        await until(self.socket, lambda: self.has_begun)

    def close(self) -> None:
        self.socket.leave()

    def new_thread(self) -> Thread:
        return SeenHead(Tally())

    def send_text(self, text: str) -> str:
        return self.post(text).client_id

    def lost(self) -> None:
        super().lost()
        self.tally.refused["connection lost"] += 1

    def received(self, frame: Frame) -> None:
        if frame["kind"] in ("refused", "bye"):
            self.refused_by_server(frame)
        super().received(frame)

    def refused_by_server(self, frame: Frame) -> None:
        """Count a refusal or a bye frame. The server sends neither to these clients unless something is wrong."""
        self.tally.refused[frame["code"]] += 1
        self.tally.intended.pop(frame.get("client_id", ""), None)

    def settle(self, client_id: str, seq: int, *, is_message: bool = False) -> None:
        # For the benchmark, a post is acknowledged only by its answer, not by the message that comes back.
        if not is_message:
            super().settle(client_id, seq)

    def post_accepted(self, post: Post, seq: int) -> None:
        self.tally.seqs[post.client_id] = seq
        self.note_accepted(post.client_id)


class Console(AgentClient):
    """The console of an agent. It watches all conversations of the agent, and shows the first one on the screen."""

    handshake_headers = CHROME
    # A console receives many frames about other conversations, so decode only the kinds that the benchmark needs.
    decoded_kinds = (b"message", b"welcome", b"bye", b"refused")

    def __init__(
        self, running: AppServer, tally: Tally, cookies: Mapping[str, str], *, marks: bool = False
    ) -> None:
        super().__init__(running.url, running.websocket_url, rng=_rng, cookies=cookies, timing=SCREENS)
        self.tally = tally
        self._read: dict[str, int] = {}
        self._sends_marks = marks

    async def connect(self, conversations: Sequence[str]) -> None:
        """Connect, wait for the welcome, and watch these conversations."""
        await self.socket.connect()
        await until(self.socket, lambda: self.is_welcomed)
        for conversation in conversations:
            self.open(conversation)
        await until(self.socket, lambda: self._read.keys() >= set(conversations))

    def new_thread(self) -> Thread:
        return SeenHead(self.tally)

    def lost(self) -> None:
        super().lost()
        self.tally.refused["console: connection lost"] += 1

    def received(self, frame: Frame) -> None:
        if frame["kind"] in ("refused", "bye"):
            self.tally.refused[f"console: {frame['code']}"] += 1
        elif frame["kind"] == "messages":
            self._read.setdefault(frame["conversation"], 0)
        super().received(frame)

    def shown(self, uuid: str, message: Message) -> None:
        if client_id := message.get("client_id"):
            self.tally.arrived.setdefault(client_id, time.monotonic())

    def may_mark(self, uuid: str) -> bool:
        return self._sends_marks

    def send_read_mark(self, uuid: str) -> bool:
        """Send a read mark for a conversation. Return whether another read mark must follow.

        The messages that have arrived count as received at once. In the conversation on the screen, they count as read
        a moment later.
        """
        head, read = self.threads[uuid].head, self._read.get(uuid, 0)
        self.socket.write({"kind": "seen", "conversation": uuid, "received": head, "read": read})
        is_shown = uuid == next(iter(self.threads))
        if is_shown:
            self._read[uuid] = head
        return is_shown and read < head


def http_client(url: str, cookies: Mapping[str, str] | None = None) -> HttpClient:
    """Return a client with one persistent connection that accepts gzip, like a browser."""
    headers = {"Accept-Encoding": "gzip", "Accept-Language": "zh-CN"}
    return HttpClient(url, cookies, keeps_open=True, headers=headers)


async def until(socket: ReconnectingSocket, is_true: Callable[[], bool]) -> None:
    """Wait for frames until `is_true()`. Raises TimeoutError after a minute."""
    if not await socket.until(is_true, 60):
        raise TimeoutError("the server did not answer within a minute")


class RoomWriter(Writer):
    """A visitor of the tutorial's chat. A message of the visitor counts as accepted when the room sends it back."""

    def __init__(self, url: str, tally: Tally, room: str) -> None:
        super().__init__(tally)
        self._url = f"{url}/ws/chat/{room}/"
        self._connection: Connection

    async def open(self) -> None:
        self._connection = await connect(self._url, self._receive, headers=CHROME)

    def send_text(self, text: str) -> str:
        key = str(uuid4())
        self._connection.send(encode({"message": text, "client_id": key}))
        return key

    def _receive(self, payload: bytes) -> None:
        # The server sends each message to everyone in the room. Only the visitor writes, so every message that arrives
        # here is one of the visitor's own and has been accepted.
        self.note_accepted(decode(payload)["client_id"])


class RoomReader:
    """The agent's socket in one room of the tutorial's chat."""

    def __init__(self, url: str, tally: Tally, room: str) -> None:
        self._tally = tally
        self._url = f"{url}/ws/chat/{room}/"

    async def open(self) -> None:
        await connect(self._url, self._receive, headers=CHROME)

    def _receive(self, payload: bytes) -> None:
        key = decode(payload)["client_id"]
        if key in self._tally.arrived:
            self._tally.repeats += 1
        self._tally.arrived.setdefault(key, time.monotonic())


_writer_numbers = itertools.count()
_rng = Random(3)


@dataclass(frozen=True)
class Window:
    """The measurements of one period.

    `usage` has the resources that the servers used, and `own` has the processor seconds of the load generator.
    """

    began: float
    ended: float
    arrived: int
    usage: Usage
    own: float
    late_ms: float
    lag_ms: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def rate(self) -> float:
        return self.arrived / self.seconds

    @property
    def cpu_ms(self) -> float:
        return self.usage.cpu * 1000 / self.arrived if self.arrived else float("inf")

    @property
    def own_percent(self) -> float:
        return self.own * 100 / self.seconds

    def check(self, plan: Plan) -> None:
        """Raise Void if the load generator was too busy, or sent messages too late."""
        if self.own_percent > plan.max_own_percent:
            raise Void(f"the load itself used {self.own_percent:.0f} % of a core")
        if self.late_ms > plan.max_late_ms:
            raise Void(f"the load was {self.late_ms:.1f} ms late (p99)")

    def __str__(self) -> str:
        late = (
            f", {self.late_ms:.1f} ms late (p99)" if self.late_ms else f", loop lag p99 {self.lag_ms:.1f} ms"
        )
        return f"load: {self.own_percent:.0f} % of a core{late}"


async def closed_loop(
    writers: Sequence[Writer],
    tally: Tally,
    usage: Callable[[], Usage],
    *,
    warm_up: float,
    seconds: float,
) -> Window:
    """Let each writer post a text as soon as the writer's previous text was accepted. The measurement begins after
    `warm_up` and lasts `seconds`."""
    is_over = False

    def accepted(writer: Writer) -> None:
        if not is_over:
            writer.post_next()

    for writer in writers:
        writer.on_accepted = accepted
        writer.post_next()
    window = await _window(tally, usage, warm_up=warm_up, seconds=seconds)
    is_over = True
    await settle(tally)
    return window


async def open_loop(
    writers: Sequence[Writer],
    tally: Tally,
    usage: Callable[[], Usage],
    *,
    rate: float,
    warm_up: float,
    seconds: float,
) -> Window:
    """Send `rate` messages a second in total. The writers take turns.

    The times are drawn in advance, as if independent people wrote the messages (Poisson). A writer does not wait for
    the answer to its previous message.
    """
    rng = Random(1)
    began = time.monotonic() + 0.05
    times = list(
        itertools.takewhile(
            lambda at: at < began + warm_up + seconds,
            itertools.accumulate(
                itertools.repeat(None), lambda at, _: at + rng.expovariate(rate), initial=began
            ),
        )
    )

    async def write() -> None:
        for intended, writer in zip(times, itertools.cycle(writers), strict=False):
            # The loop's timers have a resolution of a millisecond and may fire half a millisecond early.
            while (wait := intended - time.monotonic()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait if wait > 0.0006 else 0)
            writer.post_next(intended)

    writing = asyncio.create_task(write())
    window = await _window(tally, usage, warm_up=warm_up, seconds=seconds)
    await writing
    await settle(tally)
    return window


async def settle(tally: Tally) -> None:
    """Wait at most SETTLE_SECONDS until every message was accepted and has arrived. Missing messages then count as
    lost."""
    until = time.monotonic() + SETTLE_SECONDS
    while not tally.is_settled and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def _window(tally: Tally, usage: Callable[[], Usage], *, warm_up: float, seconds: float) -> Window:
    await asyncio.sleep(warm_up)
    lags: list[float] = []
    lag_task = asyncio.create_task(_measure_lag(lags))
    late_before = len(tally.late)
    began, before, own, arrived = time.monotonic(), usage(), time.process_time(), len(tally.arrived)
    await asyncio.sleep(seconds)
    window = Window(
        began=began,
        ended=time.monotonic(),
        arrived=len(tally.arrived) - arrived,
        usage=usage() - before,
        own=time.process_time() - own,
        late_ms=percentile(tally.late[late_before:], 99) * 1000,
        lag_ms=percentile(lags, 99) * 1000,
    )
    lag_task.cancel()
    return window


async def _measure_lag(lags: list[float]) -> None:
    """Append the lag of the load generator's event loop to `lags` every 10 ms."""
    while True:
        due = time.monotonic() + 0.01
        await asyncio.sleep(0.01)
        lags.append(max(0.0, time.monotonic() - due))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which this percentage of the values lies, or 0 if there are no values."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


async def run_all(jobs: Iterator[Any] | Sequence[Any], *, at_once: int = 50) -> None:
    """Await all coroutines, `at_once` at a time."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await job

    await asyncio.gather(*(work() for _ in range(at_once)))


T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of the load generator to its end on uvloop, and close every socket."""

    async def run_and_close() -> T:
        try:
            return await work
        finally:
            # After an aborted run some widgets may still be reconnecting.
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)
            for connection in tuple(open_connections):
                connection.on_end = None
                connection.cut()
            while open_connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    return uvloop.run(run_and_close())


@contextmanager
def prioritized() -> Iterator[None]:
    """Give the load generator priority over the measured servers on the same machine, and pause garbage collection.

    The processor time that the load generator takes from the servers makes their figures worse, never better. Without
    permission, the priority stays as it is.
    """
    former = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, former)


def _ignore(writer: Writer) -> None:
    pass
