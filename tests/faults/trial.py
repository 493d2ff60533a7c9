"""The checker on trial: each planted bug in a short real run, which it must find by the right rule."""

from __future__ import annotations

import asyncio

from tests.faults.bank import Bank
from tests.faults.bugs import BUGS, Bug
from tests.faults.checker import Verdict, check
from tests.faults.history import History
from tests.faults.nemesis import FAULTS
from tests.faults.world import Plan, World

SMALL = Plan(visitors=4, agents=3, pace=3.0, hold=(0.1, 0.2), has_browsers=False, settle_seconds=5.0)
TALK_SECONDS = 1.5


class Trials:
    def __init__(self, bank: Bank, seed: int) -> None:
        self._bank, self._seed = bank, seed

    async def run(self) -> list[str]:
        """The names of the bugs that were found. Nothing is found where none is planted."""
        await asyncio.to_thread(self._bank.heal)
        clean = await self._trial(None)
        if clean.wrong:
            print("  the checker finds something where no bug is planted:", *clean.wrong, sep="\n    ")
            return []
        found = []
        for bug in BUGS:
            verdict = await self._trial(bug)
            if verdict.rules & set(bug.rules):
                found.append(bug.name)
            else:
                print(f"  NOT FOUND: {bug.name} ({bug.words}); found instead: {sorted(verdict.rules)}")
        return found

    async def _trial(self, bug: Bug | None) -> Verdict:
        history = History()
        world = ShortWorld(self._bank, SMALL, history, is_quiet=True)
        world.needs = bug.needs if bug else ""
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

    needs = ""

    async def _suffer(self) -> None:
        if self.needs:
            await FAULTS[self.needs].befall(self.nemesis)
        else:
            await asyncio.sleep(TALK_SECONDS)
