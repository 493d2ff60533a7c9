"""Server processes that live in this one: each has its own hub, writer and sockets, and can be killed."""

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
from tests.machine.threads import Thread, awaited, pause

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.machine.world import World


class Process:
    def __init__(self, world: World) -> None:
        self.world = world
        self.is_dead = False
        # It is killed when it has committed so many more times, before it can say so to anybody. Below 0: never.
        self.commits_left = -1
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self)
        self.own: dict[Current, Any] = {}
        self._stalled_until = 0.0
        self._held: list[asyncio.Handle] = []

    def may_run(self, work: asyncio.Handle) -> bool:
        if self.is_dead:
            return False
        if self.world.loop.time() < self._stalled_until:
            self._held.append(work)
            return False
        return True

    def stall(self, seconds: float) -> None:
        """Its event loop does nothing for so long, then everything at once."""
        self._stalled_until = self.world.loop.time() + seconds
        self.world.loop.call_at(self._stalled_until, self._go_on, context=self.world.context)

    def _go_on(self) -> None:
        held, self._held = self._held, []
        for work in held:
            self.world.loop.again(work)

    def kill(self) -> None:
        """As kill -9: nothing of it goes on, not even what it was just about to say."""
        self.is_dead = True

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.world.loop.create_task(work, context=self.context)

    def in_thread(self, work: Callable[[], object]) -> None:
        """Runs it on a thread of this process, after a moment."""
        # As the door does at the first request.
        self.context.run(the_hub.of(self).start)
        thread = self.context.run(Thread, target=work)
        self.world.loop.call_later(self.world.loop.delay(), thread.start, context=self.context)

    # -- for the writer ------------------------------------------------------------------------------------

    def committed(self) -> None:
        """Something was just committed: perhaps the last thing that this process did."""
        if self.commits_left == 0:
            self.world.kill(self)
        self.commits_left -= 1
        pause(self.world.loop.delay())


class Current:
    """In place of what a process has one of: that of the process whose work is being done."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def of(self, process: Process) -> Any:
        if self not in process.own:
            process.own[self] = self._make()
        return process.own[self]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.of(in_hand()), name)


class CurrentWriter(Current):
    def post(self, post: Post) -> Future[Outcome]:
        return awaited(self.of(in_hand()).post(post))


def in_hand() -> Process:
    process = PROCESS.get()
    assert process is not None, "this is nobody's work"
    return process


the_hub = Current(delivery.Hub)
the_writer = CurrentWriter(writer.Writer)


def share(patch: pytest.MonkeyPatch) -> None:
    """Wherever a module has something that each process has for itself, it gets that of the process in hand."""
    stand_ins: dict[int, Current] = {id(delivery.hub): the_hub, id(writer.writer): the_writer}
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] in OURS]:
        for name, value in list(vars(module).items()):
            if isinstance(value, RequestCoalescer):
                stand_ins.setdefault(id(value), Current(partial(RequestCoalescer, value._answer)))
            if id(value) in stand_ins:
                patch.setattr(module, name, stand_ins[id(value)])


OURS = ("accounts", "chat", "config", "console", "core", "exams", "knowledge", "privacy", "server")
