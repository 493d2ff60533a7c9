"""A supervisor's console that opens conversations one after the other, so that a test sees the stored messages as staff
see them."""

from __future__ import annotations

import time

from tests.harness.agent import AgentClient
from tests.harness.reconnecting_socket import Frame
from tests.harness.thread import Thread

# Seconds after which messages that have not arrived are requested again.
REPEAT_SECONDS = 0.5


class Reader(AgentClient):
    """A console that only reads."""

    def received(self, frame: Frame) -> None:
        if frame["kind"] == "messages":
            self._heads[frame["conversation"]] = frame["head"]
        super().received(frame)

    async def read(self, uuid: str, seconds: float) -> Thread:
        """Wait at most `seconds` for all messages of this conversation. Return the thread with the messages that have
        arrived."""
        self._heads: dict[str, int] = {}
        deadline = time.monotonic() + seconds
        self.open(uuid)
        thread = self.threads[uuid]

        def is_whole() -> bool:
            return uuid in self._heads and thread.head >= self._heads[uuid]

        while not await self.socket.until(is_whole, REPEAT_SECONDS):
            if time.monotonic() > deadline:
                break
            self.watch(uuid)
        self.close_thread(uuid)
        return thread
