"""A visitor without a browser: the wire alone, for tests that look at the other side."""

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
    """Says hello and begins at once.

    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        visitor.hears("请稍等")
    """

    def __init__(
        self, server: ChatServer, *, name: str = "", subject: str = "cards", language: str = "zh"
    ) -> None:
        self._server = server
        self._language = language
        self._form = {"name": name, "subject": subject}
        self._left = ExitStack()
        self._socket: ClientConnection
        self.conversation = ""

    def __enter__(self) -> Self:
        address = f"{self._server.websocket_url}/ws/chat/"
        line = connect(address, origin=Origin(self._server.url), open_timeout=WAIT_SECONDS)
        self._socket = self._left.enter_context(line)
        page = "https://www.bank.example/cards/"
        self._send(kind="hello", site=SITE_KEY, language=self._language, page=page, device="phone")
        self._until("welcome")
        self._send(kind="start", client_id=str(uuid4()), form=self._form)
        self.conversation = self._until("welcome")["state"]["id"]
        return self

    def __exit__(self, *_: object) -> None:
        self._left.close()

    def say(self, body: str) -> int:
        """The seq under which it was accepted."""
        client_id = str(uuid4())
        self._send(kind="post", client_id=client_id, body=body)
        while True:
            frame = self._until("accepted")
            if frame["client_id"] == client_id:
                return int(frame["seq"])

    def hears(self, body: str) -> dict[str, Any]:
        """Waits for a message with these words."""
        while True:
            message: dict[str, Any] = self._until("message")["message"]
            if message["body"] == body:
                return message

    def hears_about(self, words: str) -> dict[str, Any]:
        """Waits for a message that holds these words."""
        while True:
            message: dict[str, Any] = self._until("message")["message"]
            if words in message["body"]:
                return message

    def hears_of(self, code: str) -> None:
        """Waits for an event such as `ended`."""
        while self._until("message")["message"].get("payload", {}).get("code") != code:
            pass

    def reads(self, seq: int) -> None:
        self._send(kind="seen", received=seq, read=seq)

    def types(self) -> None:
        self._send(kind="typing")

    def ends(self) -> None:
        self._send(kind="end")

    def everything(self) -> list[dict[str, Any]]:
        """All messages, in order, as the server has them."""
        self._send(kind="fetch", after=0)
        messages: list[dict[str, Any]] = self._until("messages")["messages"]
        return messages

    def _send(self, **frame: Any) -> None:
        self._socket.send(json.dumps(frame))

    def _until(self, kind: str) -> dict[str, Any]:
        while True:
            frame: dict[str, Any] = json.loads(self._socket.recv(timeout=WAIT_SECONDS))
            if frame["kind"] == kind:
                return frame
            if frame["kind"] == "refused":
                raise AssertionError(frame)
