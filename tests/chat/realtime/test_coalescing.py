"""Tests of RequestCoalescer, which answers concurrent requests in batches. Every request gets an answer or an error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from django.db import OperationalError

from chat.realtime.coalescing import (
    EXPECTED_SECONDS_PER_REQUEST,
    MAX_BATCH,
    MAX_RETRY_SECONDS,
    MAX_WAIT_SECONDS,
    Disconnected,
    Overloaded,
    RequestCoalescer,
)

Batches = list[list[int]]


def doubling(batches: Batches, is_asked: asyncio.Event, go: threading.Event) -> RequestCoalescer[int, int]:
    """Return a coalescer that doubles numbers.

    For each batch of numbers, it adds the batch to `batches`, sets `is_asked`, waits for `go` and then answers.
    """
    loop = asyncio.get_running_loop()

    def answer(numbers: Sequence[int]) -> list[int]:
        batches.append(list(numbers))
        loop.call_soon_threadsafe(is_asked.set)
        assert go.wait(10)
        return [number * 2 for number in numbers]

    return RequestCoalescer(answer)


async def test_requests_during_a_batch_are_answered_in_the_next_batches() -> None:
    batches: Batches = []
    is_asked, go = asyncio.Event(), threading.Event()
    coalescer = doubling(batches, is_asked, go)
    requests = [asyncio.create_task(coalescer.ask(0))]
    await is_asked.wait()
    requests += [asyncio.create_task(coalescer.ask(number)) for number in range(1, MAX_BATCH + 5)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*requests) == [number * 2 for number in range(MAX_BATCH + 5)]
    assert [len(batch) for batch in batches] == [1, MAX_BATCH, 4]


MAX_WAITING = round(MAX_WAIT_SECONDS / EXPECTED_SECONDS_PER_REQUEST) + 1


async def test_disconnected_clients_are_skipped_and_excess_requests_get_random_retry_times() -> None:
    batches: Batches = []
    is_asked, go = asyncio.Event(), threading.Event()
    coalescer = doubling(batches, is_asked, go)
    first = asyncio.create_task(coalescer.ask(0))
    await is_asked.wait()
    gone = [asyncio.create_task(coalescer.ask(number, lambda: True)) for number in range(MAX_WAITING)]
    await asyncio.sleep(0)
    waits = []
    for _ in range(100):
        with pytest.raises(Overloaded) as overloaded:
            await coalescer.ask(1)
        waits.append(overloaded.value.after_seconds)
    # The refused clients must come back at different times, and not before the waiting requests have been answered.
    assert len(set(waits)) == 100
    assert MAX_WAIT_SECONDS <= min(waits) < max(waits) <= MAX_RETRY_SECONDS
    go.set()
    assert await first == 0
    errors = await asyncio.gather(*gone, return_exceptions=True)
    assert {type(error) for error in errors} == {Disconnected}
    assert batches == [[0]]
    assert await coalescer.ask(3) == 6


async def test_batches_are_answered_while_the_event_loop_is_blocked() -> None:
    """Check that batches are answered on a separate thread.

    The event loop may be busy with thousands of handshakes, and the queries must not wait for it.
    """
    batches: Batches = []
    all_are_asked = threading.Event()

    def answer(numbers: Sequence[int]) -> list[int]:
        batches.append(list(numbers))
        if sum(map(len, batches)) == MAX_BATCH * 3:
            all_are_asked.set()
        return list(numbers)

    coalescer = RequestCoalescer(answer)
    requests = [asyncio.create_task(coalescer.ask(number)) for number in range(MAX_BATCH * 3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # This wait blocks the event loop until a thread has passed the last batch to `answer`.
    assert all_are_asked.wait(10)
    assert not any(request.done() for request in requests)
    assert await asyncio.gather(*requests) == list(range(MAX_BATCH * 3))


async def test_request_that_fails_does_not_fail_the_rest_of_its_batch() -> None:
    def answer(numbers: Sequence[int]) -> list[float]:
        return [1 / number for number in numbers]

    coalescer = RequestCoalescer(answer)
    answers = await asyncio.gather(*(coalescer.ask(number) for number in (1, 0, 2)), return_exceptions=True)
    assert (answers[0], type(answers[1]), answers[2]) == (1, ZeroDivisionError, 0.5)


async def test_database_error_fails_the_whole_batch_after_one_attempt() -> None:
    calls: Batches = []

    def answer(numbers: Sequence[int]) -> list[int]:
        calls.append(list(numbers))
        raise OperationalError

    coalescer = RequestCoalescer(answer)
    requests = [coalescer.ask(number) for number in range(50)]
    errors = await asyncio.gather(*requests, return_exceptions=True)
    assert {type(error) for error in errors} == {OperationalError}
    assert len(calls) == 1
