"""A visitor of the fault checker with several tabs, whose posts, read marks and screens are recorded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.harness.reconnecting_socket import Frame, Timing
from tests.harness.thread import Message, Thread
from tests.harness.visitor import Post, VisitorClient
from tests.people import SITE_KEY

if TYPE_CHECKING:
    from tests.faults.scenario import Scenario

# These clients notice a dead connection sooner than browsers do: they send a heartbeat after one second of silence, and
# give the connection up if no answer arrives within five seconds.
FAST = Timing(heartbeat_seconds=1.0, answer_seconds=5.0, base_seconds=0.2, max_pause_seconds=2.0)
# Some visitors send several frames before the first answer, which the protocol allows.
BURST = 3


def has_ended(message: Message) -> bool:
    return message.get("payload", {}).get("code") in ("ended", "left_queue")


def rows_of(thread: Thread) -> list[list[object]]:
    """Return the rows of a `read` record, [seq, client_id, body] for each message of the thread."""
    return [[message["seq"], message.get("client_id", ""), message["body"]] for message in thread.messages]


class Screen(VisitorClient):
    """One tab of a visitor. Only the first tab of a visitor writes."""

    max_retry_seconds = 1.0
    expected_refusals = ("not_found", "closed", "unavailable", "too_fast")

    def __init__(
        self, scenario: Scenario, visitor: Visitor, name: str, rng: random.Random, burst: int
    ) -> None:
        super().__init__(scenario.websocket_url, site=SITE_KEY, rng=rng, burst=burst, timing=FAST)
        self.scenario, self.visitor, self.name = scenario, visitor, name
        self._append = scenario.history.append

    @property
    def has_ended(self) -> bool:
        """Whether this screen shows the message that ends the conversation."""
        return bool(self.thread.messages) and has_ended(self.thread.messages[-1])

    def read(self) -> None:
        """Record what this screen shows at the end of the run."""
        rows = rows_of(self.thread)
        self._append("read", who=self.name, role="visitor", conv=self.conversation, rows=rows)

    # -- events ----------------------------------------------------------------------------------------------

    def received(self, frame: Frame) -> None:
        kind = frame["kind"]
        if kind == "welcome":
            # All tabs of a visitor share one token.
            self.visitor.take_token(frame["token"])
        super().received(frame)
        state = frame.get("state")
        if state:
            told = (state["agent"] or {}).get("number", "") if state["status"] == "active" else ""
            self._append("told", who=self.name, conv=state["id"], status=state["status"], number=told)
        conversation = frame.get("conversation") or (state["id"] if state else "")
        # Do not record pongs. Do not record messages of this conversation either: `shown` records them.
        if kind not in ("pong", "messages", "message") or (
            kind != "pong" and conversation != self.conversation
        ):
            body = "" if kind in ("messages", "message") else frame.get("body", "")
            self._append("receive", who=self.name, role="visitor", kind=kind, conv=conversation, body=body)
        if kind == "was_seen" and conversation == self.conversation:
            marks = {"role": frame["role"], "received": frame["received"], "read": frame["read"]}
            self._append("was_seen", who=self.name, conv=conversation, **marks)

    def lost(self) -> None:
        super().lost()
        if self.socket.error:
            self.report(self.socket.error)

    def conversation_begins(self, conversation: str) -> None:
        visitor = self.visitor
        self._append("begin", who=visitor.name, conv=conversation, department=visitor.department)
        if self.has_ended:
            self.read()

    def cleared(self) -> None:
        self._append("clear", who=self.name, conv=self.conversation)

    def shown(self, message: Message) -> None:
        self.scenario.note_shown(self.name, "visitor", self.conversation, message)

    def settle(self, client_id: str, seq: int, *, is_message: bool = False) -> None:
        # The first tab sends all messages and keeps the outbox, but another tab might be the first to learn that a
        # message is stored.
        first = self.visitor.first
        if self is first:
            super().settle(client_id, seq, is_message=is_message)
        else:
            first.settle(client_id, seq, is_message=is_message)

    def post_sent(self, post: Post) -> None:
        self._append("send", **self._about_post(post), role="visitor", connection=self.socket.number)

    def post_accepted(self, post: Post, seq: int) -> None:
        self._append("ack", **self._about_post(post), seq=seq)

    def post_refused(self, post: Post, code: str) -> None:
        self._append("refuse", **self._about_post(post), code=code)

    def _about_post(self, post: Post) -> dict[str, str]:
        return {
            "who": self.visitor.name,
            "conv": self.conversation,
            "id": post.client_id,
            "body": post.body,
        }

    def mark_sent(self, head: int) -> None:
        self._append("mark", who=self.name, conv=self.conversation, role="visitor", received=head, read=head)

    def report(self, error: str) -> None:
        self.scenario.note_error(self.name, error)


class Visitor:
    """A visitor with `tabs` screens. Only the first screen sends messages."""

    def __init__(
        self,
        scenario: Scenario,
        name: str,
        rng: random.Random,
        *,
        department: str,
        tabs: int = 1,
        is_bursty: bool = False,
    ) -> None:
        self.scenario, self.name, self.department = scenario, name, department
        self.sent_count = 0
        self.is_over = False
        self._rng = rng
        self._burst = BURST if is_bursty else 1
        self.screens = [Screen(scenario, self, f"{name}{'+' * tab}", rng, self._burst) for tab in range(tabs)]
        self.first = self.screens[0]

    @property
    def accepted_count(self) -> int:
        return len(self.first.accepted)

    @property
    def is_settled(self) -> bool:
        """Whether every post has been answered."""
        return not self.first.outbox

    def take_token(self, token: str) -> None:
        for screen in self.screens:
            screen.token = token

    async def run(self) -> None:
        first = self.first
        self.scenario.spawn(first.socket.run())
        await self._wait_until(lambda: first.is_welcomed)
        while not self.is_over:
            first.begin({"name": self.name, "subject": self.department})
            await self._wait_until(lambda: first.has_begun or self.is_over)
            for screen in self.screens[1:]:
                # The server does not tell the other tabs about the new conversation. Reconnect them, so that they learn
                # of it from the welcome frame.
                if screen.socket.attempts == 0:
                    self.scenario.spawn(screen.socket.run())
                else:
                    screen.socket.cut()
            await self._write_messages()

    def _is_ending(self) -> bool:
        return self.is_over or not self.first.is_open

    async def _write_messages(self) -> None:
        first = self.first
        while not self._is_ending():
            for _ in range(self._rng.randint(1, self._burst)):
                self.sent_count += 1
                first.post(f"{self.name}·{self.sent_count} {self.scenario.random_text(self._rng)}")
            await asyncio.sleep(self._rng.uniform(0.2, 1.4) / self.scenario.plan.pace)
            if self._rng.random() < 0.02:
                first.socket.write({"kind": "wave", "from": "the future"})
            if self._rng.random() < 0.01:
                first.socket.write({"kind": "end"})
            await self._wait_until(lambda: len(first.outbox) < 6 or self._is_ending())
        # Start the next conversation only when every post is answered and the last message of this conversation is
        # shown.
        await self._wait_until(lambda: self.is_settled)
        await self._wait_until(lambda: self.is_over or (first.has_ended and not first.is_open))

    async def _wait_until(self, is_true: Callable[[], bool]) -> None:
        while not await self.first.socket.until(is_true, 0.5):
            if self.first.socket.error:
                # After an error, `until` returns at once instead of waiting.
                await asyncio.sleep(0.5)

    async def close(self) -> None:
        for screen in self.screens:
            await screen.socket.close()
