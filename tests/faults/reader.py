"""A supervisor who reads every conversation at the end, on a console opened anew: what is stored, as staff see it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from tests.faults.transport import Line
from tests.faults.visitor import rows_of
from tests.simulation.transport import Frame, Thread

if TYPE_CHECKING:
    from tests.faults.world import World


class Reader:
    def __init__(self, world: World, session: str, chance: random.Random) -> None:
        self.world = world
        self._threads: dict[str, Thread] = {}
        self._heads: dict[str, int] = {}
        self._news = asyncio.Event()
        self._line = Line(
            world.websocket_url,
            "/ws/console/",
            chance=chance,
            hello=lambda: {"kind": "hello", "version": 1},
            received=self._received,
            headers=lambda: {"Cookie": f"sessionid={session}"},
        )

    def _received(self, frame: Frame) -> None:
        if frame["kind"] == "messages" and frame["conversation"] in self._threads:
            for message in frame["messages"]:
                self._threads[frame["conversation"]].place(message)
            self._heads[frame["conversation"]] = frame["head"]
            self._news.set()

    async def read(self, conversations: list[str], seconds: float) -> None:
        """A `read` of the history for each of these, within so many seconds in all."""
        running = self.world.spawn(self._line.run())
        deadline = time.monotonic() + seconds
        for uuid in conversations:
            thread = self._threads[uuid] = Thread()
            while (self._heads.get(uuid, 1) > thread.head) and time.monotonic() < deadline:
                self._news.clear()
                await self._line.send({"kind": "fetch", "conversation": uuid, "after": thread.head})
                try:
                    await asyncio.wait_for(self._news.wait(), 0.5)
                except TimeoutError:
                    continue
            self.world.history.note("read", who="yun", role="agent", conv=uuid, rows=rows_of(thread))
        await self._line.close()
        running.cancel()
