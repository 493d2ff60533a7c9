"""Tests of the inbox's views for routing: offers, emergencies, and the explanation of an assignment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Skill, Staff
from chat.actions import agents
from chat.actions.presence import set_away, set_presence
from chat.models import Assignment, Conversation, Status
from console.inbox import selectors
from console.inbox.initial_state import initial_state
from core import leases
from routing.actions.routing import LEASE, route
from routing.models import DepartmentPolicy, Mode
from tests.console.test_inbox_pages import client_of
from tests.people import Cast, go_online, start, start_with, take_next_as

pytestmark = pytest.mark.django_db

HOLDER = "process-1"
EXPLANATION = {
    "rule": "last_agent",
    "waited_seconds": 84,
    "candidates": [
        {"id": 1, "number": "1001", "name": "林梅", "load": 2, "capacity": 8, "level": 4, "last_assigned_at": None},
        {
            "id": 2,
            "number": "1002",
            "name": "陈<浩>",
            "load": 3,
            "capacity": 6,
            "level": 0,
            "last_assigned_at": "2026-11-23T01:04:05.678Z",
        },
    ],
    "candidate_count": 2,
    "left_out": {"full": 3, "skill": 1, "offered": 2},
}  # fmt: skip


def set_mode(cast: Cast, mode: Mode, **limits: int) -> None:
    DepartmentPolicy.objects.create(department=cast.cards, mode=mode, **limits)


def offered_to(cast: Cast, agent: Staff) -> Conversation:
    """Start a conversation that the router offers to this agent, who is the only one online."""
    set_mode(cast, Mode.OFFER)
    go_online(agent)
    conversation = start(cast)
    assert leases.hold(LEASE, HOLDER, 60)
    assert route(HOLDER) == 1
    return conversation


def get(staff: Staff, conversation: Conversation, path: str) -> Any:
    client = client_of(staff, **{"accept-language": "en"})
    return client.get(f"/console/conversations/{conversation.uuid}/{path}")


def post(staff: Staff, conversation: Conversation, path: str) -> Any:
    return client_of(staff).post(f"/console/conversations/{conversation.uuid}/{path}")


@pytest.mark.both_databases
def test_an_accepted_offer_is_assigned_once_however_often_it_is_accepted(cast: Cast) -> None:
    conversation = offered_to(cast, cast.mei)
    assert get(cast.mei, conversation, "offer").json() == {"rule": "least_busy"}
    for _ in range(2):
        response = post(cast.mei, conversation, "accept")
        assert (response.status_code, response.json()) == (200, {"conversation": str(conversation.uuid)})
    assert Assignment.objects.get().reason == Assignment.Reason.OFFERED
    assert get(cast.mei, conversation, "offer").json() == {"rule": ""}


@pytest.mark.both_databases
def test_a_declined_offer_can_be_declined_again_and_no_longer_accepted(cast: Cast) -> None:
    conversation = offered_to(cast, cast.mei)
    assert [post(cast.mei, conversation, "decline").status_code for _ in range(2)] == [204, 204]
    response = post(cast.mei, conversation, "accept")
    assert (response.status_code, response.json()["refused"]["code"]) == (409, "offer_ended")
    conversation.refresh_from_db()
    assert conversation.status == Status.WAITING


def test_a_colleague_neither_sees_the_rule_nor_accepts_the_offer(cast: Cast) -> None:
    conversation = offered_to(cast, cast.mei)
    assert get(cast.hao, conversation, "offer").json() == {"rule": ""}
    for path in ("accept", "decline"):
        assert post(cast.hao, conversation, path).json()["refused"]["code"] == "offer_ended"


@pytest.mark.both_databases
def test_an_offer_is_listed_once_even_behind_the_listed_part_of_the_queue(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations = [start(cast) for _ in range(3)]
    until = timezone.now() + timedelta(seconds=20)

    def listed() -> list[str]:
        return sorted(row.id for row in selectors.lists_for(cast.mei).rows)

    monkeypatch.setattr(selectors, "MAX_WAITING_SHOWN", 2)
    for offered, shown in ((0, [0, 1]), (2, [0, 1, 2])):
        Conversation.objects.update(offered_to=None, offered_until=None)
        own = Conversation.objects.filter(pk=conversations[offered].pk)
        own.update(offered_to=cast.mei, offered_until=until)
        assert listed() == sorted(str(conversations[index].uuid) for index in shown)
        assert selectors.lists_for(cast.mei).waiting_count == 3


def test_the_initial_state_has_the_policies_the_capacity_and_the_pause(cast: Cast) -> None:
    set_mode(cast, Mode.PUSH, pause_seconds=30, sleep_minutes=7)
    skill = Skill.objects.create(code="en", name_zh="英语", name_en="English", language="en")
    state = initial_state(cast.mei)
    assert (state["policies"][cast.cards.pk]["mode"], state["policies"][cast.loans.pk]["mode"]) == (
        "push",
        "pull",
    )
    assert state["policies"][cast.cards.pk]["sleep_minutes"] == 7
    assert state["skills"] == {skill.pk: str(skill)}
    assert (state["me"]["capacity"], state["me"]["may_choose"]) == (8, False)
    assert state["seconds_since_assignment"] is None
    start_with(cast, cast.mei)
    assert 0 <= initial_state(cast.mei)["seconds_since_assignment"] < 60


def test_an_open_console_learns_a_changed_capacity_and_policy(cast: Cast) -> None:
    client = client_of(cast.mei)
    Staff.objects.update(capacity=3)
    set_mode(cast, Mode.OFFER, offer_seconds=15)
    settings = client.get("/console/agent-settings").json()
    assert settings["me"]["capacity"] == 3
    assert settings["policies"][str(cast.cards.pk)]["offer_seconds"] == 15
    assert settings["policies"][str(cast.loans.pk)]["mode"] == "pull"


def test_the_initial_state_says_why_the_system_has_set_the_presence(cast: Cast) -> None:
    go_online(cast.mei)
    set_away(staff=cast.mei, reason="missed_offers")
    assert initial_state(cast.mei)["presence_reason"] == "missed_offers"
    for status in ("online", "away"):
        set_presence(staff=cast.mei, status=status)  # type: ignore[arg-type]
        assert initial_state(cast.mei)["presence_reason"] == ""


# -- Why me? ----------------------------------------------------------------------------------------------------


def test_the_explanation_names_the_rule_the_candidates_and_who_was_left_out(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    Assignment.objects.update(reason=Assignment.Reason.PUSHED, by=None, explanation=EXPLANATION)
    page = get(cast.mei, conversation, "explanation").content.decode()
    words = " ".join(page.split())
    for text in (
        "Why me?",
        "because 林梅 1001 helped this customer before",
        "had been waiting for 1 min",
        "2 agents could take it",
        "2/8",
        "陈&lt;浩&gt;",
        "09:04:05",
        "at capacity: 3",
        "without the skill or language: 1",
        "busy with another offer: 2",
    ):
        assert text in words, text
    assert "Why this agent?" in get(cast.hao, conversation, "explanation").content.decode()


def test_the_explanation_of_a_conversation_taken_assigned_or_waiting_is_one_sentence(cast: Cast) -> None:
    waiting = start(cast)
    assert "not been assigned yet" in get(cast.mei, waiting, "explanation").content.decode()
    taken = take_next_as(staff=cast.mei)
    assert (
        "林梅 1001 took the conversation from the queue"
        in get(cast.mei, taken, "explanation").content.decode()
    )
    go_online(cast.hao)
    agents.transfer_to_agent(staff=cast.yun, uuid=taken.uuid, to=cast.hao)
    assert (
        "赵云 9001 gave the conversation to 陈浩 1002" in get(cast.hao, taken, "explanation").content.decode()
    )


def test_an_open_offer_is_explained_before_an_earlier_assignment(cast: Cast) -> None:
    conversation = offered_to(cast, cast.mei)
    page = get(cast.mei, conversation, "explanation").content.decode()
    assert "Why is this offered?" in page
    assert "had the most free capacity" in page


def test_the_record_in_admin_explains_each_assignment(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    Assignment.objects.update(reason=Assignment.Reason.PUSHED, by=None, explanation=EXPLANATION)
    client = client_of(cast.wen, **{"accept-language": "en"})
    words = " ".join(
        client.get(f"/admin/chat/conversation/{conversation.pk}/change/").content.decode().split()
    )
    assert "because 林梅 1001 helped this customer before" in words
    assert "by None" not in words


def test_the_last_move_names_the_person_who_made_it(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    answer = get(cast.mei, conversation, "reassignment").json()
    assert (answer["by"]["number"], answer["row"]["agent"]["number"]) == ("9001", "1001")
    agents.transfer_to_department(staff=cast.mei, uuid=conversation.uuid, to=cast.loans)
    # The former agent may still ask who has the conversation now.
    answer = get(cast.mei, conversation, "reassignment").json()
    assert (answer["by"]["number"], answer["row"]["status"]) == ("1001", "waiting")


def test_the_last_move_of_the_router_has_no_person(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    agents.return_to_queue(conversation, because="agent_lost")
    assert get(cast.mei, conversation, "reassignment").json()["by"] is None


# -- Emergencies ------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_an_agent_raises_an_emergency_and_a_supervisor_decides(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)

    def emergency() -> str:
        conversation.refresh_from_db()
        return conversation.emergency

    assert post(cast.mei, conversation, "emergency/raise").status_code == 204
    assert emergency() == "raised"
    assert post(cast.mei, conversation, "emergency/confirm").status_code == 403
    for path, result in (("confirm", "confirmed"), ("lower", "lowered")):
        assert post(cast.yun, conversation, f"emergency/{path}").status_code == 204
        assert emergency() == result
