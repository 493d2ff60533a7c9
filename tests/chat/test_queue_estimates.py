"""Tests of queue positions and estimated waiting times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Staff
from chat import selectors
from chat.actions import agents, visitor_presence
from chat.models import Assignment, Conversation, Emergency
from chat.protocol import QueueFrame
from chat.queue_estimates import QueuePace, QueuePosition, ShownPosition, Waiting
from chat.queue_order import queue_time
from tests.people import Cast, go_online, start

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def queue_since(*minutes: float, is_first_wait: bool = True) -> list[Waiting]:
    return [
        Waiting(pk, False, NOW - timedelta(minutes=ago), is_first_wait)
        for pk, ago in enumerate(minutes, start=1)
    ]


def taken_every(seconds: float, *, minutes: float) -> list[datetime]:
    count = int(minutes * 60 / seconds)
    return [NOW - timedelta(seconds=seconds * number) for number in range(count)]


def pace(
    queue: Sequence[Waiting], taken: Sequence[datetime] = (), *, capacity: int = 8, handle_minutes: float = 8
) -> QueuePace:
    return QueuePace.measured(queue, taken, capacity, timedelta(minutes=handle_minutes), NOW)


def minutes_at(place: int, measured: QueuePace) -> float:
    seconds = measured.seconds_until(place)
    assert seconds is not None
    return seconds[0] / 60


# -- The pace --------------------------------------------------------------------------------------------------


def test_estimate_of_a_busy_queue_follows_the_recent_pace() -> None:
    busy = pace(queue_since(*[30] * 20), taken_every(60, minutes=30), capacity=16)
    assert minutes_at(5, busy) == pytest.approx(5, rel=0.1)
    assert minutes_at(10, busy) == pytest.approx(10, rel=0.1)


def test_estimate_of_a_new_queue_follows_the_capacity_of_the_agents() -> None:
    # An agent with 8 conversations of 9 minutes each: place 5 once was told 46 minutes.
    assert minutes_at(5, pace(queue_since(0, 0, 0, 0, 0), handle_minutes=9)) < 6


def test_agents_without_customers_are_not_taken_for_slow() -> None:
    """Check a quiet department: two customers in half an hour, who were both served at once."""
    quiet = pace(queue_since(0.1), [NOW - timedelta(minutes=20), NOW - timedelta(minutes=5)])
    assert minutes_at(1, quiet) < 2
    # A customer who has talked to another department for long has not waited here.
    transferred = pace(queue_since(45, is_first_wait=False), [NOW - timedelta(minutes=20)])
    assert minutes_at(1, transferred) < 2


def test_agents_who_take_nobody_make_the_estimate_grow() -> None:
    estimates = [minutes_at(1, pace(queue_since(waited))) for waited in (0, 5, 15, 30)]
    assert estimates == sorted(estimates)
    assert estimates[-1] > 5 * estimates[0]


def test_there_is_no_estimate_without_agents() -> None:
    assert pace(queue_since(5), taken_every(60, minutes=30), capacity=0).seconds_until(1) is None


@given(
    place=st.integers(1, 5000),
    waited=st.floats(0, 300),
    taken=st.integers(0, 2000),
    capacity=st.integers(1, 2000),
    handle_minutes=st.floats(0, 600),
)
def test_estimates_are_ordered_and_finite(
    place: int, waited: float, taken: int, capacity: int, handle_minutes: float
) -> None:
    measured = pace(queue_since(waited), [NOW] * taken, capacity=capacity, handle_minutes=handle_minutes)
    now, later = measured.seconds_until(place), measured.seconds_until(place + 1)
    assert now is not None
    assert later is not None
    assert 0 < now[0] <= now[1] <= 2 * now[0]
    assert now[0] < later[0] < float("inf")


# -- What a widget shows ---------------------------------------------------------------------------------------

FAST = QueuePace(capacity=16, per_second=1 / 60, evidence=60)
FIFTH = QueuePosition(department=1, place=5, urgent_before=0, pace=FAST)


def shown_after(*positions: QueuePosition) -> tuple[ShownPosition, QueueFrame]:
    """Return a widget's position after these updates, and the last frame that was sent."""
    shown, frames = ShownPosition(), []
    for position in positions:
        if (frame := shown.update(position)) is not None:
            frames.append(frame)
    return shown, frames[-1]


def test_estimate_is_a_range_of_whole_minutes() -> None:
    _, frame = shown_after(FIFTH)
    assert frame == QueueFrame(5, 300, online=True, estimate_max_seconds=480)


def test_unchanged_position_is_not_sent_again() -> None:
    shown, _ = shown_after(FIFTH)
    assert shown.update(FIFTH) is None
    nearly_same = replace(FIFTH, pace=replace(FAST, per_second=1 / 62))
    assert shown.update(nearly_same) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"place": 6, "urgent_before": 1}, "emergency_first"),
        ({"place": 6}, "earlier_place"),
        ({"pace": QueuePace(8, 1 / 100, 60)}, "fewer_agents"),
        ({"pace": QueuePace(16, 1 / 200, 60)}, "slower"),
    ],
)
def test_rise_has_a_reason_until_the_next_change(change: dict[str, object], reason: str) -> None:
    worse = replace(FIFTH, **change)  # type: ignore[arg-type]
    shown, frame = shown_after(FIFTH, worse)
    assert frame.reason == reason
    assert shown.update(worse) is None
    better = shown.update(replace(worse, place=4))
    assert better is not None
    assert (better.place, better.reason) == (4, "")


def test_improvement_and_another_department_need_no_reason() -> None:
    assert shown_after(FIFTH, replace(FIFTH, place=4))[1].reason == ""
    assert shown_after(FIFTH, replace(FIFTH, place=9, department=2))[1].reason == ""


def test_long_wait_is_not_estimated() -> None:
    _, frame = shown_after(replace(FIFTH, place=200))
    assert frame == QueueFrame(200, None, online=True)


def test_department_without_agents_is_shown_as_offline() -> None:
    _, frame = shown_after(FIFTH, replace(FIFTH, pace=QueuePace(0, 0.0, 0)))
    assert frame == QueueFrame(5, None, online=False)


# -- The database ----------------------------------------------------------------------------------------------


def places(*conversations: Conversation) -> list[int | None]:
    positions = selectors.queue_positions([item.pk for item in conversations])
    return [positions[item.pk].place if item.pk in positions else None for item in conversations]


def leave(conversation: Conversation) -> None:
    visitor_presence.record("here", {conversation.pk}, {})
    visitor_presence.record("here", set(), {conversation.pk: timezone.now()})


@pytest.mark.django_db
@pytest.mark.both_databases
def test_visitors_who_are_away_do_not_count(cast: Cast) -> None:
    away, first, second, elsewhere = start(cast), start(cast), start(cast), start(cast, department="loans")
    leave(away)
    assert places(first, second, elsewhere) == [1, 2, 1]
    # The visitor's socket is here, though the database does not say so yet.
    assert places(away, first, second) == [1, 2, 3]


@pytest.mark.django_db
@pytest.mark.both_databases
def test_emergency_is_first_and_counts_for_the_others(cast: Cast) -> None:
    first, second, urgent = start(cast), start(cast), start(cast)
    Conversation.objects.filter(pk=urgent.pk).update(
        emergency=Emergency.RAISED, queue_time=queue_time(urgent.waiting_since, 0, Emergency.RAISED)
    )
    assert places(first, second, urgent) == [2, 3, 1]
    positions = selectors.queue_positions([first.pk, urgent.pk])
    assert (positions[first.pk].urgent_before, positions[urgent.pk].urgent_before) == (1, 0)


@pytest.mark.django_db
@pytest.mark.both_databases
def test_pace_counts_what_agents_take_from_this_queue(cast: Cast) -> None:
    go_online(cast.mei, cast.hao)
    Staff.objects.filter(pk=cast.hao.pk).update(capacity=4)
    waiting = start(cast)
    Conversation.objects.filter(pk=waiting.pk).update(waiting_since=timezone.now() - timedelta(minutes=20))
    taken = [start(cast) for _ in range(3)]
    for conversation in taken:
        agents.transfer_to_agent(staff=cast.yun, uuid=conversation.uuid, to=cast.mei)
    Assignment.objects.filter(conversation__in=taken[:2]).update(reason=Assignment.Reason.TAKEN)
    Assignment.objects.filter(conversation=taken[0]).update(at=timezone.now() - timedelta(hours=1))
    pace = selectors.queue_positions([waiting.pk])[waiting.pk].pace
    assert pace.capacity == 8 + 4
    assert pace.evidence == 1 + 3
    assert pace.per_second == pytest.approx(4 / (20 * 60 + 3 * 180 / 12), rel=0.01)


@pytest.mark.django_db
def test_number_of_queries_does_not_depend_on_the_queue(cast: Cast) -> None:
    go_online(cast.mei, cast.jun)
    counts = []
    for number in (1, 8):
        waiting = [start(cast, department=code) for code in ("cards", "loans") for _ in range(number)]
        selectors.queue_positions([item.pk for item in waiting])
        with CaptureQueriesContext(connection) as queries:
            selectors.queue_positions([item.pk for item in waiting])
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 4
    assert selectors.queue_positions([]) == {}
