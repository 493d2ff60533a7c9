"""Questions of many sockets, answered together.

Thousands come back in one moment after a network has failed. If each asks the database alone, nobody is answered within
the time that a box waits, all ask again, and it never ends. So what comes while one answer is on its way is answered by
the next, all at once: a few queries for everybody. Who has left meanwhile is not answered, and who would wait too long
is told when to come back.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import InterfaceError, OperationalError

from chat.db import in_thread

Q = TypeVar("Q")
A = TypeVar("A")

MOST_TOGETHER = 100
MOST_WAITING = 2000


class Crowded(Exception):
    """So many wait that an answer would come too late."""


class Gone(Exception):
    """Who asked has left before the answer."""


class _Asked(NamedTuple, Generic[Q, A]):
    question: Q
    is_gone: Callable[[], bool]
    answer: "asyncio.Future[A]"


class Gathering(Generic[Q, A]):
    """`answer` runs on a thread that may use the ORM, and gives an answer for each question, in order."""

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A]]) -> None:
        self._answer = answer
        self._waiting: deque[_Asked[Q, A]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: Q, is_gone: Callable[[], bool] = lambda: False) -> A:
        """Raises Crowded, Gone when it `is_gone` before its turn, and whatever `answer` raises."""
        if len(self._waiting) >= MOST_WAITING:
            raise Crowded
        loop = asyncio.get_running_loop()
        asked: _Asked[Q, A] = _Asked(question, is_gone, loop.create_future())
        self._waiting.append(asked)
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._work())
        return await asked.answer

    async def _work(self) -> None:
        while self._waiting:
            turn: list[_Asked[Q, A]] = []
            while self._waiting and len(turn) < MOST_TOGETHER:
                asked = self._waiting.popleft()
                if asked.is_gone():
                    _fail(asked, Gone())
                else:
                    turn.append(asked)
            if turn:
                await self._answer_all(turn)

    async def _answer_all(self, turn: Sequence[_Asked[Q, A]]) -> None:
        try:
            answers = await in_thread(self._answer, [asked.question for asked in turn])
        except Exception as error:
            for asked in turn:
                if len(turn) == 1 or isinstance(error, OperationalError | InterfaceError):
                    _fail(asked, error)
                else:
                    # One of them spoils it for the others: each for itself.
                    await self._answer_all([asked])
            return
        for asked, answer in zip(turn, answers, strict=True):
            if not asked.answer.done():
                asked.answer.set_result(answer)


def _fail(asked: _Asked[Any, Any], error: Exception) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(error)
