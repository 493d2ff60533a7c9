"""A visitor without a browser, for tests of the agent's side: speaks the visitor's protocol directly."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Self

from tests.browser.conftest import ChatServer
from tests.harness import reconnecting_socket
from tests.harness.reconnecting_socket import Frame
from tests.harness.sockets import Widget
from tests.harness.thread import Message


class WireVisitor(Widget):
    """A visitor who starts a conversation when the `with` block begins:

    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        visitor.wait_for_message("请稍等")
    """

    within_seconds = 20.0

    def __init__(
        self, server: ChatServer, *, name: str = "", subject: str = "cards", language: str = "zh"
    ) -> None:
        super().__init__(server)
        self._language = language
        self._form = {"name": name, "subject": subject}

    def __enter__(self) -> Self:
        self.open(language=self._language, page="https://www.bank.example/cards/", device="phone")
        self.begin(**self._form)
        return self

    def say(self, body: str) -> int:
        """Send a message and return its seq."""
        return int(self.post(body)["seq"])

    def wait_for_message(self, body: str) -> Message:
        """Wait for a message with exactly this body."""
        return self.wait_for_body(body)

    def wait_for_message_containing(self, text: str) -> Message:
        """Wait for a message that contains this text."""
        return self._wait_for_message(lambda message: text in message["body"])

    def wait_for_event(self, code: str) -> None:
        """Wait for an event message with this code, such as `ended`."""
        self._wait_for_message(lambda message: message.get("payload", {}).get("code") == code)

    def _wait_for_message(self, is_it: Callable[[Message], bool]) -> Message:
        message: Message = self.wait_for("message", lambda frame: is_it(frame["message"]))["message"]
        return message

    def mark_read(self, seq: int) -> None:
        self.send("seen", received=seq, read=seq)

    def send_typing(self) -> None:
        self.send("typing")

    def end(self) -> None:
        self.send("end")

    def all_messages(self) -> list[Message]:
        """Fetch the first page of messages, in order. It has all messages of a short conversation."""
        self.send("fetch", after=0)
        messages: list[Message] = self.wait_for("messages")["messages"]
        return messages


class ReconnectingSocket(reconnecting_socket.ReconnectingSocket):
    """The socket of a visitor in a rolling restart. Its `send` is a coroutine."""

    def __init__(
        self,
        url: str,
        *,
        origin: str,
        rng: random.Random,
        hello: Callable[[], Frame],
        received: Callable[[Frame], None],
    ) -> None:
        super().__init__(url, rng=rng, hello=hello, received=received)

    async def send(self, frame: Frame) -> None:
        self.write(frame)
