"""Simulated server processes: each has its own hub, writer and sockets, and can be killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from chat.actions.posts import Outcome, Post
from chat.realtime import delivery, writer
from chat.realtime.coalescing import RequestCoalescer
from tests.machine.clock import PROCESS
from tests.machine.threads import Thread, pause, waitable

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.machine.schedule import Schedule


class Process:
    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.is_dead = False
        # The process is killed after this number of further commits, before it can report the last one. A negative
        # number means never.
        self.commits_left = -1
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self)
        self.own: dict[PerProcess, Any] = {}
        self._stalled_until = 0.0
        self._postponed: list[asyncio.Handle] = []

    def may_run(self, callback: asyncio.Handle) -> bool:
        if self.is_dead:
            return False
        if self.schedule.loop.time() < self._stalled_until:
            self._postponed.append(callback)
            return False
        return True

    def stall(self, seconds: float) -> None:
        """Block the event loop for `seconds`. All callbacks that fell due meanwhile then run at once."""
        self._stalled_until = self.schedule.loop.time() + seconds
        self.schedule.loop.call_at(self._stalled_until, self._resume, context=self.schedule.context)

    def _resume(self) -> None:
        postponed, self._postponed = self._postponed, []
        for callback in postponed:
            self.schedule.loop.reschedule(callback)

    def kill(self) -> None:
        """Kill the process like `kill -9`: nothing of it runs any more, not even the next callback."""
        self.is_dead = True

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.schedule.loop.create_task(work, context=self.context)

    def in_thread(self, work: Callable[[], object]) -> None:
        """Run `work` on a thread of this process, after a small delay."""
        # Start the hub, as the ASGI application does at the first request.
        self.context.run(the_hub.of(self).start)
        thread = self.context.run(Thread, target=work)
        self.schedule.loop.call_later(self.schedule.loop.delay(), thread.start, context=self.context)

    # -- for the writer ------------------------------------------------------------------------------------

    def committed(self) -> None:
        """Kill the process if this commit was its last one, otherwise pause. Called after each commit."""
        if self.commits_left == 0:
            self.schedule.kill(self)
        self.commits_left -= 1
        pause(self.schedule.loop.delay())


class PerProcess:
    """Replaces a process-wide singleton. It delegates to the instance of the simulated process that is running."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def of(self, process: Process) -> Any:
        if self not in process.own:
            process.own[self] = self._make()
        return process.own[self]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.of(running_process()), name)


class PerProcessWriter(PerProcess):
    def post(self, post: Post) -> Future[Outcome]:
        return waitable(self.of(running_process()).post(post))


def running_process() -> Process:
    process = PROCESS.get()
    assert process is not None, "this code runs outside any server process"
    return process


the_hub = PerProcess(delivery.Hub)
the_writer = PerProcessWriter(writer.Writer)


def install(patch: pytest.MonkeyPatch) -> None:
    """Replace the process-wide singletons in all modules with objects that delegate to the running process."""
    stand_ins: dict[int, PerProcess] = {id(delivery.hub): the_hub, id(writer.writer): the_writer}
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] in OUR_PACKAGES]:
        for name, value in list(vars(module).items()):
            if isinstance(value, RequestCoalescer):
                stand_ins.setdefault(id(value), PerProcess(partial(RequestCoalescer, value._answer)))
            if id(value) in stand_ins:
                patch.setattr(module, name, stand_ins[id(value)])


OUR_PACKAGES = ("accounts", "chat", "config", "console", "core", "exams", "knowledge", "privacy", "server")
