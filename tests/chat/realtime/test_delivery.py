"""Tests of the notifications between processes: two hubs on one channel layer stand for two processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
from channels.layers import channel_layers
from pytest_django.fixtures import Settings

from chat.protocol import Event, TypingFrame, TypingStarted
from chat.realtime import delivery
from chat.realtime.delivery import Hub

WITHIN_SECONDS = 10
EVENT = TypingStarted(1, TypingFrame("x", "visitor"))


class RecordingHub(Hub):
    def __init__(self) -> None:
        super().__init__()
        self.routed: list[Event] = []

    def route(self, events: Iterable[Event]) -> None:
        self.routed.extend(events)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.fixture
async def start(settings: Settings) -> AsyncIterator[Callable[[], RecordingHub]]:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    settings.SWEEP_SECONDS = 3600
    channel_layers.backends.pop("default", None)
    hubs: list[RecordingHub] = []

    def start() -> RecordingHub:
        hubs.append(RecordingHub())
        hubs[-1].start()
        return hubs[-1]

    yield start
    for hub in hubs:
        for task in hub._tasks:
            task.cancel()
    channel_layers.backends.pop("default", None)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[list[Event]]:
    published: list[list[Event]] = []
    send = delivery.send_to_layer

    async def record(process: str, events: list[Event]) -> None:
        published.append(events)
        await send(process, events)

    monkeypatch.setattr(delivery, "send_to_layer", record)
    return published


async def test_process_that_nobody_listens_to_publishes_no_events(
    start: Any, published: list[list[Event]]
) -> None:
    alone = start()
    await until(lambda: published == [[]])
    alone.announce([EVENT])
    await asyncio.sleep(0)
    assert alone.routed == [EVENT]
    assert alone.has_published()
    assert published == [[]]


async def test_processes_that_listen_get_each_others_events(start: Any, published: list[list[Event]]) -> None:
    first = start()
    await until(lambda: published)
    second = start()
    await until(lambda: first._listeners and second._listeners)
    first.announce([EVENT])
    await until(lambda: second.routed == [EVENT])
    second.announce([EVENT, EVENT])
    await until(lambda: first.routed == [EVENT] * 3)


async def test_process_that_starts_later_learns_of_all_that_listen(
    start: Any, published: list[list[Event]]
) -> None:
    hubs: list[RecordingHub] = []
    for _ in range(3):
        hubs.append(start())
        await until(lambda: all(len(hub._listeners) == len(hubs) - 1 for hub in hubs))
    hubs[-1].announce([EVENT])
    await until(lambda: all(hub.routed == [EVENT] for hub in hubs))


async def test_process_whose_last_sign_is_old_gets_no_more_events(
    start: Any, published: list[list[Event]], settings: Settings
) -> None:
    settings.SWEEP_SECONDS = 0.001
    hub = start()
    await until(lambda: published)
    await delivery.send_to_layer("another process", [])
    await until(lambda: len(published) >= 3)
    await asyncio.sleep(delivery.LISTENING_SWEEPS * settings.SWEEP_SECONDS + 0.05)
    published.clear()
    hub.announce([EVENT])
    await asyncio.sleep(0)
    assert hub.has_published()
    assert published == []


async def test_tasks_of_a_hub_end_when_they_are_cancelled_during_a_publish(start: Any) -> None:
    for step in range(60):
        hub = start()
        hub.show_that_it_listens()
        for _ in range(step % 12):
            await asyncio.sleep(0)
        for task in hub._tasks:
            task.cancel()
        _, pending = await asyncio.wait(hub._tasks, timeout=WITHIN_SECONDS)
        assert not pending
