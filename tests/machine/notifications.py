"""An unreliable channel layer: it loses, repeats, reorders or delays messages, or is unavailable."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from tests.machine.clock import SimulatedLoop

MODES = ("reliable", "lossy", "repeating", "reordering", "hanging", "unavailable")


class UnreliableChannelLayer:
    """A channel layer in memory; `mode` is one of MODES."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.mode = "reliable"
        self._loop = loop
        self._groups: defaultdict[str, set[str]] = defaultdict(set)
        self._channels: dict[str, asyncio.Queue[dict[str, Any]]] = {}

    async def new_channel(self, prefix: str = "specific.") -> str:
        self._check_available()
        name = f"{prefix}{len(self._channels)}"
        self._channels[name] = asyncio.Queue()
        return name

    async def group_add(self, group: str, channel: str) -> None:
        self._check_available()
        self._groups[group].add(channel)

    async def receive(self, channel: str) -> dict[str, Any]:
        return await self._channels[channel].get()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self._check_available()
        if self.mode == "hanging":
            await asyncio.sleep(30)
        rng = self._loop.rng
        for channel in sorted(self._groups[group]):
            for _ in range(2 if self.mode == "repeating" and rng.random() < 0.5 else 1):
                if self.mode == "lossy" and rng.random() < 0.5:
                    continue
                delay = rng.random() * 3 if self.mode == "reordering" else 0.001
                self._loop.call_later(delay, self._channels[channel].put_nowait, message)

    def flush(self) -> None:
        """Forget all group members, as the core channel layer does when Redis is emptied."""
        self._groups.clear()

    def _check_available(self) -> None:
        if self.mode == "unavailable":
            raise ConnectionError("the channel layer is unavailable")
