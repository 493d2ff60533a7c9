"""An agent without a browser, for tests of the visitor's side: speaks the console's protocol directly."""

from __future__ import annotations

from typing import Any, Self
from uuid import uuid4

from tests.browser.conftest import ChatServer
from tests.harness.http_client import Answer, HttpClient, run_on_thread
from tests.harness.sockets import Console
from tests.people import MEI, Person


class WireAgent(Console):
    """An agent who goes online when the `with` block begins. `take_next` takes the first conversation of the queue:

    with WireAgent(server) as mei:
        mei.take_next()
        mei.say("您人在机器旁边吗？")
    """

    within_seconds = 20.0

    def __init__(self, server: ChatServer, person: Person = MEI) -> None:
        session = server.session(person)
        self._http = HttpClient(server.url, {"sessionid": session}, headers={"HX-Request": "true"})
        self.conversation = ""
        super().__init__(server, session)

    def __enter__(self) -> Self:
        self._post("presence", {"status": "online"})
        self.open()
        return self

    def take_next(self) -> None:
        self._post("next")
        row = self.wait_for("conversation", lambda frame: frame["row"]["status"] == "active")["row"]
        self.conversation = row["id"]
        self.send("watch", conversation=self.conversation)

    def say(self, body: str, *, choices: list[str] | None = None, source: str = "") -> int:
        """Send a message and return its seq."""
        message = {"client_id": str(uuid4()), "body": body, "choices": choices or [], "source": source}
        answer = self._post(f"conversations/{self.conversation}/messages", document=message)
        return int(answer.document["accepted"]["seq"])

    def wait_for_message(self, body: str) -> int:
        """Wait for a message with exactly this body and return its seq."""
        return int(self.wait_for_body(body)["seq"])

    def mark_received(self, received: int, *, read: int = 0) -> None:
        self.send("seen", conversation=self.conversation, received=received, read=read)

    def send_typing(self) -> None:
        self.send("typing", conversation=self.conversation)

    def end(self) -> None:
        self._post(f"conversations/{self.conversation}/end")

    def wait_for_rating(self) -> int:
        frame = self.wait_for("conversation", lambda frame: frame["row"].get("rating") is not None)
        return int(frame["row"]["rating"])

    def _post(self, path: str, form: dict[str, str] | None = None, *, document: Any = None) -> Answer:
        answer = run_on_thread(self._http.post(f"/console/{path}", form, document=document))
        assert 200 <= answer.status < 300, f"{path} was answered with {answer.status}: {answer.text[:200]}"
        return answer
