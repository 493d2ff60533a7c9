"""A supervisor who reads every conversation at the end on a new console: the stored messages as staff see
them."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from tests.faults.transport import ReconnectingSocket
from tests.faults.visitor import rows_of
from tests.simulation.transport import Frame, Thread

if TYPE_CHECKING:
    from tests.faults.scenario import Scenario


class Reader:
    def __init__(self, scenario: Scenario, session: str, rng: random.Random) -> None:
        self.scenario = scenario
        self._threads: dict[str, Thread] = {}
        self._heads: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._socket = ReconnectingSocket(
            scenario.websocket_url,
            "/ws/console/",
            rng=rng,
            hello=lambda: {"kind": "hello", "version": 1},
            received=self._received,
            headers=lambda: {"Cookie": f"sessionid={session}"},
        )

    def _received(self, frame: Frame) -> None:
        if frame["kind"] == "messages" and frame["conversation"] in self._threads:
            for message in frame["messages"]:
                self._threads[frame["conversation"]].add(message)
            self._heads[frame["conversation"]] = frame["head"]
            self._changed.set()

    async def read(self, conversations: list[str], seconds: float) -> None:
        """Record a `read` for each of these conversations, within `seconds` in all."""
        running = self.scenario.spawn(self._socket.run())
        deadline = time.monotonic() + seconds
        for uuid in conversations:
            thread = self._threads[uuid] = Thread()
            while (self._heads.get(uuid, 1) > thread.head) and time.monotonic() < deadline:
                self._changed.clear()
                await self._socket.send({"kind": "fetch", "conversation": uuid, "after": thread.head})
                try:
                    await asyncio.wait_for(self._changed.wait(), 0.5)
                except TimeoutError:
                    continue
            self.scenario.history.append("read", who="yun", role="agent", conv=uuid, rows=rows_of(thread))
        await self._socket.close()
        running.cancel()
