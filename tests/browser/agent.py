"""An agent without a browser: the console's wire alone, for tests that look at the visitor's side."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from uuid import uuid4

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.browser.conftest import ChatServer
from tests.people import MEI, Person

WAIT_SECONDS = 20
CSRF = "c" * 32


class WireAgent:
    """Comes online; `take` gets the first in line.

    with WireAgent(server) as mei:
        mei.take()
        mei.say("您人在机器旁边吗？")
    """

    def __init__(self, server: ChatServer, person: Person = MEI) -> None:
        self._server = server
        self._cookies = f"sessionid={server.session(person)}; csrftoken={CSRF}"
        self._left = ExitStack()
        self._socket: ClientConnection
        self.conversation = ""

    def __enter__(self) -> Self:
        self._post("presence", status="online")
        self._socket = self._left.enter_context(
            connect(
                f"{self._server.websocket_url}/ws/console/",
                origin=Origin(self._server.url),
                additional_headers={"Cookie": self._cookies},
                open_timeout=WAIT_SECONDS,
            )
        )
        self._send(kind="hello")
        self._until("welcome")
        return self

    def __exit__(self, *_: object) -> None:
        self._left.close()

    def take(self) -> None:
        self._post("next")
        while True:
            row = self._until("conversation")["row"]
            if row["status"] == "active":
                break
        self.conversation = row["id"]
        self._send(kind="watch", conversation=self.conversation)

    def say(self, body: str, *, choices: list[str] | None = None, source: str = "") -> int:
        """The seq under which it was accepted."""
        answer = {"client_id": str(uuid4()), "body": body, "choices": choices or [], "source": source}
        path = f"conversations/{self.conversation}/messages"
        accepted = self._ask(path, json.dumps(answer).encode(), "application/json")
        return int(json.loads(accepted)["accepted"]["seq"])

    def hears(self, body: str) -> int:
        """Waits for a message with these words; its seq."""
        while True:
            frame = json.loads(self._socket.recv(timeout=WAIT_SECONDS))
            messages = frame["messages"] if frame["kind"] == "messages" else [frame.get("message")]
            for message in messages:
                if message and message["body"] == body:
                    return int(message["seq"])

    def receives(self, received: int, *, read: int = 0) -> None:
        self._send(kind="seen", conversation=self.conversation, received=received, read=read)

    def types(self) -> None:
        self._send(kind="typing", conversation=self.conversation)

    def ends(self) -> None:
        self._post(f"conversations/{self.conversation}/end")

    def hears_rating(self) -> int:
        while True:
            row = self._until("conversation")["row"]
            if row["rating"] is not None:
                return int(row["rating"])

    def _post(self, path: str, **form: str) -> None:
        self._ask(path, urlencode(form).encode(), "application/x-www-form-urlencoded")

    def _ask(self, path: str, body: bytes, content_type: str) -> str:
        request = Request(
            f"{self._server.url}/console/{path}",
            data=body,
            headers={
                "Cookie": self._cookies,
                "X-CSRFToken": CSRF,
                "Content-Type": content_type,
                "HX-Request": "true",
            },
        )
        with urlopen(request, timeout=WAIT_SECONDS) as answer:
            text: str = answer.read().decode()
            return text

    def _send(self, **frame: Any) -> None:
        self._socket.send(json.dumps(frame))

    def _until(self, kind: str) -> dict[str, Any]:
        while True:
            frame: dict[str, Any] = json.loads(self._socket.recv(timeout=WAIT_SECONDS))
            if frame["kind"] == kind:
                return frame
