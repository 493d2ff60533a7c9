"""Simulated threads: greenlets that run one at a time until they wait. Their order is reproducible.

They replace the module `threading` for the writer and for views that wait for it. `pause` lets simulated time pass
inside a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any, Self

from greenlet import getcurrent, greenlet

from tests.machine.clock import PROCESS, clock


class Thread:
    def __init__(
        self, *, target: Callable[[], object], name: str = "", daemon: bool = False, args: Any = ()
    ) -> None:
        self._target = target
        self._greenlet = greenlet(lambda: target(*args), parent=_main())
        self._greenlet.gr_context = copy_context()

    def start(self) -> None:
        _wake(self._greenlet)

    def is_alive(self) -> bool:
        return not self._greenlet.dead

    def join(self, timeout: float | None = None) -> None:
        while self.is_alive():
            pause(0.01)


class Condition:
    """Replaces `threading.Condition`. It needs no lock, because only one thread runs at a time."""

    def __init__(self, lock: object = None) -> None:
        self._waiting: list[greenlet] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def notify(self, n: int = 1) -> None:
        self.notify_all()

    def notify_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for thread in waiting:
            _wake(thread)

    def wait(self, timeout: float | None = None) -> bool:
        thread = getcurrent()
        self._waiting.append(thread)
        is_late = False

        def give_up() -> None:
            nonlocal is_late
            if thread in self._waiting:
                self._waiting.remove(thread)
                is_late = True
                thread.switch()

        timer = asyncio.get_running_loop().call_later(timeout, give_up) if timeout else None
        _main().switch()
        if timer is not None:
            timer.cancel()
        return not is_late

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        while not (answer := predicate()):
            if not self.wait(timeout):
                return predicate()
        return answer


class Lock(Condition):
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        return True

    def release(self) -> None:
        pass


RLock = Lock


class Event(Condition):
    def __init__(self) -> None:
        super().__init__()
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self.notify_all()

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        while not self._is_set:
            super().wait()
        return True


class Pool:
    """Replaces a thread pool. Each job runs on the loop after a delay, and its result is set a little later."""

    def submit(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        loop = clock.loop
        assert loop is not None

        def run() -> None:
            process = PROCESS.get()
            assert process is not None
            try:
                process.schedule.use_database()
                answer = partial(future.set_result, work(*args))
            except Exception as error:
                answer = partial(future.set_exception, error)
            loop.call_later(loop.delay(), lambda: future.cancelled() or answer())

        loop.call_later(loop.delay(), run)
        return future


def pause(seconds: float) -> None:
    """Let simulated time pass before the current thread continues."""
    asyncio.get_running_loop().call_later(seconds, getcurrent().switch)
    _main().switch()


class WaitableFuture(Future[Any]):
    """A future that a simulated thread can wait for."""

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            thread, loop = getcurrent(), asyncio.get_running_loop()
            is_waiting = True

            def go_on() -> None:
                nonlocal is_waiting
                if is_waiting:
                    is_waiting = False
                    thread.switch()

            self.add_done_callback(lambda _: loop.call_soon(go_on))
            if timeout is not None:
                loop.call_later(timeout, go_on)
            _main().switch()
        return super().result(0)


def waitable(future: Future[Any]) -> WaitableFuture:
    waiting = WaitableFuture()
    future.add_done_callback(lambda done: waiting.set_result(done.result()))
    return waiting


def _main() -> greenlet:
    here = getcurrent()
    while here.parent is not None:
        here = here.parent
    return here


def _wake(thread: greenlet) -> None:
    asyncio.get_running_loop().call_soon(thread.switch)
