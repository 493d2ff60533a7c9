"""The channel layer, as bad as it is allowed to be: it loses, repeats, reorders, hangs, and does not answer."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from tests.machine.clock import SimulatedLoop

HOW = ("sound", "lossy", "repeating", "reordering", "hanging", "off")


class Doorbell:
    """`how` is one of HOW."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.how = "sound"
        self._loop = loop
        self._groups: defaultdict[str, set[str]] = defaultdict(set)
        self._channels: dict[str, asyncio.Queue[dict[str, Any]]] = {}

    async def new_channel(self, prefix: str = "specific.") -> str:
        self._refuse()
        name = f"{prefix}{len(self._channels)}"
        self._channels[name] = asyncio.Queue()
        return name

    async def group_add(self, group: str, channel: str) -> None:
        self._refuse()
        self._groups[group].add(channel)

    async def receive(self, channel: str) -> dict[str, Any]:
        return await self._channels[channel].get()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self._refuse()
        if self.how == "hanging":
            await asyncio.sleep(30)
        dice = self._loop.dice
        for channel in sorted(self._groups[group]):
            for _ in range(2 if self.how == "repeating" and dice.random() < 0.5 else 1):
                if self.how == "lossy" and dice.random() < 0.5:
                    continue
                later = dice.random() * 3 if self.how == "reordering" else 0.001
                self._loop.call_later(later, self._channels[channel].put_nowait, message)

    def flush(self) -> None:
        """As Redis that was emptied, with the core layer: nobody is a member any more."""
        self._groups.clear()

    def _refuse(self) -> None:
        if self.how == "off":
            raise ConnectionError("the doorbell is off")
