"""An agent without a browser, for tests of the visitor's side: speaks the console's protocol directly."""

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
    """An agent who goes online on entering; `take_next` takes the first conversation of the queue.

    with WireAgent(server) as mei:
        mei.take_next()
        mei.say("您人在机器旁边吗？")
    """

    def __init__(self, server: ChatServer, person: Person = MEI) -> None:
        self._server = server
        self._cookies = f"sessionid={server.session(person)}; csrftoken={CSRF}"
        self._exits = ExitStack()
        self._socket: ClientConnection
        self.conversation = ""

    def __enter__(self) -> Self:
        self._post("presence", status="online")
        self._socket = self._exits.enter_context(
            connect(
                f"{self._server.websocket_url}/ws/console/",
                origin=Origin(self._server.url),
                additional_headers={"Cookie": self._cookies},
                open_timeout=WAIT_SECONDS,
            )
        )
        self._send(kind="hello")
        self._wait_for_frame("welcome")
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def take_next(self) -> None:
        self._post("next")
        while True:
            row = self._wait_for_frame("conversation")["row"]
            if row["status"] == "active":
                break
        self.conversation = row["id"]
        self._send(kind="watch", conversation=self.conversation)

    def say(self, body: str, *, choices: list[str] | None = None, source: str = "") -> int:
        """Send a message; return the seq under which it was accepted."""
        response = {"client_id": str(uuid4()), "body": body, "choices": choices or [], "source": source}
        path = f"conversations/{self.conversation}/messages"
        accepted = self._request(path, json.dumps(response).encode(), "application/json")
        return int(json.loads(accepted)["accepted"]["seq"])

    def wait_for_message(self, body: str) -> int:
        """Wait for a message with exactly this body; return its seq."""
        while True:
            frame = json.loads(self._socket.recv(timeout=WAIT_SECONDS))
            messages = frame["messages"] if frame["kind"] == "messages" else [frame.get("message")]
            for message in messages:
                if message and message["body"] == body:
                    return int(message["seq"])

    def mark_received(self, received: int, *, read: int = 0) -> None:
        self._send(kind="seen", conversation=self.conversation, received=received, read=read)

    def send_typing(self) -> None:
        self._send(kind="typing", conversation=self.conversation)

    def end(self) -> None:
        self._post(f"conversations/{self.conversation}/end")

    def wait_for_rating(self) -> int:
        while True:
            row = self._wait_for_frame("conversation")["row"]
            if row["rating"] is not None:
                return int(row["rating"])

    def _post(self, path: str, **form: str) -> None:
        self._request(path, urlencode(form).encode(), "application/x-www-form-urlencoded")

    def _request(self, path: str, body: bytes, content_type: str) -> str:
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
        with urlopen(request, timeout=WAIT_SECONDS) as response:
            text: str = response.read().decode()
            return text

    def _send(self, **frame: Any) -> None:
        self._socket.send(json.dumps(frame))

    def _wait_for_frame(self, kind: str) -> dict[str, Any]:
        while True:
            frame: dict[str, Any] = json.loads(self._socket.recv(timeout=WAIT_SECONDS))
            if frame["kind"] == kind:
                return frame
