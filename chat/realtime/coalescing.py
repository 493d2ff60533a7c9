"""Coalesces the requests of many sockets into batches, and sheds load when too many wait.

After a network failure, thousands of clients reconnect at the same moment. If each request had its own database
queries, no client would get an answer in the time that the widget waits. All of them would then ask again, without end.
Requests that arrive while one batch is being answered therefore wait and form the next batch, which takes only a few
queries. Requests of clients that have disconnected meanwhile are dropped. A client that would wait too long is told to
reconnect at a random moment of the next half minute.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from random import uniform
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import InterfaceError, OperationalError

from core.database_threads import in_thread

Q = TypeVar("Q")
A = TypeVar("A")

MAX_BATCH = 100
# A request that would wait longer is refused. The widget waits ten seconds for an answer, and needs some of this time
# to connect.
MAX_WAIT_SECONDS = 5.0
# The assumed time for one request of a full batch, until the time of a full batch has been measured.
EXPECTED_SECONDS_PER_REQUEST = 1 / 400
# The longest time that the widget waits before it reconnects by itself.
MAX_RETRY_SECONDS = 30.0


class Overloaded(Exception):
    """Raised when the answer would come too late. The client should come back after `after_seconds` seconds."""

    def __init__(self, after_seconds: float) -> None:
        super().__init__(after_seconds)
        self.after_seconds = after_seconds


class Disconnected(Exception):
    """Raised when the client disconnected before its request was answered."""


class _PendingRequest(NamedTuple, Generic[Q, A]):
    question: Q
    is_disconnected: Callable[[], bool]
    answer: "asyncio.Future[A]"


class RequestCoalescer(Generic[Q, A]):
    """Collects requests and answers them in batches.

    `answer` runs on a thread that may use the ORM. It takes the questions of a batch and returns one answer for each,
    in the same order.
    """

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A]]) -> None:
        self._answer = answer
        self._waiting: deque[_PendingRequest[Q, A]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._seconds_per_request = EXPECTED_SECONDS_PER_REQUEST

    async def ask(self, question: Q, is_disconnected: Callable[[], bool] = lambda: False) -> A:
        """Return the answer to the question.

        Raises Overloaded. Raises Disconnected if `is_disconnected()` is true when the batch is formed. Also raises any
        exception that `answer` has raised.
        """
        loop = asyncio.get_running_loop()
        if (wait := len(self._waiting) * self._seconds_per_request) > MAX_WAIT_SECONDS:
            raise Overloaded(uniform(wait, MAX_RETRY_SECONDS))
        request: _PendingRequest[Q, A] = _PendingRequest(question, is_disconnected, loop.create_future())
        self._waiting.append(request)
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._work(loop))
        return await request.answer

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            await in_thread(self._answer_waiting, loop)

    def _answer_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer all waiting requests, batch after batch, on this thread.

        Returning to the event loop after each batch would cost time, because the loop is busy with clients that are
        connecting.
        """
        while batch := self._next_batch(loop):
            began = loop.time()
            is_database_available = self._answer_batch(loop, batch)
            if len(batch) == MAX_BATCH:
                measured = (loop.time() - began) / MAX_BATCH
                self._seconds_per_request += (measured - self._seconds_per_request) / 8
            if not is_database_available:
                # Return, so that the next batch gets another database connection.
                return

    def _next_batch(self, loop: asyncio.AbstractEventLoop) -> list[_PendingRequest[Q, A]]:
        batch: list[_PendingRequest[Q, A]] = []
        while self._waiting and len(batch) < MAX_BATCH:
            request = self._waiting.popleft()
            if request.is_disconnected():
                loop.call_soon_threadsafe(_fail, [request], Disconnected())
            else:
                batch.append(request)
        return batch

    def _answer_batch(self, loop: asyncio.AbstractEventLoop, batch: Sequence[_PendingRequest[Q, A]]) -> bool:
        """Answer the requests. Returns whether the database was available."""
        try:
            answers = self._answer([request.question for request in batch])
        except Exception as error:
            is_database_error = isinstance(error, OperationalError | InterfaceError)
            if len(batch) == 1 or is_database_error:
                loop.call_soon_threadsafe(_fail, batch, error)
                return not is_database_error
            # One bad request fails the whole batch, so answer them one by one.
            results = [self._answer_batch(loop, [request]) for request in batch]
            return all(results)
        loop.call_soon_threadsafe(_resolve, batch, answers)
        return True


def _resolve(batch: Sequence[_PendingRequest[Any, A]], answers: Sequence[A]) -> None:
    for request, answer in zip(batch, answers, strict=True):
        if not request.answer.done():
            request.answer.set_result(answer)


def _fail(batch: Sequence[_PendingRequest[Any, Any]], error: Exception) -> None:
    for request in batch:
        if not request.answer.done():
            request.answer.set_exception(error)
