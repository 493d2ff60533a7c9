"""An agent's console without a browser. It watches conversations and sends read marks over the WebSocket, and does
everything else by POST requests.

It follows docs/protocol.md and shares no code with the product.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from tests.harness.http_client import UNKNOWN, Answer, HttpClient
from tests.harness.read_marks import ReadMarkLimiter
from tests.harness.reconnecting_socket import QUICK, Frame, ReconnectingSocket, Timing
from tests.harness.thread import Message, Thread

# Seconds after which an unanswered fetch is sent again.
ANSWER_SECONDS = 5.0
# Seconds after which a request without an answer, or with a transient error, is sent again, as in the console.
RETRY_SECONDS = 0.5
TRANSIENT_STATUSES = (UNKNOWN, 429, 500, 502, 503)


class AgentClient:
    """The console of a signed-in staff member.

    Subclasses decide when to act. They also override methods such as `shown`, which are called when something happens.
    """

    # Additional headers of the handshake, and the kinds of frames to decode (all if empty).
    handshake_headers: Mapping[str, str] = {}
    decoded_kinds: tuple[bytes, ...] = ()
    http_seconds = 30.0

    def __init__(
        self,
        url: str,
        websocket_url: str,
        *,
        rng: random.Random,
        cookies: Mapping[str, str] | None = None,
        timing: Timing = QUICK,
    ) -> None:
        self.threads: dict[str, Thread] = {}
        # `rows` has the rows that this console received, by conversation; `listed` has the ids of the conversations on
        # its lists.
        self.rows: dict[str, Frame] = {}
        self.listed: set[str] = set()
        self.is_welcomed = False
        # True if the server has closed this console for good, or if the session has ended.
        self.is_shut_out = False
        self._url, self._websocket_url = url, websocket_url
        self._rng, self._timing = rng, timing
        self._fetching: dict[str, float] = {}
        self._marks: dict[str, ReadMarkLimiter] = {}
        self.use_cookies(cookies)

    def use_cookies(self, cookies: Mapping[str, str] | None) -> None:
        """Replace the HTTP client and the socket with new ones for the session of these cookies.

        `socket.run` must then be called to open the new socket.
        """
        self.http = HttpClient(self._url, cookies, seconds=self.http_seconds, headers={"HX-Request": "true"})
        self.socket = ReconnectingSocket(
            f"{self._websocket_url}/ws/console/",
            rng=self._rng,
            hello=lambda: {"kind": "hello", "version": 1},
            received=self.received,
            lost=self.lost,
            headers=lambda: {**self.handshake_headers, "Cookie": self.http.cookie_header},
            timing=self._timing,
            decoded_kinds=self.decoded_kinds,
        )
        self.is_shut_out = False

    # -- events, for subclasses ------------------------------------------------------------------------------

    def lost(self) -> None:
        """Called when the connection has ended."""
        self.is_welcomed = False
        self.is_shut_out = self.is_shut_out or bool(self.socket.error)

    def new_thread(self) -> Thread:
        """Return a new object for the messages of one conversation."""
        return Thread()

    def lists_changed(self) -> None:
        """Called when a row or a list has changed."""

    def cleared(self, uuid: str) -> None:
        """Called when an empty screen for this conversation was opened."""

    def shown(self, uuid: str, message: Message) -> None:
        """Called when a message has appeared on the screen."""

    def mark_sent(self, uuid: str, head: int) -> None:
        """Called when a read mark is about to be sent."""

    def may_mark(self, uuid: str) -> bool:
        """Return whether read marks are sent for this conversation."""
        return False

    def report(self, error: str) -> None:
        """Called with a description when the server has violated the protocol."""

    def answered(self, path: str, answer: Answer) -> None:
        """Called after each POST, whether it was answered or not."""

    def message_sent(self, uuid: str, client_id: str, body: str) -> None:
        """Called when a message is about to be sent, for the first time or again."""

    def message_accepted(self, uuid: str, client_id: str, body: str, seq: int) -> None:
        """Called when a message was accepted."""

    def message_refused(self, uuid: str, client_id: str, body: str, code: str) -> None:
        """Called when a message was refused for good."""

    # -- frames ----------------------------------------------------------------------------------------------

    def received(self, frame: Frame) -> None:
        kind = frame["kind"]
        uuid = frame.get("conversation", "")
        if kind == "message":
            if uuid in self.threads:
                self.add_messages(uuid, [frame["message"]])
            if "row" in frame:
                self.set_row(frame["row"], is_listed=True)
                self.lists_changed()
        elif kind == "messages":
            if uuid in self.threads:
                self._fetching.pop(uuid, None)
                self.add_messages(uuid, frame["messages"], has_more=frame["more"])
                self._fetch_if_behind(uuid, frame["head"])
        elif kind == "conversation":
            self.set_row(frame["row"], is_listed=frame["listed"])
            self.lists_changed()
        elif kind == "welcome":
            self.is_welcomed = True
            self.listed.clear()
            for row in frame["rows"]:
                self.set_row(row, is_listed=True)
            self._watch_all()
            self.lists_changed()
        elif kind == "refused":
            # A refusal does not name the frame that was refused, so watch every open conversation again.
            if retry := frame.get("retry_after_ms"):
                asyncio.get_running_loop().call_later(retry / 1000, self._watch_all)
        elif kind == "pong":
            for watched, head in frame["heads"].items():
                self._fetch_if_behind(watched, head)

    def set_row(self, row: Frame, *, is_listed: bool) -> None:
        """Store a row that has arrived, unless a newer one is known."""
        if row["revision"] < self.rows.get(row["id"], row)["revision"]:
            return
        self.rows[row["id"]] = row
        if is_listed:
            self.listed.add(row["id"])
        else:
            self.listed.discard(row["id"])

    def _watch_all(self) -> None:
        self._fetching.clear()
        for uuid in self.threads:
            self.watch(uuid)

    def watch(self, uuid: str) -> None:
        """Request the messages after those on the screen, and all later messages."""
        self.socket.write({"kind": "watch", "conversation": uuid, "after": self.threads[uuid].head})

    def open(self, uuid: str) -> None:
        """Show this conversation from now on."""
        if uuid not in self.threads:
            self.threads[uuid] = self.new_thread()
            self._marks[uuid] = ReadMarkLimiter(partial(self.send_read_mark, uuid))
            self.cleared(uuid)
            self.watch(uuid)

    def close_thread(self, uuid: str) -> None:
        """Stop showing this conversation."""
        del self.threads[uuid], self._marks[uuid]
        self.socket.write({"kind": "unwatch", "conversation": uuid})

    def add_messages(self, uuid: str, messages: Sequence[Message], *, has_more: bool = False) -> None:
        """Show messages that have arrived, and fetch those that are missing."""
        thread = self.threads[uuid]
        error_count = len(thread.errors)
        for message in messages:
            head = thread.head
            if thread.add(message):
                has_more = True
            if thread.head > head:
                self.shown(uuid, message)
        for error in thread.errors[error_count:]:
            self.report(error)
        if has_more:
            self._fetch(uuid)
        if self.may_mark(uuid):
            self._marks[uuid].changed()

    def _fetch(self, uuid: str) -> None:
        now = time.monotonic()
        if now - self._fetching.get(uuid, -ANSWER_SECONDS) >= ANSWER_SECONDS:
            self._fetching[uuid] = now
            self.socket.write({"kind": "fetch", "conversation": uuid, "after": self.threads[uuid].head})

    def _fetch_if_behind(self, uuid: str, head: int) -> None:
        if uuid in self.threads and head > self.threads[uuid].head:
            self._fetch(uuid)

    def send_read_mark(self, uuid: str) -> bool:
        if uuid in self.threads and self.may_mark(uuid) and (head := self.threads[uuid].head):
            self.mark_sent(uuid, head)
            self.socket.write({"kind": "seen", "conversation": uuid, "received": head, "read": head})
        return False

    # -- requests --------------------------------------------------------------------------------------------

    async def post(self, path: str, form: Mapping[str, str] | None = None, *, document: Any = None) -> Answer:
        """Send one POST request to this path below /console/."""
        answer = await self.http.post(f"/console/{path}", form, document=document)
        self.answered(path, answer)
        if answer.status in (401, 403):
            self.is_shut_out = True
        return answer

    async def post_until_answered(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        document: Any = None,
        before_each: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Repeat a POST request until there is a definite answer. If this console is shut out before that, return the
        last answer. Its status is UNKNOWN if no request was sent."""
        answer = Answer(UNKNOWN, {}, b"", 0)
        while not self.is_shut_out:
            before_each()
            answer = await self.post(path, form, document=document)
            if answer.status not in TRANSIENT_STATUSES:
                return answer
            await asyncio.sleep(RETRY_SECONDS)
        return answer

    async def take_next(self) -> Answer:
        """Take the first conversation of the queue and open it. If no answer arrives, the lists show which conversation
        was taken."""
        answer = await self.post("next")
        if answer.status == 200:
            self.open(answer.document["conversation"])
        return answer

    async def send_message(self, uuid: str, body: str, *, choices: Sequence[str] = ()) -> None:
        """Send a message until it is accepted or refused for good, or until this console is shut out."""
        client_id = str(uuid4())
        answer = await self.post_until_answered(
            f"conversations/{uuid}/messages",
            document={"client_id": client_id, "body": body, "choices": list(choices)},
            before_each=lambda: self.message_sent(uuid, client_id, body),
        )
        if answer.status == 200:
            self.message_accepted(uuid, client_id, body, answer.document["accepted"]["seq"])
        elif answer.status not in (*TRANSIENT_STATUSES, 401, 403):
            self.message_refused(uuid, client_id, body, answer.refusal or str(answer.status))
