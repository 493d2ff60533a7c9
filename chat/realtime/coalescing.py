"""Questions of many sockets, answered together.

Thousands come back in one moment after a network has failed. If each asks the database alone, nobody is answered within
the time that a box waits, all ask again, and it never ends. So what comes while one answer is on its way is answered by
the next, all at once: a few queries for everybody. Who has left meanwhile is not answered, and who would wait too long
is told when to come back: each at another time, one after the other, as fast as they can be answered.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import InterfaceError, OperationalError

from core.database_threads import in_thread

Q = TypeVar("Q")
A = TypeVar("A")

MAX_BATCH = 100
# Of the ten that a box waits, some go by before it can ask.
MAX_WAIT_SECONDS = 5.0
# What one answer takes when many are waited for, until that has been measured.
EXPECTED_BATCH_SECONDS = 1 / 400
# As long as a box waits at most when nobody tells it anything.
MAX_RETRY_SECONDS = 30.0


class Overloaded(Exception):
    """So many wait that an answer would come too late. Come back `after_seconds`."""

    def __init__(self, after_seconds: float) -> None:
        super().__init__(after_seconds)
        self.after_seconds = after_seconds


class Disconnected(Exception):
    """Who asked has left before the answer."""


class _PendingRequest(NamedTuple, Generic[Q, A]):
    question: Q
    is_gone: Callable[[], bool]
    answer: "asyncio.Future[A]"


class RequestCoalescer(Generic[Q, A]):
    """`answer` runs on a thread that may use the ORM, and gives an answer for each question, in order."""

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A]]) -> None:
        self._answer = answer
        self._waiting: deque[_PendingRequest[Q, A]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._seconds_each = EXPECTED_BATCH_SECONDS
        # Until then there is somebody for every moment. Of the loop's clock.
        self._booked_until = 0.0

    async def ask(self, question: Q, is_gone: Callable[[], bool] = lambda: False) -> A:
        """Raises Crowded, Gone when it `is_gone` before its turn, and whatever `answer` raises."""
        loop = asyncio.get_running_loop()
        if (wait := len(self._waiting) * self._seconds_each) > MAX_WAIT_SECONDS:
            raise Overloaded(self._book(loop.time(), wait))
        asked: _PendingRequest[Q, A] = _PendingRequest(question, is_gone, loop.create_future())
        self._waiting.append(asked)
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._work(loop))
        return await asked.answer

    def _book(self, now: float, wait: float) -> float:
        """The next moment at which nobody else comes, in seconds from now."""
        # Who comes back needs a new connection as well, which takes as long again.
        at = max(self._booked_until, now + wait) + 2 * self._seconds_each
        self._booked_until = min(at, now + MAX_RETRY_SECONDS)
        return self._booked_until - now

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            await in_thread(self._answer_waiting, loop)

    def _answer_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the thread, turn after turn: the loop has its hands full of those who are only just coming."""
        while turn := self._next_turn(loop):
            began = loop.time()
            is_sound = self._answer_all(loop, turn)
            if len(turn) == MAX_BATCH:
                self._seconds_each += ((loop.time() - began) / MAX_BATCH - self._seconds_each) / 8
            if not is_sound:
                # The next turn gets another connection.
                return

    def _next_turn(self, loop: asyncio.AbstractEventLoop) -> list[_PendingRequest[Q, A]]:
        turn: list[_PendingRequest[Q, A]] = []
        while self._waiting and len(turn) < MAX_BATCH:
            asked = self._waiting.popleft()
            if asked.is_gone():
                loop.call_soon_threadsafe(_fail, [asked], Disconnected())
            else:
                turn.append(asked)
        return turn

    def _answer_all(self, loop: asyncio.AbstractEventLoop, turn: Sequence[_PendingRequest[Q, A]]) -> bool:
        """Whether the database answered."""
        try:
            answers = self._answer([asked.question for asked in turn])
        except Exception as error:
            is_away = isinstance(error, OperationalError | InterfaceError)
            if len(turn) == 1 or is_away:
                loop.call_soon_threadsafe(_fail, turn, error)
                return not is_away
            # One of them spoils it for the others: each for itself.
            sound = [self._answer_all(loop, [asked]) for asked in turn]
            return all(sound)
        loop.call_soon_threadsafe(_give, turn, answers)
        return True


def _give(turn: Sequence[_PendingRequest[Any, A]], answers: Sequence[A]) -> None:
    for asked, answer in zip(turn, answers, strict=True):
        if not asked.answer.done():
            asked.answer.set_result(answer)


def _fail(turn: Sequence[_PendingRequest[Any, Any]], error: Exception) -> None:
    for asked in turn:
        if not asked.answer.done():
            asked.answer.set_exception(error)
