"""Tests of agents who take conversations by hand: presence and capacity are held, emergencies come first.

Tests of concurrent requests are in test_queue.py.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from accounts import presence
from accounts.models import Presence, PresenceStatus, Staff
from chat import emergencies
from chat.actions import agents
from chat.errors import NotFirstInQueue, Refusal
from chat.models import Conversation, Emergency, EmergencyRule, Status
from routing.actions import taking
from routing.errors import AtCapacity, ColleagueAtCapacity, NotOnline
from routing.loads import load_of
from routing.models import DepartmentPolicy, Mode
from tests.people import Cast, create_cast, go_online, say, start, start_with

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def set_capacity(staff: Staff, capacity: int) -> None:
    staff.capacity = capacity
    staff.save(update_fields=["capacity"])


@pytest.mark.parametrize("status", [PresenceStatus.OFFLINE, PresenceStatus.BREAK, PresenceStatus.AWAY])
def test_agent_who_is_not_online_takes_nothing(cast: Cast, status: PresenceStatus) -> None:
    conversation = start(cast)
    presence.set_status(staff=cast.mei, status=status)
    with pytest.raises(NotOnline):
        taking.take_next(staff=cast.mei)
    with pytest.raises(NotOnline):
        taking.take(staff=cast.mei, uuid=conversation.uuid)


def test_agent_without_presence_or_with_an_expired_one_takes_nothing(cast: Cast) -> None:
    start(cast)
    with pytest.raises(NotOnline):
        taking.take_next(staff=cast.mei)
    go_online(cast.mei)
    expired = timezone.now() - 2 * (timezone.now() - presence.lease_start())
    Presence.objects.update(seen_at=expired)
    with pytest.raises(NotOnline):
        taking.take_next(staff=cast.mei)


def test_agent_takes_no_more_than_their_capacity(cast: Cast) -> None:
    set_capacity(cast.mei, 2)
    go_online(cast.mei)
    third = [start(cast) for _ in range(3)][-1]
    taking.take_next(staff=cast.mei)
    taking.take_next(staff=cast.mei)
    with pytest.raises(AtCapacity):
        taking.take_next(staff=cast.mei)
    with pytest.raises(AtCapacity):
        taking.take(staff=cast.mei, uuid=third.uuid)
    assert load_of(cast.mei).load == 2


def test_agent_takes_no_more_of_a_department_than_its_policy_allows(cast: Cast) -> None:
    DepartmentPolicy.objects.create(department=cast.cards, mode=Mode.PULL, capacity=1)
    cast.mei.departments.add(cast.loans)
    go_online(cast.mei)
    _, second, loan = start(cast), start(cast), start(cast, department="loans")
    taking.take_next(staff=cast.mei)
    assert taking.take_next(staff=cast.mei) == loan
    for take in (
        lambda: taking.take_next(staff=cast.mei),
        lambda: taking.take(staff=cast.mei, uuid=second.uuid),
    ):
        with pytest.raises(AtCapacity):
            take()


def test_wrap_up_holds_capacity_and_closing_frees_it(cast: Cast) -> None:
    set_capacity(cast.mei, 1)
    own = start_with(cast, cast.mei)
    start(cast)
    agents.end_conversation(staff=cast.mei, uuid=own.uuid)
    with pytest.raises(AtCapacity):
        taking.take_next(staff=cast.mei)
    agents.close_conversation(staff=cast.mei, uuid=own.uuid, code=cast.done)
    assert taking.take_next(staff=cast.mei).agent_id == cast.mei.pk


def test_sleeping_conversation_frees_capacity_until_the_customer_writes(cast: Cast) -> None:
    set_capacity(cast.mei, 1)
    own = start_with(cast, cast.mei)
    say(own, "我看看账单", by=cast.mei)
    Conversation.objects.filter(pk=own.pk).update(last_message_at=presence.lease_start().replace(year=2020))
    assert (load_of(cast.mei).load, load_of(cast.mei).sleeping) == (0, 1)
    say(Conversation.objects.get(pk=own.pk), "找到了")
    assert (load_of(cast.mei).load, load_of(cast.mei).sleeping) == (1, 0)


def test_conversation_of_an_absent_visitor_is_skipped(cast: Cast) -> None:
    absent, present = start(cast), start(cast)
    Conversation.objects.filter(pk=absent.pk).update(visitor_away_since=timezone.now())
    go_online(cast.mei)
    assert taking.take_next(staff=cast.mei) == present


def test_words_of_an_emergency_put_the_conversation_first_for_anybody(cast: Cast) -> None:
    EmergencyRule.objects.create(word="手术")
    emergencies.forget_rules()
    start(cast)
    hospital = start(cast)
    say(hospital, "我爱人等着手术，卡被医院的机器吞了")
    hospital.refresh_from_db()
    assert (hospital.emergency, hospital.emergency_reason) == (Emergency.RAISED, "手术")
    set_capacity(cast.mei, 1)
    start_with(cast, cast.mei)
    assert taking.take(staff=cast.mei, uuid=hospital.uuid).agent_id == cast.mei.pk


def test_agent_may_not_choose_a_conversation_that_is_not_first(cast: Cast) -> None:
    start(cast)
    second = start(cast)
    go_online(cast.mei)
    with pytest.raises(NotFirstInQueue):
        taking.take(staff=cast.mei, uuid=second.uuid)


def test_full_colleague_gets_no_transfer_except_from_a_supervisor(cast: Cast) -> None:
    set_capacity(cast.hao, 1)
    start_with(cast, cast.hao)
    own = start_with(cast, cast.mei)
    with pytest.raises(ColleagueAtCapacity):
        taking.transfer_to_agent(staff=cast.mei, uuid=own.uuid, to=cast.hao)
    assert taking.transfer_to_agent(staff=cast.yun, uuid=own.uuid, to=cast.hao).agent_id == cast.hao.pk


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_of_one_agent_never_exceed_the_capacity() -> None:
    cast = create_cast()
    set_capacity(cast.mei, 3)
    go_online(cast.mei)
    for _ in range(8):
        start(cast)

    def take() -> str:
        try:
            return str(taking.take_next(staff=cast.mei).uuid)
        except Refusal as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        outcomes = [future.result() for future in [threads.submit(take) for _ in range(8)]]
    assert outcomes.count("at_capacity") == 5
    assert Conversation.objects.filter(agent=cast.mei, status=Status.ACTIVE).count() == 3
