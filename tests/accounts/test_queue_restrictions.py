"""Tests of queue restrictions.

A restricted agent cannot take conversations from the department's queue and is told why. Others can still assign
conversations to the agent.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from accounts.models import Department, QueueRestriction, Staff
from chat.actions import agents
from chat.errors import NobodyWaiting, QueueRestricted
from console.inbox.initial_state import initial_state
from tests.people import Cast, go_online, start, take_as, take_next_as

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def restrict(
    staff: Staff, department: Department, *, days: int = 0, is_lifted: bool = False, key: str = "exam/1"
) -> None:
    since = timezone.localdate() + timedelta(days=days)
    QueueRestriction.objects.create(
        staff=staff, department=department, key=key, why="十一月月考", since=since, is_lifted=is_lifted
    )


def test_take_next_is_refused_when_one_of_two_restrictions_applies(cast: Cast) -> None:
    start(cast, department="cards")
    restrict(cast.mei, cast.cards, days=9)
    restrict(cast.mei, cast.cards, key="exam/2")
    with pytest.raises(QueueRestricted):
        take_next_as(staff=cast.mei)


@pytest.fixture
def both(cast: Cast) -> Cast:
    """Return the usual test people, but with agent Mei in two departments: cards and loans."""
    cast.mei.departments.add(cast.loans)
    return cast


def test_take_next_skips_departments_the_agent_may_not_take(both: Cast) -> None:
    start(both, department="cards")
    loan = start(both, department="loans")
    restrict(both.mei, both.cards)
    assert take_next_as(staff=both.mei) == loan
    with translation.override("zh-hans"), pytest.raises(QueueRestricted) as refusal:
        take_next_as(staff=both.mei)
    with translation.override("zh-hans"):
        message = str(refusal.value.text)
    assert message == "您暂时不能接入“信用卡”的会话，还需通过：十一月月考。如有疑问请找主管。"


def test_take_ignores_longer_waiting_visitors_of_a_restricted_department(both: Cast) -> None:
    first = start(both, department="cards")
    loan = start(both, department="loans")
    restrict(both.mei, both.cards)
    with pytest.raises(QueueRestricted):
        take_as(staff=both.mei, uuid=first.uuid)
    assert take_as(staff=both.mei, uuid=loan.uuid) == loan


@pytest.mark.usefixtures("one_day")
@pytest.mark.parametrize(("days", "is_lifted"), [(1, False), (0, True)])
def test_future_or_lifted_restriction_does_not_stop_take_next(cast: Cast, days: int, is_lifted: bool) -> None:
    first = start(cast, department="cards")
    restrict(cast.mei, cast.cards, days=days, is_lifted=is_lifted)
    assert take_next_as(staff=cast.mei) == first
    with pytest.raises(NobodyWaiting):
        take_next_as(staff=cast.mei)


@pytest.mark.usefixtures("one_day")
def test_initial_state_lists_the_restricted_departments(both: Cast) -> None:
    restrict(both.mei, both.cards)
    restrict(both.mei, both.cards, key="exam/2")
    restrict(both.mei, both.loans, days=1)
    restrict(both.yun, both.cards)
    assert initial_state(both.mei)["me"]["barred"] == [both.cards.pk]
    assert initial_state(both.yun)["me"]["barred"] == []


def test_restriction_applies_only_to_its_staff_member(cast: Cast) -> None:
    first = start(cast, department="cards")
    restrict(cast.mei, cast.cards)
    assert take_next_as(staff=cast.hao) == first


def test_restriction_stops_neither_a_supervisors_choice_nor_a_transfer(cast: Cast) -> None:
    first, second = start(cast, department="cards"), start(cast, department="cards")
    restrict(cast.yun, cast.cards)
    restrict(cast.mei, cast.cards)
    assert take_as(staff=cast.yun, uuid=second.uuid) == second
    go_online(cast.mei)
    given = agents.transfer_to_agent(staff=cast.yun, uuid=first.uuid, to=cast.mei)
    assert given.agent == cast.mei
