"""Server processes that live in this one: each has its own hub, writer and sockets, and can be killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

import pytest

from chat import delivery, writer
from chat.actions.posts import Outcome, Post
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
        self.hub = delivery.Hub()
        self.writer = writer.Writer()
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
        self.context.run(self.hub.start)
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
    """In place of what a process has one of (`hub`, `writer`): that of the process whose work is being done."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, name: str) -> Any:
        process = PROCESS.get()
        assert process is not None, f"{self._name} is wanted outside of any process"
        return getattr(getattr(process, self._name), name)


class CurrentWriter(Current):
    def post(self, post: Post) -> Future[Outcome]:
        process = PROCESS.get()
        assert process is not None
        return awaited(process.writer.post(post))


def share(patch: pytest.MonkeyPatch) -> None:
    """Wherever a module has the one hub or the one writer, it gets that of the process in hand."""
    hubs, writers = (delivery.hub, Current("hub")), (writer.writer, CurrentWriter("writer"))
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] in OURS]:
        for one, stand_in in (hubs, writers):
            for name in [name for name, value in vars(module).items() if value is one]:
                patch.setattr(module, name, stand_in)


OURS = ("chat", "console", "config", "accounts")
