"""Tests of the router's rounds and of offers: each conversation reaches one agent, and no offer is accepted twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from accounts import presence
from accounts.models import Presence, PresenceStatus, Skill, StaffSkill
from chat.actions import agents, visitors
from chat.errors import AlreadyTaken, Refusal
from chat.models import Assignment, Conversation, Status
from core import leases
from demo.clock import clock_set
from routing.actions import lost_agents, offers, overflow, taking
from routing.actions.routing import LEASE, route
from routing.errors import OfferEnded
from routing.loads import load_of
from routing.models import DepartmentPolicy, Mode, Offer
from tests.people import Cast, create_cast, go_online, start, start_with

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

HOLDER = "process-1"


def set_policy(cast: Cast, mode: Mode, **changes: object) -> DepartmentPolicy:
    return DepartmentPolicy.objects.create(department=cast.cards, mode=mode, **changes)


def run_round() -> int:
    assert leases.hold(LEASE, HOLDER, 60)
    return route(HOLDER)


def expire_offers() -> None:
    """Let the time of all offers run out, and end them."""
    Conversation.objects.exclude(offered_to=None).update(offered_until=timezone.now() - timedelta(seconds=1))
    offers.expire()


def test_push_assigns_to_the_agent_with_the_lowest_load_and_explains_it(cast: Cast) -> None:
    start_with(cast, cast.mei)
    go_online(cast.hao)
    set_policy(cast, Mode.PUSH)
    conversation = start(cast)
    assert run_round() == 1
    conversation.refresh_from_db()
    assert (conversation.agent_id, conversation.status) == (cast.hao.pk, Status.ACTIVE)
    assignment = Assignment.objects.get(conversation=conversation)
    assert (assignment.reason, assignment.by_id) == (Assignment.Reason.PUSHED, None)
    names = [one["name"] for one in assignment.explanation["candidates"]]
    assert names == [cast.hao.name, cast.mei.name]


def test_department_in_pull_mode_is_left_alone(cast: Cast) -> None:
    go_online(cast.mei)
    set_policy(cast, Mode.PULL)
    start(cast)
    assert run_round() == 0


def test_process_without_the_lease_routes_nothing(cast: Cast) -> None:
    go_online(cast.mei)
    set_policy(cast, Mode.PUSH)
    start(cast)
    assert leases.hold(LEASE, "another", 60)
    assert route(HOLDER) == 0


@pytest.mark.parametrize("status", [PresenceStatus.BUSY, PresenceStatus.BREAK, PresenceStatus.AWAY])
def test_only_agents_who_are_online_get_conversations(cast: Cast, status: PresenceStatus) -> None:
    go_online(cast.mei)
    Presence.objects.update(status=status)
    set_policy(cast, Mode.PUSH)
    start(cast)
    assert run_round() == 0


def test_supervisor_who_is_online_gets_nothing_from_the_router(cast: Cast) -> None:
    cast.yun.departments.add(cast.cards)
    go_online(cast.yun)
    set_policy(cast, Mode.PUSH)
    start(cast)
    assert run_round() == 0


def test_language_goes_to_the_agent_who_speaks_it(cast: Cast) -> None:
    english = Skill.objects.create(code="english", name_zh="英语", name_en="English", language="en")
    StaffSkill.objects.create(staff=cast.hao, skill=english, level=4)
    start_with(cast, cast.hao)
    go_online(cast.mei)
    set_policy(cast, Mode.PUSH)
    conversation = start(cast, language="en")
    run_round()
    conversation.refresh_from_db()
    assert conversation.agent_id == cast.hao.pk


def test_accepted_offer_assigns_once_and_a_repeat_is_harmless(cast: Cast) -> None:
    go_online(cast.mei)
    set_policy(cast, Mode.OFFER)
    conversation = start(cast)
    assert run_round() == 1
    assert run_round() == 0
    conversation.refresh_from_db()
    assert (conversation.offered_to_id, conversation.status) == (cast.mei.pk, Status.WAITING)
    for _ in range(2):
        offers.accept(staff=cast.mei, uuid=conversation.uuid)
    conversation.refresh_from_db()
    assert (conversation.agent_id, conversation.offered_to_id) == (cast.mei.pk, None)
    assignment = Assignment.objects.get(conversation=conversation)
    assert assignment.reason == Assignment.Reason.OFFERED
    assert assignment.explanation["rule"] == "least_busy"
    assert Offer.objects.get().outcome == Offer.Outcome.ACCEPTED


def test_declined_and_missed_offers_go_to_the_next_agent_and_never_back(cast: Cast) -> None:
    go_online(cast.mei, cast.hao)
    set_policy(cast, Mode.OFFER)
    conversation = start(cast)
    run_round()
    first = Conversation.objects.get(pk=conversation.pk).offered_to
    assert first is not None
    for _ in range(2):
        offers.decline(staff=first, uuid=conversation.uuid)
    run_round()
    second = Conversation.objects.get(pk=conversation.pk).offered_to
    assert second not in (None, first)
    with pytest.raises(OfferEnded):
        offers.accept(staff=first, uuid=conversation.uuid)
    expire_offers()
    assert run_round() == 0
    assert sorted(Offer.objects.values_list("outcome", flat=True)) == ["declined", "missed"]


def test_two_missed_offers_in_a_row_set_the_agent_to_away(cast: Cast) -> None:
    go_online(cast.mei)
    set_policy(cast, Mode.OFFER)
    start(cast)
    run_round()
    expire_offers()
    assert Presence.objects.get(staff=cast.mei).status == PresenceStatus.ONLINE
    start(cast)
    assert run_round() == 1
    expire_offers()
    assert Presence.objects.get(staff=cast.mei).status == PresenceStatus.AWAY
    start(cast)
    assert run_round() == 0


def test_agent_has_one_open_offer_at_a_time_and_it_counts_towards_the_load(cast: Cast) -> None:
    go_online(cast.mei)
    set_policy(cast, Mode.OFFER)
    first, second = start(cast), start(cast)
    assert run_round() == 1
    assert run_round() == 0
    assert load_of(cast.mei).load == 1
    offers.accept(staff=cast.mei, uuid=first.uuid)
    assert run_round() == 1
    assert Conversation.objects.get(pk=second.pk).offered_to == cast.mei
    assert load_of(cast.mei).load == 2


def test_take_next_accepts_the_offer(cast: Cast) -> None:
    go_online(cast.mei)
    set_policy(cast, Mode.OFFER)
    conversation = start(cast)
    run_round()
    click = uuid4()
    for _ in range(2):
        assert taking.take_next(staff=cast.mei, client_id=click) == conversation
    assert Offer.objects.get().outcome == Offer.Outcome.ACCEPTED


def test_colleague_cannot_take_what_is_offered_to_another_agent(cast: Cast) -> None:
    go_online(cast.mei)
    set_policy(cast, Mode.OFFER)
    conversation = start(cast)
    run_round()
    go_online(cast.hao)
    with pytest.raises(AlreadyTaken):
        taking.take(staff=cast.hao, uuid=conversation.uuid)


def test_visitor_who_leaves_ends_the_offer(cast: Cast) -> None:
    go_online(cast.mei)
    set_policy(cast, Mode.OFFER)
    conversation = start(cast)
    run_round()
    visitors.end_by_visitor(visitor=conversation.visitor)
    with pytest.raises(OfferEnded):
        offers.accept(staff=cast.mei, uuid=conversation.uuid)
    assert offers.withdraw_stale() == 1
    assert offers.withdraw_stale() == 0
    assert Offer.objects.get().outcome == Offer.Outcome.WITHDRAWN


def test_offer_of_a_transferred_conversation_is_withdrawn_when_it_is_offered_again(cast: Cast) -> None:
    go_online(cast.mei)
    set_policy(cast, Mode.OFFER)
    conversation = start(cast)
    run_round()
    agents.transfer_to_department(staff=cast.yun, uuid=conversation.uuid, to=cast.loans)
    agents.transfer_to_department(staff=cast.yun, uuid=conversation.uuid, to=cast.cards)
    assert run_round() == 1
    outcomes = list(Offer.objects.order_by("pk").values_list("outcome", flat=True))
    assert outcomes == ["withdrawn", "open"]


def test_conversations_of_a_lost_agent_return_to_the_queue_in_their_place(cast: Cast) -> None:
    set_policy(cast, Mode.PULL, return_seconds=30)
    own = start_with(cast, cast.mei)
    assert lost_agents.return_conversations() == 0
    Presence.objects.filter(staff=cast.mei).update(seen_at=timezone.now() - timedelta(seconds=80))
    assert lost_agents.return_conversations() == 0
    Presence.objects.filter(staff=cast.mei).update(seen_at=timezone.now() - timedelta(seconds=91))
    assert lost_agents.return_conversations() == 1
    assert lost_agents.return_conversations() == 0
    stored = Conversation.objects.get(pk=own.pk)
    assert (stored.status, stored.agent, stored.waiting_since) == (Status.WAITING, None, own.waiting_since)
    assert stored.messages.order_by("-seq")[0].payload["code"] == "returned"
    assert Assignment.objects.get(conversation=own).until_at is not None


@pytest.mark.parametrize("hours", [1, -1])
def test_router_whose_clock_is_wrong_works_by_the_clock_of_the_database(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    set_policy(cast, Mode.OFFER, offer_seconds=20)
    own = start_with(cast, cast.mei)
    now, right = timezone.now, timezone.now()
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: now() + timedelta(hours=hours))
        presence.renew([cast.mei.pk])
        go_online(cast.hao)
        assert lost_agents.return_conversations() == 0
        offered = start(cast)
        assert run_round() == 1
        assert offers.expire() is not None
    assert lost_agents.return_conversations() == 0
    assert presence.online_ids() == {cast.mei.pk, cast.hao.pk}
    own.refresh_from_db()
    offered.refresh_from_db()
    assert (own.agent, offered.offered_to) == (cast.mei, cast.hao)
    assert offered.offered_until is not None
    assert timedelta(0) < offered.offered_until - right < timedelta(minutes=1)


def test_long_queue_overflows_to_the_other_department(cast: Cast) -> None:
    set_policy(cast, Mode.PUSH, overflow_to=cast.loans, overflow_length=2)
    conversations = [start(cast) for _ in range(4)]
    assert overflow.transfer_overflow() == 2
    assert overflow.transfer_overflow() == 0
    departments = [Conversation.objects.get(pk=one.pk).department for one in conversations]
    assert departments == [cast.cards, cast.cards, cast.loans, cast.loans]


def test_long_wait_overflows_to_the_other_department(cast: Cast) -> None:
    set_policy(cast, Mode.PUSH, overflow_to=cast.loans, overflow_minutes=5)
    early, late = start(cast), start(cast)
    Conversation.objects.filter(pk=early.pk).update(waiting_since=timezone.now() - timedelta(minutes=6))
    assert overflow.transfer_overflow() == 1
    assert Conversation.objects.get(pk=early.pk).department == cast.loans
    assert Conversation.objects.get(pk=late.pk).department == cast.cards


@pytest.mark.parametrize("hours", [-1, 1])
def test_pause_is_kept_by_a_router_whose_clock_is_wrong(cast: Cast, hours: int) -> None:
    set_policy(cast, Mode.PUSH, pause_seconds=300)
    go_online(cast.mei)
    start(cast)
    assert run_round() == 1
    start(cast)
    with clock_set(timezone.now() + timedelta(hours=hours)):
        assert run_round() == 0
    Assignment.objects.update(at=timezone.now() - timedelta(seconds=301))
    with clock_set(timezone.now() + timedelta(hours=hours)):
        assert run_round() == 1


def test_departments_that_overflow_to_each_other_do_not_pass_a_conversation_back_and_forth(
    cast: Cast,
) -> None:
    both = {"mode": Mode.PUSH, "overflow_minutes": 5, "overflow_length": 2}
    DepartmentPolicy.objects.create(department=cast.cards, overflow_to=cast.loans, **both)
    DepartmentPolicy.objects.create(department=cast.loans, overflow_to=cast.cards, **both)
    conversations = [start(cast) for _ in range(5)]
    first = Conversation.objects.filter(pk=conversations[0].pk)
    first.update(waiting_since=timezone.now() - timedelta(minutes=6))
    assert overflow.transfer_overflow() == 2
    assert overflow.transfer_overflow() == 0
    assert first.get().department == cast.cards


@pytest.mark.django_db(transaction=True)
def test_router_and_manual_takes_at_the_same_time_assign_each_conversation_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The servers of other tests may hold the lease, and route, too.
    monkeypatch.setattr("routing.actions.routing.leases.lock", lambda *_: True)
    cast = create_cast()
    for staff in (cast.mei, cast.hao):
        staff.capacity = 6
        staff.save(update_fields=["capacity"])
    go_online(cast.mei, cast.hao)
    set_policy(cast, Mode.PUSH)
    for _ in range(16):
        start(cast)

    def work(number: int) -> None:
        try:
            if number % 2:
                route(HOLDER)
            else:
                taking.take_next(staff=(cast.mei, cast.hao)[number % 4 // 2])
        except Refusal:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        for future in [threads.submit(work, number) for number in range(24)]:
            future.result()
    active = Conversation.objects.filter(status=Status.ACTIVE)
    assert [active.filter(agent=staff).count() for staff in (cast.mei, cast.hao)] == [6, 6]
    assert Assignment.objects.filter(until_at=None).count() == 12
