"""The checker on trial: each planted bug in a short real run, which it must find by the right rule."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from tests.faults.bank import Bank
from tests.faults.bugs import BUGS, Bug
from tests.faults.checker import Verdict, check
from tests.faults.history import History
from tests.faults.nemesis import FAULTS
from tests.faults.world import Plan, World

SMALL = Plan(visitors=4, agents=3, pace=3.0, notes=0.5, hold=(0.1, 0.2), has_browsers=False)
# Where there is a bug, some screens will never be whole.
BUG = replace(SMALL, settle_seconds=2.5)
DEEDS, DEED_SECONDS = 2, 30.0
CLEAN_SECONDS = 2.0


class Trials:
    def __init__(self, bank: Bank, *, is_loud: bool = False) -> None:
        self._bank, self._is_loud = bank, is_loud

    async def run(self) -> list[str]:
        """The names of the bugs that were found. Nothing is found where none is planted."""
        await asyncio.to_thread(self._bank.heal)
        clean = await self._trial(None)
        if clean.wrong:
            print("  the checker finds something where no bug is planted:", *clean.wrong, sep="\n    ")
            return []
        found = []
        for bug in BUGS:
            began = time.monotonic()
            verdict = await self._trial(bug)
            if self._is_loud:
                print(
                    f"  {bug.name:<20}{time.monotonic() - began:5.1f} s  {sorted(verdict.rules)}", flush=True
                )
            if verdict.rules & set(bug.rules):
                found.append(bug.name)
            else:
                print(f"  NOT FOUND: {bug.name} ({bug.words}); found instead: {sorted(verdict.rules)}")
        return found

    async def _trial(self, bug: Bug | None) -> Verdict:
        history = History()
        world = ShortWorld(self._bank, BUG if bug else SMALL, history, is_quiet=True)
        world.bug = bug
        for process in self._bank.processes:
            await process.door("bug", name=bug.name if bug else "")
        try:
            await world.run()
        finally:
            for process in self._bank.processes:
                await process.door("bug", name="")
            await asyncio.to_thread(self._bank.forget)
        return check(history.records)


class ShortWorld(World):
    """A few people, a few words, and what a bug needs to show itself."""

    bug: Bug | None = None

    async def _suffer(self) -> None:
        if self.bug is None:
            await asyncio.sleep(CLEAN_SECONDS)
        elif self.bug.needs:
            await FAULTS[self.bug.needs].befall(self.nemesis)
        else:
            await self._until_done()

    async def _until_done(self) -> None:
        """Until the bug has done its harm a few times."""
        deadline = time.monotonic() + DEED_SECONDS
        while time.monotonic() < deadline:
            states = [await process.door("state") for process in self.bank.processes]
            if sum(state["deeds"] for state in states if state) >= DEEDS:
                return
            await asyncio.sleep(0.05)
        self.wrong("the trial", f"the bug did nothing in {DEED_SECONDS:.0f} s")
