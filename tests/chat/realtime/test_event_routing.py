"""Tests of the observers of events. test_state_equals_events.py tests which frames the sockets get."""

from __future__ import annotations

import logging

import pytest

from chat.protocol import Event, TypingFrame, TypingStarted
from chat.realtime.event_routing import EventRouter
from tests.chat.realtime.test_state_equals_events import Screen

EVENTS = [TypingStarted(1, TypingFrame("x", "agent")), TypingStarted(2, TypingFrame("y", "agent"))]


def test_observers_get_each_event_after_it_was_pushed() -> None:
    router, screen = EventRouter(), Screen()
    router.join(1, screen)
    observed: list[tuple[Event, int]] = []
    router.observers.append(lambda event: observed.append((event, len(screen.frames))))
    router.route(EVENTS)
    assert observed == [(EVENTS[0], 1), (EVENTS[1], 1)]


def test_failing_observer_is_logged_and_stops_no_other_observer_or_socket(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(event: Event) -> None:
        raise LookupError

    router, screen = EventRouter(), Screen()
    router.join(2, screen)
    observed: list[Event] = []
    router.observers += [fail, observed.append]
    with caplog.at_level(logging.ERROR):
        router.route(EVENTS)
    assert observed == EVENTS
    assert [frame["conversation"] for frame in screen.frames] == ["y"]
    assert [record.getMessage() for record in caplog.records] == [
        "an observer failed at an event of kind TypingStarted"
    ] * 2


def test_observers_get_an_event_that_could_not_be_pushed(caplog: pytest.LogCaptureFixture) -> None:
    class BrokenScreen(Screen):
        def push(self, text: bytes) -> None:
            raise ConnectionError

    router = EventRouter()
    router.join(1, BrokenScreen())
    observed: list[Event] = []
    router.observers.append(observed.append)
    router.route(EVENTS)
    assert observed == EVENTS
    assert [record.getMessage() for record in caplog.records] == [
        "an event of kind TypingStarted was not delivered"
    ]
