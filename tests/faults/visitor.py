"""A visitor: a widget without a browser. Keeps its posts until they are accepted, resumes, fetches gaps,
starts again."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.faults.transport import ReconnectingSocket
from tests.people import SITE_KEY
from tests.simulation.transport import Frame, Thread

if TYPE_CHECKING:
    from tests.faults.scenario import Scenario

# Like the widget, send a post again when it was not answered for this long.
ANSWER_SECONDS = 5.0
MARK_SECONDS = 0.4
BEHIND_SECONDS = 1.0
# Some visitors send several frames before the first answer, which the protocol allows.
BURST = 3


def has_ended(message: Frame) -> bool:
    return message.get("payload", {}).get("code") in ("ended", "left_queue")


def rows_of(thread: Thread) -> list[list[object]]:
    """Return the rows of a `read` record: seq, client_id, body."""
    return [[message["seq"], message.get("client_id", ""), message["body"]] for message in thread.messages]


class Screen:
    """One tab of a visitor: a socket and the messages it shows. Only the first tab of a visitor writes."""

    def __init__(self, scenario: Scenario, visitor: Visitor, name: str, rng: random.Random) -> None:
        self.scenario, self.visitor, self.name = scenario, visitor, name
        self.conversation = ""
        self.status = ""
        self.thread = Thread()
        self.is_welcomed = False
        self._is_fetching_since = 0.0
        self._marked_at = 0.0
        self._reported_errors = 0
        self.socket = ReconnectingSocket(
            scenario.websocket_url,
            "/ws/chat/",
            rng=rng,
            hello=self._hello,
            received=self._received,
            lost=self._lost,
            ended=lambda code: scenario.note_error(
                name, f"the server closed the socket for good with {code}"
            ),
        )

    def _lost(self) -> None:
        self.is_welcomed = False
        self.visitor.disconnected(self)

    def _hello(self) -> Frame:
        self._is_fetching_since = 0.0
        hello: Frame = {"kind": "hello", "site": SITE_KEY, "version": 1, "language": "zh", "page": ""}
        hello["token"] = self.visitor.token
        if self.conversation:
            hello |= {"conversation": self.conversation, "after": self.thread.head}
        return hello

    def _received(self, frame: Frame) -> None:
        kind = frame["kind"]
        state = frame.get("state")
        conversation = frame.get("conversation") or (state["id"] if state else "")
        if kind == "welcome":
            self._welcome(frame)
        if kind not in ("pong", "messages", "message"):
            self.scenario.history.append(
                "receive",
                who=self.name,
                role="visitor",
                kind=kind,
                conv=conversation,
                body=frame.get("body", ""),
            )
        elif kind != "pong" and conversation != self.conversation:
            # This belongs to an earlier conversation, or to another visitor: the checker knows which.
            self.scenario.history.append(
                "receive", who=self.name, role="visitor", kind=kind, conv=conversation, body=""
            )
            return
        match kind:
            case "accepted":
                self.visitor.accepted(frame)
            case "refused":
                self.visitor.refused(frame)
            case "message":
                self._add_messages([frame["message"]])
                self._send_read_mark()
            case "messages":
                self._is_fetching_since = 0.0
                self._add_messages(frame["messages"])
                if frame["more"]:
                    self._fetch()
                self._send_read_mark()
            case "state" if conversation == self.conversation:
                self.status = state["status"] if state else ""
                if state and state["last_seq"] > self.thread.head:
                    asyncio.get_running_loop().call_later(
                        BEHIND_SECONDS, self._fetch_if_behind, state["last_seq"]
                    )
            case "was_seen" if conversation == self.conversation:
                self.scenario.history.append(
                    "was_seen",
                    who=self.name,
                    conv=conversation,
                    role=frame["role"],
                    received=frame["received"],
                    read=frame["read"],
                )
            case "pong":
                self._fetch_if_behind(frame["head"])
        self.visitor.changed.set()

    def _welcome(self, frame: Frame) -> None:
        self.visitor.token = frame["token"]
        self.is_welcomed = True
        state = frame["state"]
        if state is None:
            self.visitor.welcomed(self)
            return
        history = self.scenario.history
        if state["id"] != self.conversation:
            history.append(
                "begin", who=self.visitor.name, conv=state["id"], department=self.visitor.department
            )
        if state["id"] != self.conversation and self.has_ended:
            self.read()
        if state["id"] != self.conversation or not frame.get("recovered", True):
            self.conversation, self.thread = state["id"], Thread()
            self._reported_errors = 0
            history.append("clear", who=self.name, conv=self.conversation)
        self.status = state["status"]
        self._add_messages(frame["messages"])
        if frame.get("more"):
            self._fetch()
        self._send_read_mark()
        self.visitor.welcomed(self)

    def _add_messages(self, messages: list[Frame]) -> None:
        for message in messages:
            self.visitor.received(message)
            head = self.thread.head
            has_gap = self.thread.add(message)
            if self.thread.head > head:
                self.scenario.note_shown(self.name, "visitor", self.conversation, message)
            elif has_gap:
                self._fetch()
        for error in self.thread.errors[self._reported_errors :]:
            self.scenario.note_error(self.name, error)
        self._reported_errors = len(self.thread.errors)

    def _fetch(self) -> None:
        now = time.monotonic()
        if self._is_fetching_since and now - self._is_fetching_since < ANSWER_SECONDS:
            return
        self._is_fetching_since = now
        self.scenario.spawn(self.socket.send({"kind": "fetch", "after": self.thread.head}))

    def _fetch_if_behind(self, head: int) -> None:
        if head > self.thread.head:
            self._fetch()

    def _send_read_mark(self) -> None:
        now = time.monotonic()
        head = self.thread.head
        if not head or now - self._marked_at < MARK_SECONDS:
            return
        if self is self.visitor.first and not self.visitor.has_begun:
            # Like the widget, which clears its screen: a read mark does not name its conversation.
            return
        self._marked_at = now
        self.scenario.history.append(
            "mark", who=self.name, conv=self.conversation, role="visitor", received=head, read=head
        )
        self.scenario.spawn(self.socket.send({"kind": "seen", "received": head, "read": head}))

    def read(self) -> None:
        """Record the final read of this screen."""
        rows = rows_of(self.thread)
        self.scenario.history.append("read", who=self.name, role="visitor", conv=self.conversation, rows=rows)

    @property
    def has_ended(self) -> bool:
        """Whether the last message of the conversation is shown here."""
        return bool(self.thread.messages) and has_ended(self.thread.messages[-1])


class Post:
    def __init__(self, client_id: str, body: str) -> None:
        self.client_id, self.body = client_id, body
        self.sent_at = 0.0
        self.not_before = 0.0


class Visitor:
    """A visitor with `tabs` screens, the first of which writes."""

    def __init__(
        self, scenario: Scenario, name: str, rng: random.Random, *, tabs: int = 1, is_bursty: bool = False
    ) -> None:
        self.scenario, self.name = scenario, name
        self.department = rng.choice(("cards", "cards", "loans"))
        self.token: str | None = None
        self.changed = asyncio.Event()
        self.sent_count = 0
        self.accepted_count = 0
        self.is_over = False
        self._rng = rng
        self._burst = BURST if is_bursty else 1
        self._outbox: deque[Post] = deque()
        self._start: Frame | None = None
        self.screens = [Screen(scenario, self, f"{name}{'+' * tab}", rng) for tab in range(tabs)]

    @property
    def first(self) -> Screen:
        return self.screens[0]

    @property
    def is_open(self) -> bool:
        return self.first.status in ("waiting", "active")

    @property
    def is_settled(self) -> bool:
        """Whether every post was answered."""
        return not self._outbox

    # -- events of its screens ----------------------------------------------------------------------------

    def welcomed(self, screen: Screen) -> None:
        if screen is not self.first:
            return
        if self._start is not None:
            if screen.conversation and self.is_open:
                self._start = None
            else:
                self.scenario.spawn(screen.socket.send(self._start))
        for post in self._outbox:
            post.sent_at = 0.0
        self.changed.set()

    def disconnected(self, screen: Screen) -> None:
        if screen is self.first:
            for post in self._outbox:
                post.sent_at = 0.0

    def accepted(self, frame: Frame) -> None:
        self._note_accepted(frame["client_id"], frame["seq"])

    def received(self, message: Frame) -> None:
        """One of my messages that came back was accepted, even if the answer was lost."""
        if message.get("client_id"):
            self._note_accepted(message["client_id"], message["seq"])

    def _note_accepted(self, client_id: str, seq: int) -> None:
        post = self._take(client_id)
        if post is not None:
            self.accepted_count += 1
            conversation = self.first.conversation
            self.scenario.history.append(
                "ack", who=self.name, conv=conversation, id=client_id, body=post.body, seq=seq
            )

    def refused(self, frame: Frame) -> None:
        client_id, retry = frame.get("client_id", ""), frame.get("retry_after_ms", 0)
        post = next((post for post in self._outbox if post.client_id == client_id), None)
        if post is not None and retry:
            post.sent_at, post.not_before = 0.0, time.monotonic() + min(retry / 1000, 1.0)
        elif post is not None:
            self._take(client_id)
            self.scenario.history.append(
                "refuse",
                who=self.name,
                conv=self.first.conversation,
                id=client_id,
                body=post.body,
                code=frame["code"],
            )
        elif self._start is not None and client_id == self._start["client_id"]:
            start = self._start
            asyncio.get_running_loop().call_later(
                1.0, lambda: self._start is start and self.scenario.spawn(self.first.socket.send(start))
            )
        elif frame["code"] not in ("not_found", "closed", "unavailable", "too_fast"):
            self.scenario.note_error(self.name, f"refused: {frame['code']}")

    def _take(self, client_id: str) -> Post | None:
        for post in self._outbox:
            if post.client_id == client_id:
                self._outbox.remove(post)
                return post
        return None

    # -- the run ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        for screen in self.screens[:1]:
            self.scenario.spawn(screen.socket.run())
        await self._wait_until(lambda: self.token is not None)
        while not self.is_over:
            await self._start_conversation()
            for screen in self.screens[1:]:
                # The other tabs learn of the new conversation only from this one, so reconnect them.
                if screen.socket.connects == 0 and not screen.socket.is_up:
                    self.scenario.spawn(screen.socket.run())
                else:
                    screen.socket.cut()
            await self._write_messages()

    async def _start_conversation(self) -> None:
        self._start = {
            "kind": "start",
            "client_id": str(uuid4()),
            "form": {"name": self.name, "subject": self.department},
        }
        await self.first.socket.send(self._start)
        await self._wait_until(lambda: self.has_begun or self.is_over)

    @property
    def has_begun(self) -> bool:
        return self._start is None

    def _is_ending(self) -> bool:
        return self.is_over or not self.is_open

    async def _write_messages(self) -> None:
        writing = asyncio.create_task(self._flush())
        try:
            while not self._is_ending():
                for _ in range(self._rng.randint(1, self._burst)):
                    self.write(self.scenario.random_text(self._rng))
                await asyncio.sleep(self._rng.uniform(0.2, 1.4) / self.scenario.plan.pace)
                if self._rng.random() < 0.02:
                    await self.first.socket.send({"kind": "wave", "from": "the future"})
                if self._rng.random() < 0.01:
                    await self.first.socket.send({"kind": "end"})
                await self._wait_until(lambda: len(self._outbox) < 6 or self._is_ending())
            # Before the next conversation starts, every post is answered and the last message of this one is
            # shown.
            await self._wait_until(lambda: self.is_settled)
            await self._wait_until(lambda: self.is_over or (self.first.has_ended and not self.is_open))
        finally:
            writing.cancel()

    def write(self, text: str) -> None:
        self.sent_count += 1
        self._outbox.append(Post(str(uuid4()), f"{self.name}·{self.sent_count} {text}"))
        self.changed.set()

    async def _flush(self) -> None:
        """Send the outbox in order; a post that was put off blocks later ones. Unless bursty, one at a time,
        like the widget."""
        while True:
            now = time.monotonic()
            for post in [*self._outbox][: self._burst]:
                if post.not_before > now:
                    break
                if now - post.sent_at < ANSWER_SECONDS or not self.first.is_welcomed:
                    continue
                if not self.first.conversation:
                    break
                post.sent_at = now
                self.scenario.history.append(
                    "send",
                    who=self.name,
                    role="visitor",
                    conv=self.first.conversation,
                    id=post.client_id,
                    body=post.body,
                    connection=self.first.socket.number,
                )
                await self.first.socket.send({"kind": "post", "client_id": post.client_id, "body": post.body})
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), 0.2)
            except TimeoutError:
                continue

    async def _wait_until(self, is_true: object) -> None:
        assert callable(is_true)
        while not is_true():
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), 0.5)
            except TimeoutError:
                continue

    async def close(self) -> None:
        for screen in self.screens:
            await screen.socket.close()
