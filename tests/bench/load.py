"""The load: visitors who write and agents whose consoles watch, behaving like the real screens, and the
results.

Times are seconds of one monotonic clock. A message's delay counts from the time at which it was meant to be
sent, not from the time at which the load got round to it; so a server that holds up the load cannot hide its
delay.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import uvloop

from tests.bench import wire
from tests.bench.plan import Plan
from tests.bench.rows import Void
from tests.bench.texts import TEXTS
from tests.bench.wire import WebSocket, connect

# The values of static/chat/socket.js, static/widget/session.js and static/console/inbox/live-connection.js.
HEARTBEAT_SECONDS = 25.0
MARK_SECONDS = 0.4

SETTLE_SECONDS = 20.0


class MessageFields(msgspec.Struct):
    seq: int = 0
    client_id: str = ""
    role: str = ""


class StateFields(msgspec.Struct):
    id: str = ""
    last_seq: int = 0


class ServerFrame(msgspec.Struct):
    """The fields that the load reads from a frame of either socket."""

    kind: str = ""
    conversation: str = ""
    client_id: str = ""
    seq: int = 0
    message: MessageFields | None = None
    messages: list[MessageFields] = []
    state: StateFields | None = None
    token: str = ""
    code: str = ""
    retry_after_ms: int = 0
    head: int = 0


_decode = msgspec.json.Decoder(ServerFrame).decode


def frame(kind: str, **fields: Any) -> bytes:
    """Return a frame as a browser encodes it: Chinese characters are not escaped."""
    return json.dumps({"kind": kind, **fields}, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Tally:
    """The fate of each message by its client_id: when it was intended, accepted and shown, and its seq."""

    intended: dict[str, float] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    # Real screens drop repeats and fetch gaps, so these do not void a run; they are reported in the
    # conditions.
    repeats: int = 0
    gaps: int = 0

    @property
    def is_settled(self) -> bool:
        return len(self.arrived) >= len(self.intended) <= len(self.accepted) + self.refused.total()

    def check(self) -> None:
        """Raise Void unless everything sent was accepted and has arrived on the agent's screen."""
        lost = self.accepted.keys() - self.arrived.keys()
        unanswered = self.intended.keys() - self.accepted.keys()
        if lost or unanswered or self.refused or not self.intended:
            raise Void(
                f"{len(self.intended)} sent, {len(self.accepted)} accepted, {len(lost)} of those never arrived, "
                f"refused: {dict(self.refused) or 0}"
            )

    def delays_ms(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """Return the sorted delays from intended to shown, of the messages intended in this period."""
        return sorted(
            (at - self.intended[key]) * 1000
            for key, at in self.arrived.items()
            if since <= self.intended[key] < until
        )


class Visitor:
    """A visitor's widget. With `marks` it is visible and sends a read mark for every message."""

    def __init__(self, tally: Tally, *, marks: bool = False) -> None:
        self.tally = tally
        self.conversation = ""
        self.token = ""
        self.head = 0
        self.on_accepted: Callable[[Visitor], None] = _ignore
        self._marks = ReadMarkLimiter(self._send_read_mark) if marks else None
        self._texts = itertools.cycle(TEXTS)
        for _ in range(next(_visitor_numbers) % len(TEXTS)):
            next(self._texts)
        self._socket: WebSocket | None = None
        self._welcome: asyncio.Future[None] | None = None
        self._received_at = 0.0

    @property
    def socket(self) -> WebSocket:
        assert self._socket is not None
        return self._socket

    async def open(self, url: str) -> None:
        """Connect, send hello and wait for the welcome."""
        self._socket = await connect(url, "/ws/chat/", on_text=self._receive)
        await self._ask(
            frame(
                "hello",
                site="bench",
                version=1,
                token=self.token or None,
                language="zh",
                page="https://www.bank.example/",
                device="phone",
                **({"conversation": self.conversation, "after": self.head} if self.conversation else {}),
            )
        )
        self._heartbeat(self.socket)

    async def begin(self) -> None:
        await self._ask(frame("start", client_id=str(uuid4()), form={}, topic=None))

    def post(self, intended: float | None = None) -> None:
        """Post the next text. `intended` is the time at which it was due, by default now."""
        now = time.monotonic()
        key = str(uuid4())
        self.tally.intended[key] = now if intended is None else intended
        if intended is not None:
            self.tally.late.append(now - intended)
        self.send_post(key, next(self._texts))

    def send_post(self, key: str, body: str) -> None:
        self.socket.say(frame("post", client_id=key, body=body))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.on_end = None
            self._socket.cut()

    async def _ask(self, payload: bytes) -> None:
        self._welcome = asyncio.get_running_loop().create_future()
        self.socket.say(payload)
        await asyncio.wait_for(self._welcome, 60)

    def fail_welcome(self, error: Exception) -> None:
        """Fail the wait for a welcome: none will come on this connection."""
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_exception(error)

    def welcomed(self, welcome: ServerFrame) -> None:
        self.token = welcome.token
        if welcome.state is not None:
            self.conversation = welcome.state.id
            self.head = welcome.messages[-1].seq if welcome.messages else self.head

    def message_received(self, server_frame: ServerFrame) -> None:
        """Handle a live message of either side."""
        assert server_frame.message is not None
        self.head = max(self.head, server_frame.message.seq)
        # As in static/widget/conversation.js, the visitor's own messages need no read mark.
        if self._marks is not None and server_frame.message.role != "visitor":
            self._marks.changed()

    def _receive(self, payload: bytes) -> None:
        self._received_at = time.monotonic()
        server_frame = _decode(payload)
        if server_frame.kind == "accepted":
            self.tally.accepted[server_frame.client_id] = self._received_at
            self.tally.seqs[server_frame.client_id] = server_frame.seq
            self.on_accepted(self)
        elif server_frame.kind == "message" and server_frame.message is not None:
            self.message_received(server_frame)
        elif server_frame.kind == "welcome":
            self.welcomed(server_frame)
            if self._welcome is not None and not self._welcome.done():
                self._welcome.set_result(None)
        elif server_frame.kind in ("refused", "bye"):
            self.refused(server_frame)

    def refused(self, server_frame: ServerFrame) -> None:
        """Count a refusal or a bye frame; an undisturbed load gets none."""
        self.tally.refused[server_frame.code] += 1
        self.tally.intended.pop(server_frame.client_id, None)

    def _send_read_mark(self) -> bool:
        self.socket.say(frame("seen", received=self.head, read=self.head))
        return False

    def _heartbeat(self, socket: WebSocket) -> None:
        """Send a ping after HEARTBEAT_SECONDS of silence, as the widget does."""
        if not socket.is_open:
            return
        due = self._received_at + HEARTBEAT_SECONDS
        if due <= time.monotonic() + 0.001:
            socket.say(b'{"kind":"ping"}')
            due = time.monotonic() + HEARTBEAT_SECONDS
        asyncio.get_running_loop().call_later(due - time.monotonic(), self._heartbeat, socket)


class Console:
    """An agent's console that watches all their conversations; the first one is on the screen."""

    def __init__(self, tally: Tally, cookie: str, *, marks: bool = False) -> None:
        self.tally = tally
        self._cookie = cookie
        self._heads: dict[str, int] = {}
        self._marks: dict[str, ReadMarkLimiter] = {}
        self._read: dict[str, int] = {}
        self._sends_marks = marks
        self._socket: WebSocket | None = None
        self._expected: tuple[str, asyncio.Future[ServerFrame]] | None = None

    async def open(self, url: str, conversations: Sequence[str]) -> None:
        """Connect, wait for the welcome, and watch these conversations."""
        self._socket = await connect(url, "/ws/console/", on_text=self._receive, cookie=self._cookie)
        await self._ask(frame("hello", version=1), "welcome")
        for number, conversation in enumerate(conversations):
            server_frame = await self._ask(frame("watch", conversation=conversation, after=0), "messages")
            self._heads[conversation] = server_frame.messages[-1].seq if server_frame.messages else 0
            self._read[conversation] = 0
            if self._sends_marks:
                self._marks[conversation] = ReadMarkLimiter(
                    partial(self._send_read_mark, conversation, is_shown=number == 0)
                )
        self._heartbeat()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.cut()

    async def _ask(self, payload: bytes, kind: str) -> ServerFrame:
        assert self._socket is not None
        future: asyncio.Future[ServerFrame] = asyncio.get_running_loop().create_future()
        self._expected = (kind, future)
        self._socket.say(payload)
        return await asyncio.wait_for(future, 60)

    def _receive(self, payload: bytes) -> None:
        # A console receives much about other conversations, so decode only what the load needs.
        kind = payload[9:20]
        if kind.startswith(b'message"'):
            server_frame = _decode(payload)
            assert server_frame.message is not None
            self._add_message(server_frame.conversation, server_frame.message)
        elif kind.startswith((b"messages", b"welcome")):
            server_frame = _decode(payload)
            if (
                self._expected is not None
                and self._expected[0] == server_frame.kind
                and not self._expected[1].done()
            ):
                self._expected[1].set_result(server_frame)
            elif server_frame.kind == "messages":
                for message in server_frame.messages:
                    self._add_message(server_frame.conversation, message)
        elif kind.startswith((b"bye", b"refused")):
            self.tally.refused[f"console: {_decode(payload).code}"] += 1

    def _add_message(self, conversation: str, message: MessageFields) -> None:
        head = self._heads.get(conversation, 0)
        if message.seq <= head:
            self.tally.repeats += 1
            return
        if message.seq > head + 1:
            self.tally.gaps += 1
            assert self._socket is not None
            self._socket.say(frame("fetch", conversation=conversation, after=head))
            return
        self._heads[conversation] = message.seq
        if message.client_id:
            self.tally.arrived.setdefault(message.client_id, time.monotonic())
        if self._sends_marks:
            self._marks[conversation].changed()

    def _send_read_mark(self, conversation: str, *, is_shown: bool) -> bool:
        """Send what has arrived; for the conversation on the screen also, a moment later, that it was read."""
        assert self._socket is not None
        head, read = self._heads[conversation], self._read[conversation]
        self._socket.say(frame("seen", conversation=conversation, received=head, read=read))
        if is_shown:
            self._read[conversation] = head
        return is_shown and read < head

    def _heartbeat(self) -> None:
        if self._socket is not None and self._socket.is_open:
            self._socket.say(b'{"kind":"ping"}')
            asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._heartbeat)


class ReadMarkLimiter:
    """Rate limit of read marks: one per MARK_SECONDS at most; later changes go into the next. `send` returns
    whether another one is due."""

    def __init__(self, send: Callable[[], bool]) -> None:
        self._send = send
        self._is_paused = False
        self._is_due = False

    def changed(self) -> None:
        if self._is_paused:
            self._is_due = True
            return
        self._is_due = self._send()
        self._is_paused = True
        asyncio.get_running_loop().call_later(MARK_SECONDS, self._pause_ended)

    def _pause_ended(self) -> None:
        self._is_paused = False
        if self._is_due:
            self.changed()


class RoomWriter(Visitor):
    """A visitor of the tutorial's chat, whose messages count as accepted when they come back from the group."""

    def __init__(self, tally: Tally, room: str) -> None:
        super().__init__(tally)
        self._room = room

    async def open(self, url: str) -> None:
        self._socket = await connect(url, f"/ws/chat/{self._room}/", on_text=self._receive)

    def post(self, intended: float | None = None) -> None:
        now = time.monotonic()
        key = str(uuid4())
        self.tally.intended[key] = now if intended is None else intended
        data = {"message": next(self._texts), "client_id": key}
        self.socket.say(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())

    def _receive(self, payload: bytes) -> None:
        # Everyone in the room receives it. Only the visitor writes, so only copies to the writer count here.
        self.tally.accepted[_decode_echo(payload).client_id] = time.monotonic()
        self.on_accepted(self)


class RoomReader:
    """The agent's socket in one room of the tutorial's chat."""

    def __init__(self, tally: Tally, room: str) -> None:
        self._tally = tally
        self._room = room

    async def open(self, url: str) -> None:
        await connect(url, f"/ws/chat/{self._room}/", on_text=self._receive)

    def _receive(self, payload: bytes) -> None:
        key = _decode_echo(payload).client_id
        if key in self._tally.arrived:
            self._tally.repeats += 1
        self._tally.arrived.setdefault(key, time.monotonic())


class _Echo(msgspec.Struct):
    message: str
    client_id: str


_decode_echo = msgspec.json.Decoder(_Echo).decode
_visitor_numbers = itertools.count()


@dataclass(frozen=True)
class Window:
    """Measurements of one period; `cpu` and `own` are processor seconds of the servers and of the load
    itself."""

    began: float
    ended: float
    arrived: int
    cpu: float
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
        return self.cpu * 1000 / self.arrived if self.arrived else float("inf")

    @property
    def own_percent(self) -> float:
        return self.own * 100 / self.seconds

    def check(self, plan: Plan) -> None:
        """Raise Void if the load itself was too busy or late."""
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
    writers: Sequence[Visitor],
    tally: Tally,
    cpu_seconds: Callable[[], float],
    *,
    warm_up: float,
    seconds: float,
) -> Window:
    """Let each writer post the next text as soon as the last was accepted; measure after `warm_up`."""
    is_over = False

    def accepted(writer: Visitor) -> None:
        if not is_over:
            writer.post()

    for writer in writers:
        writer.on_accepted = accepted
        writer.post()
    window = await _window(tally, cpu_seconds, warm_up=warm_up, seconds=seconds)
    is_over = True
    await settle(tally)
    return window


async def open_loop(
    writers: Sequence[Visitor],
    tally: Tally,
    cpu_seconds: Callable[[], float],
    *,
    rate: float,
    warm_up: float,
    seconds: float,
) -> Window:
    """Send `rate` messages a second in all, at times drawn in advance like those of independent people
    (Poisson), from the writers in turn. A writer does not wait for the answer to its previous message."""
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
            writer.post(intended)

    writing = asyncio.create_task(write())
    window = await _window(tally, cpu_seconds, warm_up=warm_up, seconds=seconds)
    await writing
    await settle(tally)
    return window


async def settle(tally: Tally) -> None:
    """Wait until everything was accepted and has arrived, for at most SETTLE_SECONDS; the rest counts as
    lost."""
    until = time.monotonic() + SETTLE_SECONDS
    while not tally.is_settled and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def _window(
    tally: Tally, cpu_seconds: Callable[[], float], *, warm_up: float, seconds: float
) -> Window:
    await asyncio.sleep(warm_up)
    lags: list[float] = []
    lag_task = asyncio.create_task(_measure_lag(lags))
    late_before = len(tally.late)
    began, cpu, own, arrived = time.monotonic(), cpu_seconds(), time.process_time(), len(tally.arrived)
    await asyncio.sleep(seconds)
    window = Window(
        began=began,
        ended=time.monotonic(),
        arrived=len(tally.arrived) - arrived,
        cpu=cpu_seconds() - cpu,
        own=time.process_time() - own,
        late_ms=percentile(tally.late[late_before:], 99) * 1000,
        lag_ms=percentile(lags, 99) * 1000,
    )
    lag_task.cancel()
    return window


async def _measure_lag(lags: list[float]) -> None:
    """Record how late the load's own event loop runs."""
    while True:
        due = time.monotonic() + 0.01
        await asyncio.sleep(0.01)
        lags.append(max(0.0, time.monotonic() - due))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which `percent` of the values lie, or 0 without values."""
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
    """Run the load to its end on uvloop, and close every socket."""

    async def run_and_close() -> T:
        try:
            return await work
        finally:
            # After an aborted run some widgets may still be reconnecting.
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)
            for socket in tuple(wire.open_sockets):
                socket.on_end = None
                socket.cut()
            while wire.open_sockets:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    return uvloop.run(run_and_close())


@contextmanager
def prioritized() -> Iterator[None]:
    """Give the load priority on a machine that it shares with what it measures, and pause garbage collection.
    The time that it takes from the servers makes their figures worse, never better. Without permission the priority
    stays."""
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


def _ignore(visitor: Visitor) -> None:
    pass
