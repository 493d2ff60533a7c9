"""The load: visitors who write and agents whose consoles watch, as the real screens speak, and what became of it.

Times are seconds on one monotonic clock. A message's delay counts from the moment at which it was meant to be sent, not
from that at which the load came to it: a server that holds up the load cannot hide behind that.
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
from tests.bench.wire import Line, connect

# As static/chat/socket.js, static/widget/session.js and static/console/inbox/live-connection.js have them.
HEARTBEAT_SECONDS = 25.0
MARK_SECONDS = 0.4

SETTLE_SECONDS = 20.0


class Said(msgspec.Struct):
    seq: int = 0
    client_id: str = ""
    role: str = ""


class State(msgspec.Struct):
    id: str = ""
    last_seq: int = 0


class Heard(msgspec.Struct):
    """What the load reads of any frame of the two sockets."""

    kind: str = ""
    conversation: str = ""
    client_id: str = ""
    seq: int = 0
    message: Said | None = None
    messages: list[Said] = []
    state: State | None = None
    token: str = ""
    code: str = ""
    retry_after_ms: int = 0
    head: int = 0


_heard = msgspec.json.Decoder(Heard).decode


def frame(kind: str, **fields: Any) -> bytes:
    """A frame as a browser writes it: Chinese as it is, not escaped."""
    return json.dumps({"kind": kind, **fields}, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Tally:
    """What became of each message, by its client_id: seconds of the clock, and the seq that it was accepted with."""

    intended: dict[str, float] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    # What screens are made for: a repeat is dropped, a gap is fetched. Said in the conditions when there are any.
    repeats: int = 0
    gaps: int = 0

    @property
    def is_settled(self) -> bool:
        return len(self.arrived) >= len(self.intended) <= len(self.accepted) + self.refused.total()

    def check(self) -> None:
        """Raises Void unless everything that was sent was accepted, and has arrived on the agent's screen."""
        lost = self.accepted.keys() - self.arrived.keys()
        unanswered = self.intended.keys() - self.accepted.keys()
        if lost or unanswered or self.refused or not self.intended:
            raise Void(
                f"{len(self.intended)} sent, {len(self.accepted)} accepted, {len(lost)} of those never arrived, "
                f"refused: {dict(self.refused) or 0}"
            )

    def delays_ms(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """From intended to on the agent's screen, sorted, of what was meant to be sent in that time."""
        return sorted(
            (at - self.intended[key]) * 1000
            for key, at in self.arrived.items()
            if since <= self.intended[key] < until
        )


class Visitor:
    """A box on a visitor's screen. `marks`: visible, so that it says of every message that it has been read."""

    def __init__(self, tally: Tally, *, marks: bool = False) -> None:
        self.tally = tally
        self.conversation = ""
        self.token = ""
        self.head = 0
        self.on_accepted: Callable[[Visitor], None] = _nothing
        self._marks = Marks(self._mark) if marks else None
        self._texts = itertools.cycle(TEXTS)
        for _ in range(next(_visitors) % len(TEXTS)):
            next(self._texts)
        self._line: Line | None = None
        self._welcome: asyncio.Future[None] | None = None
        self._heard_at = 0.0

    @property
    def line(self) -> Line:
        assert self._line is not None
        return self._line

    async def open(self, url: str) -> None:
        """Connects, says hello and hears the welcome."""
        self._line = await connect(url, "/ws/chat/", on_text=self._hear)
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
        self._beat(self.line)

    async def begin(self) -> None:
        await self._ask(frame("start", client_id=str(uuid4()), form={}, topic=None))

    def post(self, intended: float | None = None) -> None:
        """Says the next thing; `intended` is when it should have been, now if nothing is given."""
        now = time.monotonic()
        key = str(uuid4())
        self.tally.intended[key] = now if intended is None else intended
        if intended is not None:
            self.tally.late.append(now - intended)
        self.send_post(key, next(self._texts))

    def send_post(self, key: str, body: str) -> None:
        self.line.say(frame("post", client_id=key, body=body))

    def close(self) -> None:
        if self._line is not None:
            self._line.on_end = None
            self._line.cut()

    async def _ask(self, payload: bytes) -> None:
        self._welcome = asyncio.get_running_loop().create_future()
        self.line.say(payload)
        await asyncio.wait_for(self._welcome, 60)

    def give_up(self, error: Exception) -> None:
        """There will be no welcome on this line."""
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_exception(error)

    def welcomed(self, welcome: Heard) -> None:
        self.token = welcome.token
        if welcome.state is not None:
            self.conversation = welcome.state.id
            self.head = welcome.messages[-1].seq if welcome.messages else self.head

    def said(self, heard: Heard) -> None:
        """A live message, of either side."""
        assert heard.message is not None
        self.head = max(self.head, heard.message.seq)
        # As static/widget/conversation.js: its own words are no news to it.
        if self._marks is not None and heard.message.role != "visitor":
            self._marks.changed()

    def _hear(self, payload: bytes) -> None:
        self._heard_at = time.monotonic()
        heard = _heard(payload)
        if heard.kind == "accepted":
            self.tally.accepted[heard.client_id] = self._heard_at
            self.tally.seqs[heard.client_id] = heard.seq
            self.on_accepted(self)
        elif heard.kind == "message" and heard.message is not None:
            self.said(heard)
        elif heard.kind == "welcome":
            self.welcomed(heard)
            if self._welcome is not None and not self._welcome.done():
                self._welcome.set_result(None)
        elif heard.kind in ("refused", "bye"):
            self.refused(heard)

    def refused(self, heard: Heard) -> None:
        """A refusal, or a goodbye: in a load that nothing disturbs there is none."""
        self.tally.refused[heard.code] += 1
        self.tally.intended.pop(heard.client_id, None)

    def _mark(self) -> bool:
        self.line.say(frame("seen", received=self.head, read=self.head))
        return False

    def _beat(self, line: Line) -> None:
        """A ping after HEARTBEAT_SECONDS of silence, as the box gives it."""
        if not line.is_open:
            return
        due = self._heard_at + HEARTBEAT_SECONDS
        if due <= time.monotonic() + 0.001:
            line.say(b'{"kind":"ping"}')
            due = time.monotonic() + HEARTBEAT_SECONDS
        asyncio.get_running_loop().call_later(due - time.monotonic(), self._beat, line)


class Console:
    """An agent's console, watching all of their conversations; the first of them is on the screen."""

    def __init__(self, tally: Tally, cookie: str, *, marks: bool = False) -> None:
        self.tally = tally
        self._cookie = cookie
        self._heads: dict[str, int] = {}
        self._marks: dict[str, Marks] = {}
        self._read: dict[str, int] = {}
        self._does_mark = marks
        self._line: Line | None = None
        self._waited: tuple[str, asyncio.Future[Heard]] | None = None

    async def open(self, url: str, conversations: Sequence[str]) -> None:
        """Connects, hears the welcome and watches these."""
        self._line = await connect(url, "/ws/console/", on_text=self._hear, cookie=self._cookie)
        await self._ask(frame("hello", version=1), "welcome")
        for number, conversation in enumerate(conversations):
            heard = await self._ask(frame("watch", conversation=conversation, after=0), "messages")
            self._heads[conversation] = heard.messages[-1].seq if heard.messages else 0
            self._read[conversation] = 0
            if self._does_mark:
                self._marks[conversation] = Marks(partial(self._mark, conversation, is_shown=number == 0))
        self._beat()

    def close(self) -> None:
        if self._line is not None:
            self._line.cut()

    async def _ask(self, payload: bytes, kind: str) -> Heard:
        assert self._line is not None
        future: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self._waited = (kind, future)
        self._line.say(payload)
        return await asyncio.wait_for(future, 60)

    def _hear(self, payload: bytes) -> None:
        # A console hears of much that is not said in its conversations: only what the load needs is decoded.
        kind = payload[9:20]
        if kind.startswith(b'message"'):
            heard = _heard(payload)
            assert heard.message is not None
            self._place(heard.conversation, heard.message)
        elif kind.startswith((b"messages", b"welcome")):
            heard = _heard(payload)
            if self._waited is not None and self._waited[0] == heard.kind and not self._waited[1].done():
                self._waited[1].set_result(heard)
            elif heard.kind == "messages":
                for said in heard.messages:
                    self._place(heard.conversation, said)
        elif kind.startswith((b"bye", b"refused")):
            self.tally.refused[f"console: {_heard(payload).code}"] += 1

    def _place(self, conversation: str, said: Said) -> None:
        head = self._heads.get(conversation, 0)
        if said.seq <= head:
            self.tally.repeats += 1
            return
        if said.seq > head + 1:
            self.tally.gaps += 1
            assert self._line is not None
            self._line.say(frame("fetch", conversation=conversation, after=head))
            return
        self._heads[conversation] = said.seq
        if said.client_id:
            self.tally.arrived.setdefault(said.client_id, time.monotonic())
        if self._does_mark:
            self._marks[conversation].changed()

    def _mark(self, conversation: str, *, is_shown: bool) -> bool:
        """Says what has arrived; a moment later, of what is on the screen, that it has been read."""
        assert self._line is not None
        head, read = self._heads[conversation], self._read[conversation]
        self._line.say(frame("seen", conversation=conversation, received=head, read=read))
        if is_shown:
            self._read[conversation] = head
        return is_shown and read < head

    def _beat(self) -> None:
        if self._line is not None and self._line.is_open:
            self._line.say(b'{"kind":"ping"}')
            asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._beat)


class Marks:
    """At most one mark in MARK_SECONDS: what comes meanwhile is in the next. `send` says whether one more is due."""

    def __init__(self, send: Callable[[], bool]) -> None:
        self._send = send
        self._is_resting = False
        self._is_due = False

    def changed(self) -> None:
        if self._is_resting:
            self._is_due = True
            return
        self._is_due = self._send()
        self._is_resting = True
        asyncio.get_running_loop().call_later(MARK_SECONDS, self._rested)

    def _rested(self) -> None:
        self._is_resting = False
        if self._is_due:
            self.changed()


class RoomWriter(Visitor):
    """A visitor of the tutorial's chat: what they said is accepted when it comes back from the group."""

    def __init__(self, tally: Tally, room: str) -> None:
        super().__init__(tally)
        self._room = room

    async def open(self, url: str) -> None:
        self._line = await connect(url, f"/ws/chat/{self._room}/", on_text=self._hear)

    def post(self, intended: float | None = None) -> None:
        now = time.monotonic()
        key = str(uuid4())
        self.tally.intended[key] = now if intended is None else intended
        said = {"message": next(self._texts), "client_id": key}
        self.line.say(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode())

    def _hear(self, payload: bytes) -> None:
        # Everybody in the room hears it: only what came back to its writer counts here, and only the visitor writes.
        self.tally.accepted[_said(payload).client_id] = time.monotonic()
        self.on_accepted(self)


class RoomReader:
    """The agent's socket in one room of the tutorial's chat."""

    def __init__(self, tally: Tally, room: str) -> None:
        self._tally = tally
        self._room = room

    async def open(self, url: str) -> None:
        await connect(url, f"/ws/chat/{self._room}/", on_text=self._hear)

    def _hear(self, payload: bytes) -> None:
        key = _said(payload).client_id
        if key in self._tally.arrived:
            self._tally.repeats += 1
        self._tally.arrived.setdefault(key, time.monotonic())


class _Echo(msgspec.Struct):
    message: str
    client_id: str


_said = msgspec.json.Decoder(_Echo).decode
_visitors = itertools.count()


@dataclass(frozen=True)
class Window:
    """What a stretch of the load took: `cpu` and `own` are seconds of the servers and of the load itself."""

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
        """Raises Void when the load was what held things up."""
        if self.own_percent > plan.most_own_percent:
            raise Void(f"the load itself used {self.own_percent:.0f} % of a core")
        if self.late_ms > plan.most_late_ms:
            raise Void(f"the load came {self.late_ms:.1f} ms too late (p99)")

    def __str__(self) -> str:
        late = (
            f", {self.late_ms:.1f} ms late (p99)" if self.late_ms else f", loop lag p99 {self.lag_ms:.1f} ms"
        )
        return f"load: {self.own_percent:.0f} % of a core{late}"


async def closed_loop(
    writers: Sequence[Visitor], tally: Tally, spent: Callable[[], float], *, warm_up: float, seconds: float
) -> Window:
    """Each writer says the next thing as soon as the last was accepted; what is measured begins after `warm_up`."""
    is_over = False

    def accepted(writer: Visitor) -> None:
        if not is_over:
            writer.post()

    for writer in writers:
        writer.on_accepted = accepted
        writer.post()
    window = await _window(tally, spent, warm_up=warm_up, seconds=seconds)
    is_over = True
    await settle(tally)
    return window


async def open_loop(
    writers: Sequence[Visitor],
    tally: Tally,
    spent: Callable[[], float],
    *,
    rate: float,
    warm_up: float,
    seconds: float,
) -> Window:
    """`rate` messages a second in all, at moments drawn beforehand as independent people come (Poisson), writer after
    writer. None is held back because the one before has not been answered."""
    chance = Random(1)
    began = time.monotonic() + 0.05
    moments = list(
        itertools.takewhile(
            lambda at: at < began + warm_up + seconds,
            itertools.accumulate(
                itertools.repeat(None), lambda at, _: at + chance.expovariate(rate), initial=began
            ),
        )
    )

    async def write() -> None:
        for intended, writer in zip(moments, itertools.cycle(writers), strict=False):
            # The loop's timers count whole milliseconds, and may fire half a one early.
            while (wait := intended - time.monotonic()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait if wait > 0.0006 else 0)
            writer.post(intended)

    writing = asyncio.create_task(write())
    window = await _window(tally, spent, warm_up=warm_up, seconds=seconds)
    await writing
    await settle(tally)
    return window


async def settle(tally: Tally) -> None:
    """Waits until everything was accepted and has arrived, at most SETTLE_SECONDS: the rest counts as lost."""
    until = time.monotonic() + SETTLE_SECONDS
    while not tally.is_settled and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def _window(tally: Tally, spent: Callable[[], float], *, warm_up: float, seconds: float) -> Window:
    await asyncio.sleep(warm_up)
    lags: list[float] = []
    pulse = asyncio.create_task(_pulse(lags))
    late_before = len(tally.late)
    began, cpu, own, arrived = time.monotonic(), spent(), time.process_time(), len(tally.arrived)
    await asyncio.sleep(seconds)
    window = Window(
        began=began,
        ended=time.monotonic(),
        arrived=len(tally.arrived) - arrived,
        cpu=spent() - cpu,
        own=time.process_time() - own,
        late_ms=percentile(tally.late[late_before:], 99) * 1000,
        lag_ms=percentile(lags, 99) * 1000,
    )
    pulse.cancel()
    return window


async def _pulse(lags: list[float]) -> None:
    """How long the load's own loop keeps things waiting."""
    while True:
        due = time.monotonic() + 0.01
        await asyncio.sleep(0.01)
        lags.append(max(0.0, time.monotonic() - due))


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which so many percent lie; 0 where there are none."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


async def each(jobs: Iterator[Any] | Sequence[Any], *, at_once: int = 50) -> None:
    """Awaits all of these coroutines, so many at a time."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await job

    await asyncio.gather(*(work() for _ in range(at_once)))


T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs the load to its end, on uvloop, and leaves no line open."""

    async def to_the_end() -> T:
        try:
            return await work
        finally:
            # Of a run that was given up, some are still coming back.
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)
            for line in tuple(wire.lines):
                line.on_end = None
                line.cut()
            while wire.lines:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    return uvloop.run(to_the_end())


@contextmanager
def ahead_of_the_servers() -> Iterator[None]:
    """The load goes first on a machine that it shares with what it measures, and does not pause for garbage: what it
    takes from the servers makes their figures worse, never better. Where we may not, it takes its turn."""
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


def _nothing(visitor: Visitor) -> None:
    pass
