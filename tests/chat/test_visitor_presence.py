"""Tests of the presence of visitors: where they are connected, since when they have been away, and their abandonment
of the queue.

They guard invariant 4 of tests/test_invariants.py: doing anything twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import access
from chat.actions import abandonment, agents, visitor_presence, visitors
from chat.actions.events import digest_of
from chat.actions.posts import Post, post_batch
from chat.errors import ConversationClosed
from chat.models import Conversation
from chat.protocol import ConversationChanged, Hello, MessagePosted
from chat.protocol.serializers import person_of
from chat.widget import sessions
from chat.widget.tokens import token_for
from core.models import Lease
from demo.clock import clock_set
from routing.actions import taking
from tests.conftest import Announced
from tests.people import Cast, go_online, say, start, start_with

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

HERE, ELSEWHERE = "here", "elsewhere"


def arrive(*conversations: Conversation, process: str = HERE) -> None:
    visitor_presence.record(process, {conversation.pk for conversation in conversations}, {})


def leave(*conversations: Conversation, process: str = HERE) -> None:
    visitor_presence.record(process, set(), {item.pk: timezone.now() for item in conversations})


def is_away(conversation: Conversation) -> bool:
    conversation.refresh_from_db()
    return conversation.visitor_away_since is not None


def expire_lease(process: str) -> None:
    Lease.objects.filter(holder=process).update(until=Now() - timedelta(seconds=1))


# -- Arriving and leaving --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-1, 1])
def test_process_whose_clock_is_wrong_records_the_right_time(cast: Cast, hours: int) -> None:
    conversation = start(cast)
    visitor_presence.record(HERE, {conversation.pk}, {})
    right = timezone.now()
    with clock_set(right + timedelta(hours=hours)):
        visitor_presence.record(HERE, set(), {conversation.pk: timezone.now()})
        assert abandonment.abandon_absent({}) == 0
    conversation.refresh_from_db()
    assert conversation.visitor_away_since is not None
    assert abs(conversation.visitor_away_since - right) < timedelta(minutes=1)


def test_visitor_who_leaves_is_away_until_they_return(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    arrive(conversation)
    announced.take()
    left_at = timezone.now()
    visitor_presence.record(HERE, set(), {conversation.pk: left_at})
    (event,) = announced.take()
    assert isinstance(event, ConversationChanged)
    assert event.row.visitor_away_since
    assert (event.was_status, event.was_agent, event.was_department) == ("active", cast.mei.pk, cast.cards.pk)
    conversation.refresh_from_db()
    assert conversation.visitor_away_since is not None
    assert abs(conversation.visitor_away_since - left_at) < timedelta(seconds=1)

    arrive(conversation, process=ELSEWHERE)
    (event,) = announced.take()
    assert isinstance(event, ConversationChanged)
    assert event.row.visitor_away_since is None
    assert not is_away(conversation)
    assert conversation.visitor_process == ELSEWHERE


def test_only_a_change_that_consoles_show_raises_the_revision(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    announced.take()
    arrive(conversation)
    arrive(conversation, process=ELSEWHERE)
    arrive(conversation, process=ELSEWHERE)
    assert announced.take() == []
    conversation.refresh_from_db()
    assert (conversation.revision, conversation.visitor_process) == (1, ELSEWHERE)


def test_visitor_with_a_tab_on_another_process_is_not_away(cast: Cast) -> None:
    conversation = start(cast)
    arrive(conversation)
    arrive(conversation, process=ELSEWHERE)
    leave(conversation)
    assert not is_away(conversation)
    leave(conversation, process=ELSEWHERE)
    assert is_away(conversation)


def test_leaving_twice_keeps_the_first_time(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    arrive(conversation)
    leave(conversation)
    first = Conversation.objects.get(pk=conversation.pk).visitor_away_since
    announced.take()
    leave(conversation)
    assert Conversation.objects.get(pk=conversation.pk).visitor_away_since == first
    assert announced.take() == []


def test_presence_is_not_recorded_after_the_end(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    arrive(conversation)
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    announced.take()
    leave(conversation)
    assert not is_away(conversation)
    assert announced.take() == []


def test_post_keeps_the_presence_that_was_recorded_meanwhile(cast: Cast) -> None:
    conversation = start(cast)
    arrive(conversation)
    leave(conversation)
    say(conversation, "在吗")
    assert is_away(conversation)


def test_number_of_statements_does_not_depend_on_the_number_of_visitors(cast: Cast) -> None:
    few, many = [start(cast)], [start(cast) for _ in range(12)]
    counts = []
    for conversations in (few, many):
        arrive(*conversations)
        leave(*conversations)
        with CaptureQueriesContext(connection) as queries:
            arrive(*conversations)
        counts.append(len(queries))
    assert counts[0] == counts[1]


# -- Processes that end ----------------------------------------------------------------------------------------


@pytest.fixture
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_presence, "DEAD_AFTER_SECONDS", 0)


@pytest.mark.usefixtures("no_delay")
def test_visitors_of_a_dead_process_are_away(cast: Cast) -> None:
    lost, connected, unknown = start(cast), start_with(cast, cast.mei), start(cast)
    arrive(lost, process=ELSEWHERE)
    arrive(connected)
    for process in (HERE, ELSEWHERE):
        visitor_presence.renew_lease(process)
    assert visitor_presence.expire_dead_processes() == 0
    expire_lease(ELSEWHERE)
    assert visitor_presence.expire_dead_processes() == 1
    assert visitor_presence.expire_dead_processes() == 0
    assert (is_away(lost), is_away(connected), is_away(unknown)) == (True, False, False)
    # The visitor reconnects to another process.
    arrive(lost)
    assert not is_away(lost)


def test_process_without_a_lease_for_a_moment_keeps_its_visitors(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check a process that could not reach the database for longer than its lease.

    When the database answers again, the process renews its lease. Until then its visitors must not count as away.
    """
    now = 1000.0
    monkeypatch.setattr(visitor_presence, "monotonic", lambda: now)
    conversation = start(cast)
    arrive(conversation)
    visitor_presence.renew_lease(HERE)
    expire_lease(HERE)
    assert visitor_presence.expire_dead_processes() == 0
    visitor_presence.renew_lease(HERE)
    now += visitor_presence.DEAD_AFTER_SECONDS
    assert visitor_presence.expire_dead_processes() == 0
    expire_lease(HERE)
    assert visitor_presence.expire_dead_processes() == 0
    now += visitor_presence.DEAD_AFTER_SECONDS
    assert visitor_presence.expire_dead_processes() == 1


# -- Abandonment -----------------------------------------------------------------------------------------------


def wait_away(cast: Cast, *, minutes: float, device: str = "", department: str = "") -> Conversation:
    """Start a conversation that waits, and whose visitor has been away for `minutes`."""
    conversation = start(cast, department=department)
    arrive(conversation)
    left_at = timezone.now() - timedelta(minutes=minutes)
    visitor_presence.record(HERE, set(), {conversation.pk: left_at})
    Conversation.objects.filter(pk=conversation.pk).update(device=device)
    conversation.refresh_from_db()
    return conversation


def abandon(cast: Cast) -> Conversation:
    """Start a conversation that its visitor abandons."""
    conversation = wait_away(cast, minutes=4)
    assert abandonment.abandon_absent({}) == 1
    conversation.refresh_from_db()
    return conversation


def pass_rejoin_time(conversation: Conversation) -> None:
    minutes = abandonment.REJOIN_MINUTES + 1
    Conversation.objects.filter(pk=conversation.pk).update(
        ended_at=timezone.now() - timedelta(minutes=minutes)
    )


def status_of(conversation: Conversation) -> str:
    conversation.refresh_from_db()
    return conversation.status


def last_event(conversation: Conversation) -> dict[str, str]:
    payload: dict[str, str] = conversation.messages.get(seq=conversation.last_seq).payload
    return payload


def test_waiting_visitors_who_stay_away_leave_the_queue(cast: Cast, announced: Announced) -> None:
    gone, short = wait_away(cast, minutes=4), wait_away(cast, minutes=2)
    on_phone, long_on_phone = (
        wait_away(cast, minutes=4, device="phone"),
        wait_away(cast, minutes=11, device="phone"),
    )
    patient = wait_away(cast, minutes=4, department="loans")
    with_agent = start_with(cast, cast.mei)
    visitor_presence.record(HERE, {with_agent.pk}, {})
    visitor_presence.record(HERE, set(), {with_agent.pk: timezone.now() - timedelta(hours=1)})
    announced.take()
    assert abandonment.abandon_absent({cast.loans.pk: (5, 10)}) == 2
    assert abandonment.abandon_absent({cast.loans.pk: (5, 10)}) == 0
    assert [status_of(item) for item in (gone, short, on_phone, long_on_phone, patient, with_agent)] == [
        *("abandoned", "waiting", "waiting", "abandoned", "waiting", "active")
    ]
    assert gone.ended_at is not None
    posted, changed, *_ = announced.take()
    assert isinstance(posted, MessagePosted)
    assert isinstance(changed, ConversationChanged)
    assert posted.message.payload["code"] == "abandoned"
    assert "30" in posted.message.payload["to_visitor"]
    assert (changed.was_status, changed.row.status) == ("waiting", "abandoned")


def test_abandoned_conversation_is_offered_to_nobody(cast: Cast) -> None:
    conversation = wait_away(cast, minutes=4)
    Conversation.objects.filter(pk=conversation.pk).update(offered_to=cast.mei, offered_until=timezone.now())
    assert abandonment.abandon_absent({}) == 1
    conversation.refresh_from_db()
    assert (conversation.offered_to, conversation.offered_until) == (None, None)


def test_visitor_who_returned_meanwhile_keeps_waiting(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a visitor who returns after the query for absent visitors, but before the lock."""
    conversation = wait_away(cast, minutes=4)
    lock = access.lock_conversations

    def return_first(pks: Iterable[int]) -> dict[int, dict[str, Any]]:
        monkeypatch.setattr(access, "lock_conversations", lock)
        arrive(conversation)
        return lock(pks)

    monkeypatch.setattr(access, "lock_conversations", return_first)
    assert abandonment.abandon_absent({}) == 0
    assert status_of(conversation) == "waiting"


def hello_from(conversation: Conversation) -> dict[str, Any]:
    """Connect the visitor's widget again and return the welcome."""
    token = token_for(conversation.visitor.uuid, conversation.site.key, 0)
    (session,) = sessions.find_session([Hello(conversation.site.key, token=token)])
    assert isinstance(session, sessions.VisitorSession)
    ((welcome, _),) = sessions.welcome_frames([sessions.ResumedSession(session)])
    frame: dict[str, Any] = msgspec.to_builtins(welcome)
    return frame


def return_by_hello(conversation: Conversation) -> None:
    assert hello_from(conversation)["state"]["status"] == "waiting"


def return_by_post(conversation: Conversation) -> None:
    say(conversation, "我回来了")


def return_by_start(conversation: Conversation) -> None:
    again = start_again(conversation)
    assert (again.pk, again.status) == (conversation.pk, "waiting")


def return_by_socket(conversation: Conversation) -> None:
    arrive(conversation)


def start_again(conversation: Conversation) -> Conversation:
    return visitors.start_conversation(
        site=conversation.site, visitor_uuid=conversation.visitor.uuid, client_id=uuid4(), form={}
    )


Return = Callable[[Conversation], None]
WAYS_BACK: list[Return] = [return_by_hello, return_by_post, return_by_start, return_by_socket]


@pytest.mark.parametrize("come_back", WAYS_BACK)
def test_visitor_who_returns_in_time_gets_the_former_place(
    cast: Cast, announced: Announced, come_back: Return
) -> None:
    conversation = abandon(cast)
    place = conversation.waiting_since, conversation.queue_time
    start(cast)
    announced.take()
    come_back(conversation)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.ended_at) == ("waiting", None)
    assert (conversation.waiting_since, conversation.queue_time) == place
    assert conversation.visitor_away_since is None
    assert conversation.messages.filter(payload__code="rejoined").count() == 1
    posted, changed = announced.take()[:2]
    assert isinstance(posted, MessagePosted)
    assert isinstance(changed, ConversationChanged)
    assert (posted.message.payload["code"], changed.was_status) == ("rejoined", "abandoned")
    # The next agent gets this conversation, not the one that has started meanwhile.
    go_online(cast.mei)
    assert taking.take_next(staff=cast.mei).pk == conversation.pk


def test_visitor_who_returns_too_late_starts_anew(cast: Cast, announced: Announced) -> None:
    conversation = abandon(cast)
    pass_rejoin_time(conversation)
    announced.take()
    assert hello_from(conversation)["state"]["status"] == "abandoned"
    arrive(conversation)
    (outcome,), _ = post_batch([Post(conversation.pk, uuid4(), "在吗", visitor_id=conversation.visitor_id)])
    assert isinstance(outcome, ConversationClosed)
    new = start_again(conversation)
    assert (new.pk != conversation.pk, new.status, status_of(conversation)) == (True, "waiting", "abandoned")

    assert abandonment.close_abandoned() == 1
    assert abandonment.close_abandoned() == 0
    conversation.refresh_from_db()
    assert (conversation.status, conversation.ended_by) == ("closed", "visitor")
    assert conversation.digest == digest_of(conversation)
    assert status_of(new) == "waiting"


def test_visitor_with_another_open_conversation_keeps_that_one(cast: Cast) -> None:
    conversation = abandon(cast)
    pass_rejoin_time(conversation)
    new = start_again(conversation)
    Conversation.objects.filter(pk=conversation.pk).update(ended_at=timezone.now())
    assert abandonment.bring_back([conversation.pk], HERE) == set()
    arrive(conversation)
    assert hello_from(conversation)["state"]["id"] == str(new.uuid)
    assert (status_of(conversation), status_of(new)) == ("abandoned", "waiting")


def test_place_is_kept_as_long_as_the_policy_of_the_department_says(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abandonment, "_policy", abandonment._RejoinPolicy())
    abandonment.register_rejoin_minutes(lambda department: {cast.cards.pk: 45}[department])
    conversation = abandon(cast)
    assert "45" in last_event(conversation)["to_visitor"]
    pass_rejoin_time(conversation)
    assert abandonment.close_abandoned() == 0
    return_by_hello(conversation)


def test_agent_cannot_write_to_an_abandoned_conversation(cast: Cast) -> None:
    conversation = abandon(cast)
    go_online(cast.mei)
    post = Post(conversation.pk, uuid4(), "您还在吗", agent=person_of(cast.mei))
    (outcome,), _ = post_batch([post])
    assert isinstance(outcome, ConversationClosed)
    with pytest.raises(ConversationClosed):
        taking.take(staff=cast.mei, uuid=conversation.uuid)
    assert status_of(conversation) == "abandoned"


def test_abandoning_many_costs_as_many_statements_as_abandoning_few(cast: Cast) -> None:
    counts = []
    for number in (2, 12):
        for _ in range(number):
            wait_away(cast, minutes=4)
        with CaptureQueriesContext(connection) as queries:
            assert abandonment.abandon_absent({}) == number
        counts.append(len(queries))
    assert counts[0] == counts[1]
