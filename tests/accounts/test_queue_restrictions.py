"""Who is barred from a department takes nobody from its line, and is told why; people still decide by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from accounts.models import Department, QueueRestriction, Staff
from chat.actions import agents
from chat.errors import NobodyWaiting, QueueRestricted
from console.inbox.initial_state import initial_state
from tests.people import Cast, go_online, start

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def bar(
    staff: Staff, department: Department, *, days: int = 0, is_lifted: bool = False, key: str = "exam/1"
) -> None:
    since = timezone.localdate() + timedelta(days=days)
    QueueRestriction.objects.create(
        staff=staff, department=department, key=key, why="十一月月考", since=since, is_lifted=is_lifted
    )


def test_of_two_bars_the_one_that_holds_counts(cast: Cast) -> None:
    start(cast, department="cards")
    bar(cast.mei, cast.cards, days=9)
    bar(cast.mei, cast.cards, key="exam/2")
    with pytest.raises(QueueRestricted):
        agents.take_next(staff=cast.mei)


@pytest.fixture
def both(cast: Cast) -> Cast:
    """Mei answers for loans as well."""
    cast.mei.departments.add(cast.loans)
    return cast


def test_the_next_is_taken_from_the_departments_that_are_left(both: Cast) -> None:
    start(both, department="cards")
    loan = start(both, department="loans")
    bar(both.mei, both.cards)
    assert agents.take_next(staff=both.mei) == loan
    with translation.override("zh-hans"), pytest.raises(QueueRestricted) as refusal:
        agents.take_next(staff=both.mei)
    with translation.override("zh-hans"):
        words = str(refusal.value.words)
    assert words == "您暂时不能接入“信用卡”的会话，还需通过：十一月月考。如有疑问请找主管。"


def test_one_who_waits_longer_in_a_barred_department_does_not_stand_before_the_others(both: Cast) -> None:
    first = start(both, department="cards")
    loan = start(both, department="loans")
    bar(both.mei, both.cards)
    with pytest.raises(QueueRestricted):
        agents.take(staff=both.mei, uuid=first.uuid)
    assert agents.take(staff=both.mei, uuid=loan.uuid) == loan


@pytest.mark.usefixtures("one_day")
@pytest.mark.parametrize(("days", "is_lifted"), [(1, False), (0, True)])
def test_a_bar_to_come_is_a_warning_and_a_lifted_one_is_none(cast: Cast, days: int, is_lifted: bool) -> None:
    first = start(cast, department="cards")
    bar(cast.mei, cast.cards, days=days, is_lifted=is_lifted)
    assert agents.take_next(staff=cast.mei) == first
    with pytest.raises(NobodyWaiting):
        agents.take_next(staff=cast.mei)


@pytest.mark.usefixtures("one_day")
def test_their_console_knows_from_which_lines_nobody_can_be_taken(both: Cast) -> None:
    bar(both.mei, both.cards)
    bar(both.mei, both.cards, key="exam/2")
    bar(both.mei, both.loans, days=1)
    bar(both.yun, both.cards)
    assert initial_state(both.mei)["me"]["barred"] == [both.cards.pk]
    assert initial_state(both.yun)["me"]["barred"] == []


def test_it_is_theirs_alone(cast: Cast) -> None:
    first = start(cast, department="cards")
    bar(cast.mei, cast.cards)
    assert agents.take_next(staff=cast.hao) == first


def test_supervisors_choose_by_hand_and_give_by_hand(cast: Cast) -> None:
    first, second = start(cast, department="cards"), start(cast, department="cards")
    bar(cast.yun, cast.cards)
    bar(cast.mei, cast.cards)
    assert agents.take(staff=cast.yun, uuid=second.uuid) == second
    go_online(cast.mei)
    given = agents.transfer_to_agent(staff=cast.yun, uuid=first.uuid, to=cast.mei)
    assert given.agent == cast.mei
