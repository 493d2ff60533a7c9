"""Tests of the simulated day: a short run, and planted faults that its checks must find."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Presence
from chat.models import Assignment, Conversation, Status
from demo.clock import clock_set
from routing.models import DepartmentPolicy
from tests.people import Cast, go_online, start, start_with
from tests.simulation.day import checks, shapes
from tests.simulation.day.agenda import moment
from tests.simulation.day.checks import (
    AgentState,
    AssignmentState,
    ConversationState,
    Faults,
    WaitingState,
    doubles_in,
    orphans_in,
    starving_in,
)
from tests.simulation.day.day import Day
from tests.simulation.day.measures import AgentShare, Outcome, percentile, spread_of, table_of
from tests.simulation.day.plan import draw_plan
from tests.simulation.day.router_processes import simulated_database_clock

NOON = 12 * shapes.HOUR
NOW = moment(NOON)
MINUTE = timedelta(minutes=1)


@pytest.mark.django_db(transaction=True)
def test_a_short_day_has_no_double_no_orphan_and_nobody_starved() -> None:
    outcome = Day(draw_plan(contacts=120), "router").run()

    assert outcome.cases == ()
    assert outcome.contacts == 120 == len(outcome.waits) + outcome.abandoned
    assert outcome.kills == shapes.MIN_KILLS
    assert outcome.returned > 0
    assert outcome.service_level > 0.9


@pytest.mark.django_db(transaction=True)
def test_agents_who_take_by_hand_serve_everybody() -> None:
    outcome = Day(draw_plan(contacts=30), "pull").run()

    assert outcome.cases == ()
    assert outcome.contacts == 30 == len(outcome.waits) + outcome.abandoned


# -- The checks find planted faults --------------------------------------------------------------------------


def assignment(agent: int, begins: int, ends: int | None) -> AssignmentState:
    return AssignmentState(7, agent, NOW + begins * MINUTE, None if ends is None else NOW + ends * MINUTE)


@pytest.mark.parametrize(
    ("assignments", "is_double"),
    [
        ([assignment(1, 0, 5), assignment(2, 5, None)], False),
        ([assignment(1, 0, 5), assignment(2, 4, 9)], True),
        ([assignment(2, 4, 9), assignment(1, 0, 5)], True),
        ([assignment(1, 0, None), assignment(1, 3, None)], True),
    ],
)
def test_a_conversation_with_two_agents_at_a_time_is_a_double(
    assignments: list[AssignmentState], is_double: bool
) -> None:
    assert doubles_in(assignments) == ({7} if is_double else set())


def active(agent: int | None, assigned_to: int | None, seen: datetime | None = NOW) -> ConversationState:
    return ConversationState(7, Status.ACTIVE, agent, seen, assigned_to)


@pytest.mark.parametrize(
    ("conversation", "is_orphan"),
    [
        (active(1, 1), False),
        (active(1, 1, NOW - MINUTE), False),
        (active(1, 1, NOW - 3 * MINUTE), True),
        (active(1, 1, None), True),
        (active(None, None), True),
        (active(1, 2), True),
        (active(1, None), True),
        (ConversationState(7, Status.WAITING), False),
        (ConversationState(7, Status.WAITING, offered_until=NOW), False),
        (ConversationState(7, Status.WAITING, offered_until=NOW - MINUTE), True),
        (ConversationState(7, Status.WAITING, assigned_to=1), True),
    ],
)
def test_a_conversation_that_nobody_serves_is_an_orphan(
    conversation: ConversationState, is_orphan: bool
) -> None:
    assert orphans_in([conversation], NOW) == ({7} if is_orphan else set())


@pytest.mark.parametrize(
    ("agent", "minutes", "is_starving"),
    [
        (AgentState(1, 3, 2, {5}), 3, True),
        (AgentState(1, 3, 2, {5}), 1, False),
        (AgentState(1, 3, 3, {5}), 3, False),
        (AgentState(1, 3, 0, {6}), 3, False),
        (AgentState(1, 3, 2, {5}, {5: 2}), 3, False),
        (AgentState(1, 3, 2, {5, 6}, {5: 1, 6: 1}), 3, True),
    ],
)
def test_a_customer_who_waits_while_an_agent_is_free_is_starving(
    agent: AgentState, minutes: int, is_starving: bool
) -> None:
    waiting = WaitingState(7, 5, NOW - minutes * MINUTE)
    assert starving_in([waiting], [agent], {5: 2}, NOW) == ({7} if is_starving else set())


@pytest.mark.django_db
def test_faults_planted_in_the_database_are_found(cast: Cast) -> None:
    with clock_set(NOW), simulated_database_clock():
        healthy, unassigned = start_with(cast, cast.mei), start_with(cast, cast.hao)
        lost = start_with(cast, cast.jun)
        waiting, stuck = start(cast), start(cast)
        faults = Faults()
        faults.check_orphans(NOON)
        assert faults.descriptions() == []

        unassigned.assignments.update(until_at=timezone.now())
        Presence.objects.filter(staff=cast.jun).update(seen_at=NOW - 3 * MINUTE)
        Conversation.objects.filter(pk=stuck.pk).update(offered_to=cast.mei, offered_until=NOW - MINUTE)
        faults.check_orphans(NOON)
        assert faults.orphans.keys() == {unassigned.pk, lost.pk, stuck.pk}

        Conversation.objects.filter(pk=waiting.pk).update(waiting_since=NOW - 5 * MINUTE)
        go_online(cast.mei)
        assert checks.starving(NOON) == {waiting.pk}
        DepartmentPolicy.objects.create(department=cast.cards, capacity=1)
        assert checks.starving(NOON) == set()

        former = healthy.assignments.get()
        Assignment.objects.filter(pk=former.pk).update(until_at=NOW + MINUTE)
        Assignment.objects.create(
            conversation=healthy, agent=cast.hao, department=cast.cards, at=NOW, reason="pushed"
        )
        faults.check_end()
        assert faults.doubles.keys() == {healthy.pk}
        assert faults.orphans.keys() == {item.pk for item in (healthy, unassigned, lost, waiting, stuck)}, (
            "conversations are still open at the end"
        )


# -- Plan and measures ---------------------------------------------------------------------------------------


def test_a_plan_has_the_shapes_of_the_data() -> None:
    plan = draw_plan(seed=3)
    assert plan == draw_plan(seed=3)
    assert (len(plan.contacts), len(plan.agents)) == (shapes.CONTACTS, 50)
    departments = Counter(contact.department for contact in plan.contacts)
    assert departments.most_common(1)[0][0] == "cards"
    assert len({contact.visitor for contact in plan.contacts}) < shapes.CONTACTS * 0.98
    service = sorted(sum(turn.reply + turn.think for turn in contact.turns) for contact in plan.contacts)
    assert percentile(service, 0.5) == pytest.approx(120, rel=0.1)


def test_a_surge_has_494_contacts_in_an_hour() -> None:
    begins = shapes.SURGE_HOUR * shapes.HOUR
    plan = draw_plan(surge=True)
    assert sum(begins <= contact.at < begins + shapes.HOUR for contact in plan.contacts) == 494
    assert len(draw_plan(surge=True, contacts=200).contacts) == 200


def test_spread_compares_agents_of_the_same_team_and_shift() -> None:
    equal = [AgentShare("day", 20, 2.0), AgentShare("day", 10, 1.0), AgentShare("night", 3, 1.0)]
    assert spread_of(equal).among_peers == 0
    assert spread_of(equal).among_all > 0.4
    unequal = [AgentShare("day", 30, 1.0), AgentShare("day", 10, 1.0), AgentShare("day", 50, 0.1)]
    assert spread_of(unequal).among_peers == pytest.approx(0.5)
    assert spread_of(unequal).range_among_peers == pytest.approx(1.0)


def test_the_table_has_a_column_for_each_run() -> None:
    outcome = Outcome("router", 4, 0, 1, 2, (1.0, 2.0, 90.0), (), 1, (), 0, 0, 0, {}, 3.0)
    table = table_of([outcome, outcome])
    assert table.splitlines()[0].split() == ["router", "router"]
    assert "50.0%" in table
    assert "1 (25.0%)" in table
    assert outcome.has_faults
