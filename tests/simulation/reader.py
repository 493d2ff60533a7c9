"""A supervisor who reads every conversation over the console's socket: the staff's side of the comparison."""

from __future__ import annotations

import random

from tests.simulation.staff_http_client import StaffHttpClient
from tests.simulation.transport import Frame, ReconnectingSocket, Thread


class Reader:
    def __init__(self, url: str, socket_url: str, rng: random.Random) -> None:
        self._http = StaffHttpClient(url)
        self._url, self._socket_url = url, socket_url
        self._rng = rng
        self._threads: dict[str, Thread] = {}
        self._heads: dict[str, int] = {}
        self.socket: ReconnectingSocket

    async def sign_in(self, username: str, password: str) -> None:
        await self._http.sign_in(username, password)
        self.socket = ReconnectingSocket(
            self._socket_url,
            origin=self._url,
            rng=self._rng,
            hello=lambda: {"kind": "hello", "version": 1},
            received=self._received,
            headers=self._http.headers,
        )

    def _received(self, frame: Frame) -> None:
        if frame["kind"] == "messages" and frame["conversation"] in self._threads:
            uuid = frame["conversation"]
            self._heads[uuid] = frame["head"]
            for message in frame["messages"]:
                self._threads[uuid].add(message)

    async def read(self, uuid: str, seconds: float) -> list[Frame]:
        """Return all messages of the conversation as staff see them."""
        thread = self._threads[uuid] = Thread()
        await self.socket.until(lambda: self.socket.is_open, seconds)
        while True:
            head = thread.head
            await self.socket.send({"kind": "fetch", "conversation": uuid, "after": head})
            if not await self.socket.until(
                lambda head=head: uuid in self._heads and (thread.head > head or self._heads[uuid] <= head),  # type: ignore[misc]
                seconds,
            ):
                return thread.messages
            if thread.head >= self._heads[uuid]:
                return thread.messages
