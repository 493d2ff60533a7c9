"""A visitor: a box without a browser. Keeps what it wrote until it is accepted, resumes, fetches gaps, begins again."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.faults.transport import Line
from tests.people import SITE_KEY
from tests.simulation.transport import Frame, Thread

if TYPE_CHECKING:
    from tests.faults.world import World

# As the box: a post that is not answered in so long is sent again.
ANSWER_SECONDS = 5.0
MARK_SECONDS = 0.4
BEHIND_SECONDS = 1.0
# Some speak in bursts, several frames before the first answer: the protocol allows it.
BURST = 3


def has_ended(message: Frame) -> bool:
    return message.get("payload", {}).get("code") in ("ended", "left_queue")


def rows_of(thread: Thread) -> list[list[object]]:
    """What a `read` of the history holds: seq, client_id, body."""
    return [[message["seq"], message.get("client_id", ""), message["body"]] for message in thread.messages]


class Screen:
    """One tab of a visitor: a line and the messages on it. The second tab of a visitor only looks on."""

    def __init__(self, world: World, visitor: Visitor, name: str, chance: random.Random) -> None:
        self.world, self.visitor, self.name = world, visitor, name
        self.conversation = ""
        self.status = ""
        self.thread = Thread()
        self.is_welcomed = False
        self._is_fetching_since = 0.0
        self._marked_at = 0.0
        self._wrongs = 0
        self.line = Line(
            world.websocket_url,
            "/ws/chat/",
            chance=chance,
            hello=self._hello,
            received=self._received,
            lost=self._lost,
            ended=lambda code: world.wrong(name, f"the server ended the line for good with {code}"),
        )

    def _lost(self) -> None:
        self.is_welcomed = False
        self.visitor.lost(self)

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
            self.world.history.note(
                "hear",
                who=self.name,
                role="visitor",
                kind=kind,
                conv=conversation,
                body=frame.get("body", ""),
            )
        elif kind != "pong" and conversation != self.conversation:
            # Of one begun before, or of somebody else's: the checker knows which.
            self.world.history.note(
                "hear", who=self.name, role="visitor", kind=kind, conv=conversation, body=""
            )
            return
        match kind:
            case "accepted":
                self.visitor.accepted(frame)
            case "refused":
                self.visitor.refused(frame)
            case "message":
                self._place([frame["message"]])
                self._mark()
            case "messages":
                self._is_fetching_since = 0.0
                self._place(frame["messages"])
                if frame["more"]:
                    self._fetch()
                self._mark()
            case "state" if conversation == self.conversation:
                self.status = state["status"] if state else ""
                if state and state["last_seq"] > self.thread.head:
                    asyncio.get_running_loop().call_later(
                        BEHIND_SECONDS, self._fetch_if_behind, state["last_seq"]
                    )
            case "was_seen" if conversation == self.conversation:
                self.world.history.note(
                    "was_seen",
                    who=self.name,
                    conv=conversation,
                    role=frame["role"],
                    received=frame["received"],
                    read=frame["read"],
                )
            case "pong":
                self._fetch_if_behind(frame["head"])
        self.visitor.news.set()

    def _welcome(self, frame: Frame) -> None:
        self.visitor.token = frame["token"]
        self.is_welcomed = True
        state = frame["state"]
        if state is None:
            self.visitor.welcomed(self)
            return
        history = self.world.history
        if state["id"] != self.conversation:
            history.note("begin", who=self.visitor.name, conv=state["id"], department=self.visitor.department)
        if state["id"] != self.conversation and self.has_ended:
            self.read()
        if state["id"] != self.conversation or not frame.get("recovered", True):
            self.conversation, self.thread = state["id"], Thread()
            self._wrongs = 0
            history.note("clear", who=self.name, conv=self.conversation)
        self.status = state["status"]
        self._place(frame["messages"])
        if frame.get("more"):
            self._fetch()
        self._mark()
        self.visitor.welcomed(self)

    def _place(self, messages: list[Frame]) -> None:
        for message in messages:
            self.visitor.placed(message)
            head = self.thread.head
            has_gap = self.thread.place(message)
            if self.thread.head > head:
                self.world.shown(self.name, "visitor", self.conversation, message)
            elif has_gap:
                self._fetch()
        for words in self.thread.wrong[self._wrongs :]:
            self.world.wrong(self.name, words)
        self._wrongs = len(self.thread.wrong)

    def _fetch(self) -> None:
        now = time.monotonic()
        if self._is_fetching_since and now - self._is_fetching_since < ANSWER_SECONDS:
            return
        self._is_fetching_since = now
        self.world.spawn(self.line.send({"kind": "fetch", "after": self.thread.head}))

    def _fetch_if_behind(self, head: int) -> None:
        if head > self.thread.head:
            self._fetch()

    def _mark(self) -> None:
        now = time.monotonic()
        head = self.thread.head
        if not head or now - self._marked_at < MARK_SECONDS:
            return
        if self is self.visitor.first and not self.visitor.has_begun:
            # As the box, which clears its screen: a mark does not say of which conversation it is.
            return
        self._marked_at = now
        self.world.history.note(
            "mark", who=self.name, conv=self.conversation, role="visitor", received=head, read=head
        )
        self.world.spawn(self.line.send({"kind": "seen", "received": head, "read": head}))

    def read(self) -> None:
        """The final read of this screen."""
        rows = rows_of(self.thread)
        self.world.history.note("read", who=self.name, role="visitor", conv=self.conversation, rows=rows)

    @property
    def has_ended(self) -> bool:
        """Whether the last word of the conversation stands here."""
        return bool(self.thread.messages) and has_ended(self.thread.messages[-1])


class Post:
    def __init__(self, client_id: str, body: str) -> None:
        self.client_id, self.body = client_id, body
        self.sent_at = 0.0
        self.rests_until = 0.0


class Visitor:
    """`tabs` screens of one visitor, the first of which writes."""

    def __init__(
        self, world: World, name: str, chance: random.Random, *, tabs: int = 1, is_bursty: bool = False
    ) -> None:
        self.world, self.name = world, name
        self.department = chance.choice(("cards", "cards", "loans"))
        self.token: str | None = None
        self.news = asyncio.Event()
        self.has_said = 0
        self.accepted_count = 0
        self.is_over = False
        self._chance = chance
        self._burst = BURST if is_bursty else 1
        self._outbox: deque[Post] = deque()
        self._start: Frame | None = None
        self.screens = [Screen(world, self, f"{name}{'+' * tab}", chance) for tab in range(tabs)]

    @property
    def first(self) -> Screen:
        return self.screens[0]

    @property
    def is_open(self) -> bool:
        return self.first.status in ("waiting", "active")

    @property
    def is_settled(self) -> bool:
        """Whether everything it wrote was answered."""
        return not self._outbox

    # -- what its screens tell it --------------------------------------------------------------------------

    def welcomed(self, screen: Screen) -> None:
        if screen is not self.first:
            return
        if self._start is not None:
            if screen.conversation and self.is_open:
                self._start = None
            else:
                self.world.spawn(screen.line.send(self._start))
        for post in self._outbox:
            post.sent_at = 0.0
        self.news.set()

    def lost(self, screen: Screen) -> None:
        if screen is self.first:
            for post in self._outbox:
                post.sent_at = 0.0

    def accepted(self, frame: Frame) -> None:
        self._settle(frame["client_id"], frame["seq"])

    def placed(self, message: Frame) -> None:
        """A message of mine that came back was accepted, whatever became of the answer."""
        if message.get("client_id"):
            self._settle(message["client_id"], message["seq"])

    def _settle(self, client_id: str, seq: int) -> None:
        post = self._take(client_id)
        if post is not None:
            self.accepted_count += 1
            conversation = self.first.conversation
            self.world.history.note(
                "ack", who=self.name, conv=conversation, id=client_id, body=post.body, seq=seq
            )

    def refused(self, frame: Frame) -> None:
        client_id, retry = frame.get("client_id", ""), frame.get("retry_after_ms", 0)
        post = next((post for post in self._outbox if post.client_id == client_id), None)
        if post is not None and retry:
            post.sent_at, post.rests_until = 0.0, time.monotonic() + min(retry / 1000, 1.0)
        elif post is not None:
            self._take(client_id)
            self.world.history.note(
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
                1.0, lambda: self._start is start and self.world.spawn(self.first.line.send(start))
            )
        elif frame["code"] not in ("not_found", "closed", "unavailable", "too_fast"):
            self.world.wrong(self.name, f"refused: {frame['code']}")

    def _take(self, client_id: str) -> Post | None:
        for post in self._outbox:
            if post.client_id == client_id:
                self._outbox.remove(post)
                return post
        return None

    # -- a life ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        for screen in self.screens[:1]:
            self.world.spawn(screen.line.run())
        await self._until(lambda: self.token is not None)
        while not self.is_over:
            await self._begin()
            for screen in self.screens[1:]:
                # The other tabs hear from this one that there is another conversation.
                if screen.line.connects == 0 and not screen.line.is_up:
                    self.world.spawn(screen.line.run())
                else:
                    screen.line.cut()
            await self._talk()

    async def _begin(self) -> None:
        self._start = {
            "kind": "start",
            "client_id": str(uuid4()),
            "form": {"name": self.name, "subject": self.department},
        }
        await self.first.line.send(self._start)
        await self._until(lambda: self.has_begun or self.is_over)

    @property
    def has_begun(self) -> bool:
        return self._start is None

    def _is_ending(self) -> bool:
        return self.is_over or not self.is_open

    async def _talk(self) -> None:
        writing = asyncio.create_task(self._flush())
        try:
            while not self._is_ending():
                for _ in range(self._chance.randint(1, self._burst)):
                    self.say(self.world.words(self._chance))
                await asyncio.sleep(self._chance.uniform(0.2, 1.4) / self.world.plan.pace)
                if self._chance.random() < 0.02:
                    await self.first.line.send({"kind": "wave", "from": "the future"})
                if self._chance.random() < 0.01:
                    await self.first.line.send({"kind": "end"})
                await self._until(lambda: len(self._outbox) < 6 or self._is_ending())
            # What is on its way is settled in this one, and its last word stands here, before the next begins.
            await self._until(lambda: self.is_settled)
            await self._until(lambda: self.is_over or (self.first.has_ended and not self.is_open))
        finally:
            writing.cancel()

    def say(self, words: str) -> None:
        self.has_said += 1
        self._outbox.append(Post(str(uuid4()), f"{self.name}·{self.has_said} {words}"))
        self.news.set()

    async def _flush(self) -> None:
        """In order; none overtakes one that rests. Not bursty: one at a time, as the box does it."""
        while True:
            now = time.monotonic()
            for post in [*self._outbox][: self._burst]:
                if post.rests_until > now:
                    break
                if now - post.sent_at < ANSWER_SECONDS or not self.first.is_welcomed:
                    continue
                if not self.first.conversation:
                    break
                post.sent_at = now
                self.world.history.note(
                    "send",
                    who=self.name,
                    role="visitor",
                    conv=self.first.conversation,
                    id=post.client_id,
                    body=post.body,
                    line=self.first.line.number,
                )
                await self.first.line.send({"kind": "post", "client_id": post.client_id, "body": post.body})
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), 0.2)
            except TimeoutError:
                continue

    async def _until(self, is_true: object) -> None:
        assert callable(is_true)
        while not is_true():
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), 0.5)
            except TimeoutError:
                continue

    async def close(self) -> None:
        for screen in self.screens:
            await screen.line.close()
