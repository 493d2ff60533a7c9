"""The registry of faults, and the scheduler that runs them in a random order given by the seed.

A fault is a coroutine that does its harm, waits, and heals it. To add one, write it in the module of the component that
it harms, and decorate it with `fault`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.faults.scenario import Scenario

# A fault belongs to one of two tracks: `servers` (processes, stores) or `clients` (network, people). One fault of each
# track is active at a time.
Track = Literal["servers", "clients"]
RECOVERY_SECONDS = 45.0


@dataclass(frozen=True)
class Fault:
    """A registered fault. The coroutine `inject` does the harm, waits, and heals it."""

    name: str
    track: Track
    description: str
    inject: Callable[[FaultScheduler], Awaitable[None]]


FAULTS: dict[str, Fault] = {}


class NotSupported(Exception):
    """Raised by a fault that this machine cannot produce. The exception's message says what is missing."""


def fault(track: Track, description: str) -> Callable[[Callable[[FaultScheduler], Awaitable[None]]], None]:
    def register(inject: Callable[[FaultScheduler], Awaitable[None]]) -> None:
        name = inject.__name__
        FAULTS[name] = Fault(name, track, description, inject)

    return register


class FaultScheduler:
    """Runs the faults of a scenario. `hold_seconds` returns a random duration for faults without a duration of their
    own."""

    def __init__(self, scenario: Scenario, rng: random.Random) -> None:
        self.scenario = scenario
        self.bank = scenario.bank
        self.rng = rng
        self.skipped: dict[str, str] = {}
        self.completed: list[str] = []

    @property
    def hold_seconds(self) -> float:
        return self.rng.uniform(*self.scenario.plan.hold_range)

    async def hold(self) -> None:
        """Keep the current fault active: wait for a random duration."""
        await asyncio.sleep(self.hold_seconds)

    def order(self, track: Track, only: list[str]) -> list[Fault]:
        """Return every fault of a track once, or only the faults named in `only`, in a random order given by the
        seed."""
        chosen = [
            fault for fault in FAULTS.values() if fault.track == track and (not only or fault.name in only)
        ]
        return self.rng.sample(chosen, len(chosen))

    async def run_track(self, track: Track, only: list[str], until: float, at_most: float) -> None:
        """Run all faults of the track repeatedly until the time `until`.

        Each fault runs at least once, even after `until`, but no fault starts after the time `at_most`.
        """
        while True:
            faults = self.order(track, only)
            if not faults:
                return
            for fault in faults:
                now = time.monotonic()
                if (fault.name in self.completed and now >= until) or now >= at_most:
                    return
                await self.run_fault(fault)
            if time.monotonic() >= until:
                return

    async def run_fault(self, fault: Fault) -> None:
        history = self.scenario.history
        about = {"name": fault.name, "track": fault.track}
        history.append("fault", **about, phase="begin", description=fault.description)
        began = time.monotonic()
        try:
            await fault.inject(self)
        except NotSupported as error:
            self.skipped[fault.name] = str(error)
        finally:
            history.append("fault", **about, phase="end", description="")
        self.completed.append(fault.name)
        lasted = time.monotonic() - began
        took = await self._recover(fault)
        self.scenario.report(f"  {fault.name:<26} {lasted:5.1f} s, answered again after {took:4.1f} s")

    async def _recover(self, fault: Fault) -> float:
        """Wait until visitors and agents are answered again; return the seconds that it took. After RECOVERY_SECONDS,
        record an error."""
        began = time.monotonic()
        before = self.scenario.accepted_counts
        while time.monotonic() - began < RECOVERY_SECONDS:
            after = self.scenario.accepted_counts
            if all(now > was for now, was in zip(after, before, strict=True)):
                seconds = time.monotonic() - began
                self.scenario.history.append("recovered", name=fault.name, seconds=round(seconds, 3))
                return seconds
            await asyncio.sleep(0.05)
        self.scenario.note_error(
            "fault scheduler",
            f"after {fault.name} visitors or agents were not answered for {RECOVERY_SECONDS:.0f} s",
        )
        return RECOVERY_SECONDS

    async def wait_until(self, is_true: Callable[[], bool], seconds: float, otherwise: str) -> bool:
        """Wait until `is_true()`; after `seconds` record an error and return False."""
        deadline = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > deadline:
                self.scenario.note_error("fault scheduler", otherwise)
                return False
            await asyncio.sleep(0.02)
        return True
