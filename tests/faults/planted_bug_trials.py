"""A test of the checker: it makes a short run with each planted bug, and checks that the expected rule finds the
bug."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from tests.faults.bank import Bank
from tests.faults.bugs import Bug
from tests.faults.checker import Verdict, check
from tests.faults.fault_schedule import FAULTS
from tests.faults.history import History
from tests.faults.scenario import Plan, Scenario

SMALL = Plan(visitors=4, agents=3, pace=3.0, note_share=0.5, hold_range=(0.1, 0.2), has_browsers=False)
# A planted bug leaves some screens incomplete, so do not wait long for them.
WITH_BUG = replace(SMALL, settle_seconds=2.5)
# With enough visitors in the departments with a router to fill its agents.
ROUTING = replace(WITH_BUG, visitors=12, departments=("loans", "savings", "savings"), declined_share=0.1)
MIN_EFFECTS, EFFECT_SECONDS = 2, 60.0
CLEAN_SECONDS = 2.0
# The fault of a bug is injected at most this many times, until the bug takes effect.
MAX_INJECTIONS = 3


class PlantedBugTrials:
    def __init__(self, bank: Bank, bugs: Sequence[Bug], *, is_loud: bool = False) -> None:
        self._bank, self._bugs, self._is_loud = bank, bugs, is_loud

    async def run(self) -> list[str]:
        """Return the names of the bugs that were found.

        The list is empty if the checker reports a violation in a run without a bug.
        """
        await asyncio.to_thread(self._bank.heal)
        verdict_without_bug = await self._run_trial(None)
        if verdict_without_bug.violations:
            print(
                "  the checker reports violations although no bug is planted:",
                *verdict_without_bug.violations,
                sep="\n    ",
            )
            return []
        found_bugs = []
        for bug in self._bugs:
            began = time.monotonic()
            verdict = await self._run_trial(bug)
            if self._is_loud:
                print(
                    f"  {bug.name:<20}{time.monotonic() - began:5.1f} s  {sorted(verdict.rules)}", flush=True
                )
            if verdict.rules & set(bug.rules):
                found_bugs.append(bug.name)
            else:
                print(f"  NOT FOUND: {bug.name} ({bug.description}); found instead: {sorted(verdict.rules)}")
        return found_bugs

    async def _run_trial(self, bug: Bug | None) -> Verdict:
        history = History()
        scenario = ShortScenario(self._bank, _plan(bug), history, is_quiet=True)
        scenario.bug = bug
        for process in self._bank.processes:
            await process.control("bug", name=bug.name if bug else "")
        try:
            await scenario.run()
        finally:
            for process in self._bank.processes:
                await process.control("bug", name="")
            await asyncio.to_thread(self._bank.forget)
        return check(history.records)


def _plan(bug: Bug | None) -> Plan:
    if bug is None:
        return SMALL
    if bug.accepted_share is None:
        return WITH_BUG
    return replace(ROUTING, accepted_share=bug.accepted_share, late_share=bug.late_share)


class ShortScenario(Scenario):
    """A short run with few clients, and only the faults that a bug needs to take effect."""

    bug: Bug | None = None

    async def _inject_faults(self) -> None:
        if self.bug is None:
            await asyncio.sleep(CLEAN_SECONDS)
        elif self.bug.fault:
            # On a busy machine, the moment in which the bug takes effect may be missed.
            for _ in range(MAX_INJECTIONS):
                await FAULTS[self.bug.fault].inject(self.scheduler)
                if await self._effects():
                    break
        else:
            await self._wait_for_effects()

    async def _effects(self) -> int:
        """Return how many times the bug has taken effect in the processes that run now."""
        states = [await process.control("state") for process in self.bank.processes]
        return sum(state["effects"] for state in states if state)

    async def _wait_for_effects(self) -> None:
        """Wait until the bug has taken effect a few times."""
        deadline = time.monotonic() + EFFECT_SECONDS
        while time.monotonic() < deadline:
            if await self._effects() >= MIN_EFFECTS:
                return
            await asyncio.sleep(0.05)
        self.note_error("the trial", f"the bug took no effect in {EFFECT_SECONDS:.0f} s")
