"""Blocking clients of the visitor's and the console's WebSocket, which send a frame or wait for one:

    with Widget(server) as widget:
        widget.open()
        widget.begin()
        widget.post("你好")
        widget.wait_for("message")

The clients use a library that checks every byte of the server's handshakes and frames. To run many clients in one event
loop, use those of `tests.harness.visitor` and `tests.harness.agent`.
"""

from __future__ import annotations

import json
import select
import time
from collections.abc import Callable
from typing import Any, Self
from uuid import uuid4

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.harness.reconnecting_socket import Frame
from tests.harness.servers import AppServer, Nginx
from tests.harness.thread import Message
from tests.people import SITE_KEY


class Client:
    """One WebSocket. `frames` holds every frame that arrived, in order."""

    path = ""
    within_seconds = 10.0

    def __init__(
        self, server: AppServer | Nginx, *, origin: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.frames: list[Frame] = []
        self.close_code: int | None = None
        self._next = 0
        self._context = connect(
            f"{server.websocket_url}{self.path}",
            origin=Origin(origin or server.url),
            additional_headers=headers,
            ssl=server.trust if isinstance(server, Nginx) else None,
            compression=None,
            max_size=None,
            proxy=None,
            # A killed server sends no close frame, so do not wait long for it.
            close_timeout=1,
        )
        self._connection: ClientConnection = self._context.__enter__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def cut(self) -> None:
        """Drop the connection without a close frame."""
        self._connection.socket.close()

    def send(self, kind: str, **fields: Any) -> None:
        self._connection.send(json.dumps({"kind": kind, **fields}))

    def send_raw(self, data: str | bytes) -> None:
        self._connection.send(data)

    def wait_for(
        self, kind: str, is_it: Callable[[Frame], bool] = lambda _: True, *, within: float = 0
    ) -> Frame:
        """Return the next frame of this kind for which `is_it(frame)` holds. Fail if none arrives in `within` seconds.

        The search begins after the frame that was returned last.
        """
        return self._wait_until(lambda frame: frame["kind"] == kind and is_it(frame), kind, within)

    def wait_for_body(self, body: str) -> Message:
        """Return the next message with exactly this body, whether it arrives live or in a fetched page."""
        frame = self._wait_until(lambda frame: body in _bodies(frame), repr(body))
        return next(message for message in _messages(frame) if message["body"] == body)

    def _wait_until(self, is_it: Callable[[Frame], bool], what: str, within: float = 0) -> Frame:
        within = within or self.within_seconds
        deadline = time.monotonic() + within
        while True:
            while self._next < len(self.frames):
                frame = self.frames[self._next]
                self._next += 1
                if is_it(frame):
                    return frame
            try:
                self.frames.append(json.loads(self._connection.recv(max(0, deadline - time.monotonic()))))
            except TimeoutError:
                raise AssertionError(f"no {what} within {within} s, but {self._describe_frames()}") from None
            except ConnectionClosed as closed:
                self.close_code = closed.rcvd.code if closed.rcvd else None
                raise AssertionError(
                    f"closed ({self.close_code}) before {what}: {self._describe_frames()}"
                ) from None

    def wait_for_close(self, *, within: float = 10.0) -> int | None:
        """Wait until the server closes the connection; return the close code."""
        deadline = time.monotonic() + within
        try:
            while True:
                self.frames.append(json.loads(self._connection.recv(max(0, deadline - time.monotonic()))))
        except TimeoutError:
            raise AssertionError(f"not closed within {within} s: {self._describe_frames()}") from None
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else None
        return self.close_code

    def wait_until_cut(self, *, within: float = 10.0) -> None:
        """Wait until the server has dropped the connection, without reading from it."""
        poller = select.poll()
        poller.register(self._connection.socket, select.POLLERR | select.POLLHUP)
        assert poller.poll(within * 1000), f"not cut within {within} s"

    def listen(self, seconds: float) -> None:
        """Collect the frames that arrive within `seconds`."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                self.frames.append(json.loads(self._connection.recv(left)))
            except TimeoutError:
                return

    def _describe_frames(self) -> str:
        return f"{[frame['kind'] for frame in self.frames]} ... {self.frames[-3:]}"

    def frames_until_now(self) -> list[Frame]:
        """Return all frames that have arrived, including the answers to everything sent before.

        To wait for these answers, a ping is sent: its pong arrives after them.
        """
        self.send("ping")
        self.wait_for("pong")
        return self.frames

    def kinds(self) -> list[str]:
        return [frame["kind"] for frame in self.frames_until_now()]

    def bodies(self) -> list[str]:
        """Return the texts of all messages that arrived, in order and with repeats."""
        return [body for frame in self.frames for body in _bodies(frame)]


def _messages(frame: Frame) -> list[Message]:
    """Return the messages in a frame."""
    return [frame["message"]] if frame["kind"] == "message" else frame.get("messages", [])


def _bodies(frame: Frame) -> list[str]:
    return [message["body"] for message in _messages(frame)]


class Widget(Client):
    """A visitor's widget."""

    path = "/ws/chat/"
    token: str | None = None
    conversation = ""

    def open(
        self, *, like: Widget | None = None, after: int = 0, conversation: str | None = None, **fields: Any
    ) -> Frame:
        """Send hello, as a new visitor or with the token of another widget, and return the welcome."""
        if like is not None:
            fields |= {
                "token": like.token,
                "conversation": conversation or like.conversation or None,
                "after": after,
            }
        self.send("hello", **{"site": SITE_KEY, "version": 1, "language": "zh", **fields})
        return self.welcomed()

    def begin(self, **form: str) -> Frame:
        self.send("start", client_id=str(uuid4()), form=form)
        return self.welcomed()

    def welcomed(self) -> Frame:
        welcome = self.wait_for("welcome")
        self.token = welcome["token"]
        self.conversation = welcome["state"]["id"] if welcome["state"] else ""
        return welcome

    def send_post(self, body: str, client_id: str = "") -> str:
        client_id = client_id or str(uuid4())
        self.send("post", client_id=client_id, body=body)
        return client_id

    def post(self, body: str, client_id: str = "") -> Frame:
        """Post a message and wait until it is accepted."""
        client_id = self.send_post(body, client_id)
        return self.wait_for("accepted", lambda frame: frame["client_id"] == client_id)


class Console(Client):
    """The console of a signed-in agent."""

    path = "/ws/console/"

    def __init__(self, server: AppServer | Nginx, session_key: str, *, language: str = "zh-hans") -> None:
        cookies = f"sessionid={session_key}; django_language={language}"
        super().__init__(server, headers={"Cookie": cookies})

    def open(self) -> Frame:
        self.send("hello", version=1)
        return self.wait_for("welcome")

    def watch(self, conversation: str, after: int = 0) -> Frame:
        self.send("watch", conversation=conversation, after=after)
        return self.wait_for("messages", lambda frame: frame["conversation"] == conversation)


def handshake_status(server: AppServer, path: str, origin: str | None) -> int:
    """Return the HTTP status of a handshake with this Origin header; 101 means that the handshake was accepted."""
    try:
        with connect(
            f"{server.websocket_url}{path}", origin=None if origin is None else Origin(origin), proxy=None
        ):
            pass
    except InvalidStatus as refused:
        return refused.response.status_code
    return 101
