"""The agenda of a simulated day: what happens when, in order of time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from demo.clock import Clock

# A Tuesday, at midnight in the bank's time zone.
MIDNIGHT = datetime(2026, 12, 1, tzinfo=ZoneInfo("Asia/Shanghai"))

Step = Callable[[], None]


def moment(at: float) -> datetime:
    """Return the time that is `at` seconds after midnight."""
    return MIDNIGHT + timedelta(seconds=at)


class Agenda:
    """Runs steps in order of time and sets the simulated clock to the time of each. `now` is in seconds of the day."""

    def __init__(self, clock: Clock, now: float) -> None:
        self.now = now
        self._clock = clock
        self._steps: list[tuple[float, int, Step]] = []
        self._order = count()

    def at(self, when: float, step: Step) -> None:
        heapq.heappush(self._steps, (max(when, self.now), next(self._order), step))

    def after(self, seconds: float, step: Step) -> None:
        self.at(self.now + seconds, step)

    def every(self, seconds: float, step: Step) -> None:
        def repeat() -> None:
            step()
            self.after(seconds, repeat)

        self.after(seconds, repeat)

    def run(self, until: float, is_over: Callable[[], bool]) -> None:
        """Run the steps until the time `until`, or until `is_over` returns true."""
        while self._steps and self._steps[0][0] <= until and not is_over():
            self.now, _, step = heapq.heappop(self._steps)
            self._clock.at = moment(self.now)
            step()

    def monotonic(self) -> float:
        """Return the time as `time.monotonic` does."""
        return self.now
