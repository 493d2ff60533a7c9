"""Who breaks what, and when: the faults by name, a plan drawn from the seed, and the striking of each.

A fault is a coroutine that does its harm, lets it last, and heals it. To add one, write it in the module of what it
breaks and decorate it with `fault`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.faults.world import World

# The two kinds strike at the same time, one of each.
Track = Literal["servers", "world"]
RECOVERY_SECONDS = 45.0


@dataclass(frozen=True)
class Fault:
    """`number` is where the table of docs/faults.md has it."""

    name: str
    track: Track
    words: str
    befall: Callable[[Nemesis], Awaitable[None]]


FAULTS: dict[str, Fault] = {}


class NotHere(Exception):
    """This machine cannot do it; the words say what is missing."""


def fault(track: Track, words: str) -> Callable[[Callable[[Nemesis], Awaitable[None]]], None]:
    def register(befall: Callable[[Nemesis], Awaitable[None]]) -> None:
        name = befall.__name__
        FAULTS[name] = Fault(name, track, words, befall)

    return register


class Nemesis:
    """Strikes a world. `hold` is how long a fault lasts that could last for ever."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.bank = world.bank
        self.chance = chance
        self.skipped: dict[str, str] = {}
        self.struck: list[str] = []

    @property
    def hold(self) -> float:
        return self.chance.uniform(*self.world.plan.hold)

    async def last(self) -> None:
        """A fault's own time."""
        await asyncio.sleep(self.hold)

    def plan(self, track: Track, only: list[str]) -> list[Fault]:
        """Every fault of a track once, in an order of the seed."""
        chosen = [one for one in FAULTS.values() if one.track == track and (not only or one.name in only)]
        return self.chance.sample(chosen, len(chosen))

    async def rage(self, track: Track, only: list[str], until: float, at_most: float) -> None:
        """All faults of the track, again and again until the time is over; each at least once, if `at_most` allows."""
        while True:
            plan = self.plan(track, only)
            if not plan:
                return
            for one in plan:
                now = time.monotonic()
                if (one.name in self.struck and now >= until) or now >= at_most:
                    return
                await self.strike(one)
            if time.monotonic() >= until:
                return

    async def strike(self, one: Fault) -> None:
        history = self.world.history
        history.note("fault", name=one.name, phase="begin", words=one.words)
        began = time.monotonic()
        try:
            await one.befall(self)
        except NotHere as error:
            self.skipped[one.name] = str(error)
        finally:
            history.note("fault", name=one.name, phase="end", words="")
        self.struck.append(one.name)
        lasted = time.monotonic() - began
        took = await self._recover(one)
        self.world.tell(f"  {one.name:<26} {lasted:5.1f} s, answered again after {took:4.1f} s")

    async def _recover(self, one: Fault) -> float:
        """Waits until visitors and agents are answered again; how long that took."""
        began = time.monotonic()
        before = self.world.answered
        while time.monotonic() - began < RECOVERY_SECONDS:
            after = self.world.answered
            if all(now > was for now, was in zip(after, before, strict=True)):
                seconds = time.monotonic() - began
                self.world.history.note("recovered", name=one.name, seconds=round(seconds, 3))
                return seconds
            await asyncio.sleep(0.05)
        self.world.wrong("nemesis", f"after {one.name} nobody was answered for {RECOVERY_SECONDS:.0f} s")
        return RECOVERY_SECONDS

    async def until(self, is_true: Callable[[], bool], seconds: float, otherwise: str) -> bool:
        """Waits for it; what does not come is wrong."""
        deadline = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > deadline:
                self.world.wrong("nemesis", otherwise)
                return False
            await asyncio.sleep(0.02)
        return True
