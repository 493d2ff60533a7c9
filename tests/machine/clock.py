"""An event loop whose time jumps to the next timer, and the clocks of the code under test, which follow it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import heappush
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tests.machine.process import Process

START = datetime(2026, 11, 23, 1, 4, 5, tzinfo=UTC)

# Possible durations of small operations, in seconds. Most of them are nearly zero.
DELAYS = (0.0, 0.001, 0.004, 0.02, 0.3)

# The server process that the running work belongs to, or None (the network, the browsers, the test).
PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)


class _Callback(asyncio.Handle):
    """A scheduled callback. It is dropped if its process is dead, and postponed while that process is
    stalled."""

    def _run(self) -> None:
        process = self._context.get(PROCESS)  # type: ignore[attr-defined]
        if process is None or process.may_run(self):
            asyncio.Handle._run(self)


class _Timer(asyncio.TimerHandle):
    _run = _Callback._run


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop that never waits for real time or real I/O."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self
        self.rng = random.Random(0)
        self.tasks: list[tuple[Context, asyncio.Task[Any]]] = []
        self.set_task_factory(self._task)  # type: ignore[arg-type]

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Advance the time at once, as if the computer had slept. All timers that fell due meanwhile are due now."""
        self._now += seconds

    def delay(self) -> float:
        return self.rng.choice(DELAYS)

    # -- for BaseEventLoop ---------------------------------------------------------------------------------

    def select(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "no timer is left, so nothing can ever happen"
        self._now += timeout
        return []

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _call_soon(self, callback: Any, args: Any, context: Context | None) -> asyncio.Handle:
        scheduled = _Callback(callback, args, self, context)
        self._ready.append(scheduled)  # type: ignore[attr-defined]
        return scheduled

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def reschedule(self, callback: asyncio.Handle) -> None:
        self._ready.append(callback)  # type: ignore[attr-defined]

    def _task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        context = context or copy_context()
        task = asyncio.Task(coroutine, loop=self, context=context)
        self.tasks.append((context, task))
        return task

    def end(self) -> None:
        """Close the coroutines that are still running, each in the context of its own process, and close the loop."""
        for context, task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                coroutine = task.get_coro()
                context.run(coroutine.close)
        self.close()


class Clock:
    """Stands in for the module `time` in the code under test, and gives `SimulatedDatetime` its time."""

    def __init__(self) -> None:
        self.loop: SimulatedLoop | None = None

    def monotonic(self) -> float:
        return self.loop.time() if self.loop else 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())


clock = Clock()


class SimulatedDatetime(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return clock.now().astimezone(tz)  # type: ignore[return-value]
