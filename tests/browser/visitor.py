"""A visitor without a browser, for tests of the agent's side: speaks the visitor's protocol directly."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any, Self
from uuid import uuid4

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.browser.conftest import ChatServer
from tests.people import SITE_KEY

WAIT_SECONDS = 20


class WireVisitor:
    """A visitor who starts a conversation on entering.

    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        visitor.wait_for_message("请稍等")
    """

    def __init__(
        self, server: ChatServer, *, name: str = "", subject: str = "cards", language: str = "zh"
    ) -> None:
        self._server = server
        self._language = language
        self._form = {"name": name, "subject": subject}
        self._exits = ExitStack()
        self._socket: ClientConnection
        self.conversation = ""

    def __enter__(self) -> Self:
        address = f"{self._server.websocket_url}/ws/chat/"
        connection = connect(address, origin=Origin(self._server.url), open_timeout=WAIT_SECONDS)
        self._socket = self._exits.enter_context(connection)
        page = "https://www.bank.example/cards/"
        self._send(kind="hello", site=SITE_KEY, language=self._language, page=page, device="phone")
        self._wait_for_frame("welcome")
        self._send(kind="start", client_id=str(uuid4()), form=self._form)
        self.conversation = self._wait_for_frame("welcome")["state"]["id"]
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def say(self, body: str) -> int:
        """Send a message; return the seq under which it was accepted."""
        client_id = str(uuid4())
        self._send(kind="post", client_id=client_id, body=body)
        while True:
            frame = self._wait_for_frame("accepted")
            if frame["client_id"] == client_id:
                return int(frame["seq"])

    def wait_for_message(self, body: str) -> dict[str, Any]:
        """Wait for a message with exactly this body."""
        while True:
            message: dict[str, Any] = self._wait_for_frame("message")["message"]
            if message["body"] == body:
                return message

    def wait_for_message_containing(self, text: str) -> dict[str, Any]:
        """Wait for a message that contains this text."""
        while True:
            message: dict[str, Any] = self._wait_for_frame("message")["message"]
            if text in message["body"]:
                return message

    def wait_for_event(self, code: str) -> None:
        """Wait for an event such as `ended`."""
        while self._wait_for_frame("message")["message"].get("payload", {}).get("code") != code:
            pass

    def mark_read(self, seq: int) -> None:
        self._send(kind="seen", received=seq, read=seq)

    def send_typing(self) -> None:
        self._send(kind="typing")

    def end(self) -> None:
        self._send(kind="end")

    def all_messages(self) -> list[dict[str, Any]]:
        """Fetch all messages from the server, in order."""
        self._send(kind="fetch", after=0)
        messages: list[dict[str, Any]] = self._wait_for_frame("messages")["messages"]
        return messages

    def _send(self, **frame: Any) -> None:
        self._socket.send(json.dumps(frame))

    def _wait_for_frame(self, kind: str) -> dict[str, Any]:
        while True:
            frame: dict[str, Any] = json.loads(self._socket.recv(timeout=WAIT_SECONDS))
            if frame["kind"] == kind:
                return frame
            if frame["kind"] == "refused":
                raise AssertionError(frame)
