"""A visitor's widget without a browser.

It resumes by token and seq, keeps each post until it is answered, and fetches missing messages. It follows
docs/protocol.md and shares no code with the product.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from tests.harness.read_marks import ReadMarkLimiter
from tests.harness.reconnecting_socket import QUICK, Frame, ReconnectingSocket, Timing
from tests.harness.thread import Message, Thread

# Seconds after which an unanswered post or fetch is sent again.
ANSWER_SECONDS = 5.0
# Seconds for a message to arrive after a state frame has announced it.
BEHIND_SECONDS = 1.0


@dataclass(slots=True)
class Post:
    """A message that is not accepted yet."""

    client_id: str
    body: str
    sent_at: float = 0.0
    not_before: float = 0.0


class VisitorClient:
    """One tab of a visitor.

    Subclasses decide when to act. They also override methods such as `shown`, which are called when something happens.

    At most `burst` posts are sent before the first of them is answered. The real widget waits for each answer (a burst
    of 1); tests of the order of posts use more.
    """

    # Additional headers of the handshake.
    handshake_headers: Mapping[str, str] = {}
    # `sends_marks`: whether read marks are sent. `max_retry_seconds`: the longest wait before a refused frame is sent
    # again.
    sends_marks = True
    max_retry_seconds = float("inf")
    # The codes of refusals that are no errors, for frames other than posts.
    expected_refusals: tuple[str, ...] = ()

    def __init__(
        self,
        websocket_url: str,
        *,
        site: str,
        rng: random.Random,
        language: str = "zh",
        page: str = "",
        device: str = "",
        burst: int = 1,
        timing: Timing = QUICK,
    ) -> None:
        self.token: str | None = None
        self.conversation = ""
        self.status = ""
        self.thread = self.new_thread()
        self.is_welcomed = False
        self.outbox: dict[str, Post] = {}
        # The seq of each accepted message, by client_id.
        self.accepted: dict[str, int] = {}
        self._about = {"site": site, "version": 1, "language": language, "page": page, "device": device}
        self._burst = burst
        self._start: Frame | None = None
        self._former_conversation = ""
        # The number of the connection over which `start` was sent.
        self._start_connection = 0
        self._fetching_since = 0.0
        self._marks = ReadMarkLimiter(self._send_read_mark)
        self.socket = ReconnectingSocket(
            f"{websocket_url}/ws/chat/",
            rng=rng,
            hello=self._hello,
            received=self.received,
            lost=self.lost,
            headers=lambda: self.handshake_headers,
            timing=timing,
        )

    # -- actions ---------------------------------------------------------------------------------------------

    def begin(self, form: Mapping[str, str]) -> None:
        """Start another conversation. The request is repeated until the conversation has begun."""
        self._former_conversation = self.conversation
        self._start = {"kind": "start", "client_id": str(uuid4()), "form": form}
        self._send_start()

    def post(self, body: str) -> Post:
        """Put a message into the outbox. It is sent from there until it is answered."""
        post = Post(str(uuid4()), body)
        self.outbox[post.client_id] = post
        self._flush()
        return post

    @property
    def has_begun(self) -> bool:
        return self._start is None

    @property
    def is_open(self) -> bool:
        return self.status in ("waiting", "active")

    # -- events, for subclasses ------------------------------------------------------------------------------

    def lost(self) -> None:
        """Called when the connection has ended."""
        self.is_welcomed = False
        for post in self.outbox.values():
            post.sent_at = 0.0

    def new_thread(self) -> Thread:
        """Return a new object for the messages of one conversation."""
        return Thread()

    def conversation_begins(self, conversation: str) -> None:
        """Called when another conversation is about to replace the one on the screen."""

    def cleared(self) -> None:
        """Called when the screen was emptied for `conversation`."""

    def shown(self, message: Message) -> None:
        """Called when a message has appeared on the screen."""

    def post_sent(self, post: Post) -> None:
        """Called when a post is about to be sent, for the first time or again."""

    def post_accepted(self, post: Post, seq: int) -> None:
        """Called when a post was accepted, or has come back as a message."""

    def post_refused(self, post: Post, code: str) -> None:
        """Called when a post was refused for good."""

    def mark_sent(self, head: int) -> None:
        """Called when a read mark is about to be sent."""

    def report(self, error: str) -> None:
        """Called with a description when the server has violated the protocol."""

    # -- frames ----------------------------------------------------------------------------------------------

    def _hello(self) -> Frame:
        self._fetching_since = 0.0
        hello: Frame = {"kind": "hello", **self._about, "token": self.token}
        if self.conversation:
            hello |= {"conversation": self.conversation, "after": self.thread.head}
        return hello

    def received(self, frame: Frame) -> None:
        kind = frame["kind"]
        # A frame of an earlier conversation, or of another visitor, changes nothing here.
        is_ours = frame.get("conversation", self.conversation) == self.conversation
        if kind == "accepted":
            self.settle(frame["client_id"], frame["seq"])
        elif kind == "message":
            if is_ours:
                self._add_messages((frame["message"],))
        elif kind == "messages":
            if is_ours:
                self._fetching_since = 0.0
                self._add_messages(frame["messages"], has_more=frame["more"])
        elif kind == "welcome":
            self._welcome(frame)
        elif kind == "refused":
            self._refused(frame)
        elif kind == "state":
            state = frame["state"]
            if state and state["id"] == self.conversation:
                self.status = state["status"]
                loop = asyncio.get_running_loop()
                loop.call_later(BEHIND_SECONDS, self._fetch_if_behind, state["last_seq"])
        elif kind == "pong":
            self._fetch_if_behind(frame["head"])
        if self.outbox:
            self._flush()

    def _welcome(self, frame: Frame) -> None:
        self.token, state = frame["token"], frame["state"]
        self.is_welcomed = True
        if state is not None:
            is_other = state["id"] != self.conversation
            if is_other:
                self.conversation_begins(state["id"])
            if is_other or not frame.get("recovered", True):
                self.conversation, self.thread = state["id"], self.new_thread()
                self.cleared()
            self.status = state["status"]
            self._add_messages(frame["messages"], has_more=frame.get("more", False))
        if self._start is not None:
            if self.conversation != self._former_conversation or self.is_open:
                self._start = None
            elif self._start_connection != self.socket.number:
                self._send_start()
        for post in self.outbox.values():
            post.sent_at = 0.0

    def _add_messages(self, messages: Sequence[Message], *, has_more: bool = False) -> None:
        thread = self.thread
        error_count = len(thread.errors)
        for message in messages:
            head = thread.head
            if thread.add(message):
                has_more = True
            if client_id := message.get("client_id"):
                self.settle(client_id, message["seq"], is_message=True)
            if thread.head > head:
                self.shown(message)
                # The visitor's own messages need no read mark.
                if self.sends_marks and message["role"] != "visitor":
                    self._marks.changed()
        for error in thread.errors[error_count:]:
            self.report(error)
        if has_more:
            self._fetch()

    def settle(self, client_id: str, seq: int, *, is_message: bool = False) -> None:
        """Record that a post is stored: it was accepted, or it has come back as a message (`is_message`)."""
        post = self.outbox.pop(client_id, None)
        if post is not None:
            self.accepted[client_id] = seq
            self.post_accepted(post, seq)
        elif not is_message and self.accepted.get(client_id, seq) != seq:
            self.report(f"{client_id} was accepted as {self.accepted[client_id]} and as {seq}")

    def _send_start(self) -> None:
        if self._start is not None:
            self._start_connection = self.socket.number
            self.socket.write(self._start)

    def _refused(self, frame: Frame) -> None:
        client_id, retry, code = frame.get("client_id", ""), frame.get("retry_after_ms", 0), frame["code"]
        post = self.outbox.get(client_id)
        is_start = self._start is not None and client_id == self._start["client_id"]
        seconds = min((retry or 1000) / 1000, self.max_retry_seconds)
        loop = asyncio.get_running_loop()
        if post is not None and retry:
            post.sent_at, post.not_before = 0.0, time.monotonic() + seconds
            loop.call_later(seconds + 0.002, self._flush)
        elif post is not None:
            del self.outbox[client_id]
            self.post_refused(post, code)
        elif is_start and retry:
            loop.call_later(seconds, self._send_start)
        elif code not in self.expected_refusals:
            self.report(f"refused: {code}")

    def _flush(self) -> None:
        """Send the outbox in order. A post that must wait before it is sent again holds back the posts after it."""
        if not self.is_welcomed or not self.conversation or not self.has_begun:
            return
        now = time.monotonic()
        for post in itertools.islice(self.outbox.values(), self._burst):
            if post.not_before > now:
                return
            if now - post.sent_at >= ANSWER_SECONDS:
                post.sent_at = now
                self.post_sent(post)
                self.socket.write({"kind": "post", "client_id": post.client_id, "body": post.body})

    def _fetch(self) -> None:
        now = time.monotonic()
        if now - self._fetching_since >= ANSWER_SECONDS:
            self._fetching_since = now
            self.socket.write({"kind": "fetch", "after": self.thread.head})

    def _fetch_if_behind(self, head: int) -> None:
        if head > self.thread.head:
            self._fetch()

    def _send_read_mark(self) -> bool:
        head = self.thread.head
        # A read mark does not name its conversation, so send none while the next one starts.
        if head and self.has_begun:
            self.mark_sent(head)
            self.socket.write({"kind": "seen", "received": head, "read": head})
        return False
