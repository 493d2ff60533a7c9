"""Simulated server processes: each runs the rounds of the router, and some are killed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import TYPE_CHECKING, NoReturn
from unittest.mock import patch

from django.db.models import DateTimeField, Value
from django.utils import timezone

from core import database_clock, leases
from routing.actions import offers
from routing.actions.routing import LEASE
from routing.router import Rounds
from tests.simulation.day.shapes import RESTART_SECONDS

if TYPE_CHECKING:
    from tests.simulation.day.day import Day

PROCESSES = 2
# In production, every process tries to take the lease in each round. Fewer attempts save queries.
OTHERS_TRY_EVERY = 10


class Killed(BaseException):
    """Ends a round in the middle of its transaction, as the end of its process does."""


@contextmanager
def simulated_database_clock() -> Iterator[None]:
    """Replace the clock of the database, which leases and presences follow, with the simulated clock."""
    with ExitStack() as patches:
        patches.enter_context(
            patch.object(database_clock, "now", lambda: Value(timezone.now(), DateTimeField()))
        )
        patches.enter_context(patch.object(database_clock, "read", timezone.now))
        yield


class RouterProcesses:
    """Two server processes. A killed one is replaced by a new one after RESTART_SECONDS.

    The process that holds the lease is killed in three ways, in turn: between two rounds, without releasing the lease;
    inside the transaction of a round; and after the commit of a round, before anybody is told.
    """

    def __init__(self, day: Day) -> None:
        self.kills = 0
        self._day = day
        self._names = count(1)
        self._processes: dict[str, Rounds] = {}
        self._ways = deque((self._dies_after_round, self._dies_before_commit, self._dies_after_commit))
        self._kills_due = 0
        self._rounds = 0
        for _ in range(PROCESSES):
            self._start()

    def run(self) -> None:
        """Run a round in the process that holds the lease. The other tries to take the lease now and then, and always
        while no living process holds it."""
        self._rounds += 1
        holders = leases.holders(LEASE)
        is_everybody = holders.isdisjoint(self._processes) or self._rounds % OTHERS_TRY_EVERY == 0
        for name, rounds in list(self._processes.items()):
            if name in holders and self._kills_due:
                if self._ways[0](rounds):
                    self._bury(name)
            elif name in holders or is_everybody:
                rounds.run()

    def kill(self) -> None:
        """Kill the process that holds the lease, at its next chance to do harm."""
        self._kills_due += 1

    def _bury(self, name: str) -> None:
        self._ways.rotate(-1)
        self._kills_due -= 1
        self.kills += 1
        del self._processes[name]
        self._day.agenda.after(RESTART_SECONDS, self._start)

    def _start(self) -> None:
        name = f"process-{next(self._names)}"
        self._processes[name] = Rounds(name, self._day.agenda.monotonic)

    # Each of these runs a round and returns whether the process has died in it.

    def _dies_after_round(self, rounds: Rounds) -> bool:
        rounds.run()
        return True

    def _dies_before_commit(self, rounds: Rounds) -> bool:
        def die(_: object) -> NoReturn:
            raise Killed

        try:
            with patch.object(offers, "make", die):
                rounds.run()
        except Killed:
            return True
        return False

    def _dies_after_commit(self, rounds: Rounds) -> bool:
        with self._day.lost_announcements() as lost:
            rounds.run()
        return bool(lost)
