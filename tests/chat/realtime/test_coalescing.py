"""Questions that come together are answered together, and nobody is left without an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from django.db import OperationalError

from chat.realtime.coalescing import (
    EXPECTED_BATCH_SECONDS,
    MAX_BATCH,
    MAX_WAIT_SECONDS,
    Disconnected,
    Overloaded,
    RequestCoalescer,
)

Turns = list[list[int]]


def doubling(turns: Turns, is_asked: asyncio.Event, go: threading.Event) -> RequestCoalescer[int, int]:
    loop = asyncio.get_running_loop()

    def answer(numbers: Sequence[int]) -> list[int]:
        turns.append(list(numbers))
        loop.call_soon_threadsafe(is_asked.set)
        assert go.wait(10)
        return [number * 2 for number in numbers]

    return RequestCoalescer(answer)


async def test_what_comes_while_one_answer_is_on_its_way_is_answered_by_the_next() -> None:
    turns: Turns = []
    is_asked, go = asyncio.Event(), threading.Event()
    gathering = doubling(turns, is_asked, go)
    asking = [asyncio.create_task(gathering.ask(0))]
    await is_asked.wait()
    asking += [asyncio.create_task(gathering.ask(number)) for number in range(1, MAX_BATCH + 5)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*asking) == [number * 2 for number in range(MAX_BATCH + 5)]
    assert [len(turn) for turn in turns] == [1, MAX_BATCH, 4]


MOST_WAITING = round(MAX_WAIT_SECONDS / EXPECTED_BATCH_SECONDS) + 1


async def test_who_has_left_costs_nothing_and_who_comes_too_late_is_told() -> None:
    loop = asyncio.get_running_loop()
    turns: Turns = []
    is_asked, go = asyncio.Event(), threading.Event()
    gathering = doubling(turns, is_asked, go)
    first = asyncio.create_task(gathering.ask(0))
    await is_asked.wait()
    gone = [asyncio.create_task(gathering.ask(number, lambda: True)) for number in range(MOST_WAITING)]
    await asyncio.sleep(0)
    began, moments = loop.time(), []
    for _ in range(100):
        with pytest.raises(Overloaded) as crowded:
            await gathering.ask(1)
        moments.append(loop.time() + crowded.value.after_seconds)
    # Not before there is time for them, and one after the other.
    assert moments == sorted(moments)
    assert len(set(moments)) == 100
    assert moments[0] >= began + MAX_WAIT_SECONDS
    assert moments[-1] - moments[0] < 1 + loop.time() - began
    go.set()
    assert await first == 0
    assert {type(each) for each in await asyncio.gather(*gone, return_exceptions=True)} == {Disconnected}
    assert turns == [[0]]
    assert await gathering.ask(3) == 6


async def test_turns_go_on_while_the_loop_is_busy() -> None:
    """With thousands of handshakes, for instance: an answer must not wait for the end of them to be looked for."""
    turns: Turns = []
    all_are_asked = threading.Event()

    def answer(numbers: Sequence[int]) -> list[int]:
        turns.append(list(numbers))
        if sum(map(len, turns)) == MAX_BATCH * 3:
            all_are_asked.set()
        return list(numbers)

    gathering = RequestCoalescer(answer)
    asking = [asyncio.create_task(gathering.ask(number)) for number in range(MAX_BATCH * 3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # From here on the loop does nothing else.
    assert all_are_asked.wait(10)
    assert not any(each.done() for each in asking)
    assert await asyncio.gather(*asking) == list(range(MAX_BATCH * 3))


async def test_one_that_cannot_be_answered_spoils_nothing_for_the_others() -> None:
    def answer(numbers: Sequence[int]) -> list[float]:
        return [1 / number for number in numbers]

    gathering = RequestCoalescer(answer)
    answers = await asyncio.gather(*(gathering.ask(number) for number in (1, 0, 2)), return_exceptions=True)
    assert (answers[0], type(answers[1]), answers[2]) == (1, ZeroDivisionError, 0.5)


async def test_without_a_database_all_hear_so_at_once() -> None:
    calls: Turns = []

    def answer(numbers: Sequence[int]) -> list[int]:
        calls.append(list(numbers))
        raise OperationalError

    gathering = RequestCoalescer(answer)
    asking = [gathering.ask(number) for number in range(50)]
    assert {type(each) for each in await asyncio.gather(*asking, return_exceptions=True)} == {
        OperationalError
    }
    assert len(calls) == 1
