"""Tests of actions of agents and supervisors other than posting: take, transfer, end, close, add a note.

They guard these invariants of tests/test_invariants.py:

- 4: doing anything twice is harmless.
- 5: a note never reaches a visitor.
- 6: a conversation has at most one agent.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction

from accounts.models import AuditEntry, Presence, PresenceStatus, Staff
from chat import access
from chat.actions import agents, visitors
from chat.errors import (
    AlreadyTaken,
    ConversationClosed,
    EmptyText,
    NobodyWaiting,
    NotAssigned,
    NotAvailable,
    NotFirstInQueue,
    NotFound,
    Refusal,
    TextTooLong,
    WrapUpCodeMissing,
)
from chat.models import Assignment, Conversation, Message, Note, Status
from chat.protocol import ConversationChanged, MessagePosted, NoteAdded
from chat.queue_order import queue_time
from tests.conftest import Announced
from tests.people import Cast, create_cast, go_online, say, start, start_with, take_as, take_next_as

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def reloaded(conversation: Conversation) -> Conversation:
    return Conversation.objects.get(pk=conversation.pk)


# -- Take ------------------------------------------------------------------------------------------------------


def test_take_next_takes_the_first_conversation_of_the_agents_departments(
    cast: Cast, announced: Announced
) -> None:
    first, second = start(cast), start(cast)
    start(cast, department="loans")
    announced.take()

    assert take_next_as(staff=cast.mei) == first
    assert take_next_as(staff=cast.hao) == second
    with pytest.raises(NobodyWaiting):
        take_next_as(staff=cast.mei)
    stored = reloaded(first)
    assert (stored.status, stored.agent, stored.last_seq) == (Status.ACTIVE, cast.mei, 1)
    assert stored.assigned_at is not None
    posted, changed = announced.take()[:2]
    assert isinstance(posted, MessagePosted)
    assert isinstance(changed, ConversationChanged)
    assert (changed.was_status, changed.was_agent, changed.row.agent and changed.row.agent.id) == (
        "waiting",
        None,
        cast.mei.pk,
    )
    assert posted.message.payload == {"code": "assigned"}
    assert "林梅" in posted.message.body
    assert "1001" in posted.message.body


def test_take_next_takes_higher_priority_first(cast: Cast) -> None:
    start(cast)
    urgent = start(cast)
    earlier = queue_time(urgent.waiting_since, 5, urgent.emergency)
    Conversation.objects.filter(pk=urgent.pk).update(priority=5, queue_time=earlier)
    assert take_next_as(staff=cast.mei) == urgent


def test_take_next_of_a_supervisor_takes_from_every_department(cast: Cast) -> None:
    conversation = start(cast, department="loans")
    assert take_next_as(staff=cast.yun) == conversation


def test_assignment_records_agent_reason_author_and_next_agent(cast: Cast) -> None:
    go_online(cast.mei, cast.hao, cast.jun)
    start(cast)
    take_next_as(staff=cast.mei)

    assignment = Assignment.objects.get()
    assert (assignment.agent, assignment.by, assignment.reason) == (cast.mei, cast.mei, "taken")
    assert (assignment.next_in_line, assignment.until_at) == (cast.hao, None)
    entry = AuditEntry.objects.get(verb="conversation.assigned")
    assert (entry.actor, entry.detail) == (cast.mei, {"agent": cast.mei.pk, "reason": "taken"})


def test_take_requires_first_in_queue_or_the_right_to_choose(cast: Cast) -> None:
    first, second = start(cast), start(cast)
    with pytest.raises(NotFirstInQueue):
        take_as(staff=cast.mei, uuid=second.uuid)
    assert take_as(staff=cast.yun, uuid=second.uuid) == second
    assert take_as(staff=cast.mei, uuid=first.uuid) == first


def test_take_twice_is_harmless_and_take_of_a_colleagues_is_refused(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    take_as(staff=cast.mei, uuid=conversation.uuid)
    announced.take()
    take_as(staff=cast.mei, uuid=conversation.uuid)
    with pytest.raises(AlreadyTaken):
        take_as(staff=cast.hao, uuid=conversation.uuid)

    assert announced.take() == []
    assert reloaded(conversation).agent == cast.mei
    assert Assignment.objects.count() == 1


def test_take_of_another_departments_conversation_is_not_found(cast: Cast) -> None:
    conversation = start(cast, department="loans")
    for uuid in (conversation.uuid, uuid4()):
        with pytest.raises(NotFound):
            take_as(staff=cast.mei, uuid=uuid)


def test_take_of_an_ended_conversation_is_refused(cast: Cast) -> None:
    conversation = start(cast)
    visitors.end_by_visitor(visitor=conversation.visitor)
    with pytest.raises(ConversationClosed):
        take_as(staff=cast.mei, uuid=conversation.uuid)


@pytest.mark.parametrize("who", ["wen", "an"])
def test_take_by_auditors_and_administrators_is_refused(cast: Cast, who: str) -> None:
    conversation = start(cast)
    with pytest.raises(PermissionDenied):
        take_next_as(staff=getattr(cast, who))
    with pytest.raises(PermissionDenied):
        take_as(staff=getattr(cast, who), uuid=conversation.uuid)


@pytest.mark.django_db(transaction=True)
def test_concurrent_take_next_gives_each_agent_a_different_conversation() -> None:
    """Check that six simultaneous requests take each of three waiting conversations once."""
    cast = create_cast()
    waiting = {start(cast).pk for _ in range(3)}
    together = threading.Barrier(6)

    def click(staff: Staff) -> int | None:
        try:
            together.wait(10)
            return take_next_as(staff=staff).pk
        except NobodyWaiting:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(click, [cast.mei, cast.hao, cast.yun] * 2))
    taken = [pk for pk in results if pk is not None]
    assert sorted(taken) == sorted(waiting)
    assert Assignment.objects.filter(until_at=None).count() == 3


@pytest.mark.django_db(transaction=True)
def test_concurrent_take_of_one_conversation_has_one_winner_and_one_refusal() -> None:
    """Check that one of two simultaneous requests takes the conversation and the other is refused."""
    cast = create_cast()
    conversation = start(cast)
    together = threading.Barrier(2)

    def click(staff: Staff) -> str:
        try:
            together.wait(10)
            take_as(staff=staff, uuid=conversation.uuid)
        except Refusal as refusal:
            return refusal.code
        finally:
            connection.close()
        return "taken"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(click, [cast.mei, cast.hao])) == ["already_taken", "taken"]
    assert reloaded(conversation).messages.count() == 1


@pytest.mark.django_db(transaction=True)
def test_take_next_waits_for_a_conversation_locked_by_the_writer() -> None:
    """Check that `take_next` waits for a lock on the only waiting conversation, and does not report an empty queue."""
    cast = create_cast()
    conversation = start(cast)
    is_locked, may_go = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with transaction.atomic():
                access.lock(conversation.pk)
                is_locked.set()
                may_go.wait(10)
        finally:
            connection.close()

    def take() -> Conversation:
        try:
            return take_next_as(staff=cast.mei)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(write)
        assert is_locked.wait(10)
        taking = threads.submit(take)
        # `take` must still be waiting for the lock. It must not have raised NobodyWaiting.
        with pytest.raises(TimeoutError):
            taking.result(0.3)
        may_go.set()
        writing.result(10)
        assert taking.result(10) == conversation


# -- Transfer --------------------------------------------------------------------------------------------------


def test_transfer_to_agent_assigns_the_colleague_and_adds_the_note(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.jun)
    announced.take()
    agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.jun, note="客户很急")

    stored = reloaded(conversation)
    assert (stored.agent, stored.status) == (cast.jun, Status.ACTIVE)
    note, posted, changed = announced.take()
    assert isinstance(note, NoteAdded)
    assert isinstance(posted, MessagePosted)
    assert isinstance(changed, ConversationChanged)
    assert (note.note.body, note.note.author.id) == ("客户很急", cast.mei.pk)
    assert changed.was_agent == cast.mei.pk
    assert "客户很急" not in posted.message.body
    former, present = Assignment.objects.filter(conversation=conversation)
    assert former.until_at is not None
    assert (present.agent, present.by, present.reason, present.until_at) == (
        cast.jun,
        cast.mei,
        "transferred",
        None,
    )


def test_transfer_to_the_assigned_agent_changes_nothing(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    announced.take()
    agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.mei)
    assert announced.take() == []


@pytest.mark.parametrize("status", [None, *set(PresenceStatus) - {PresenceStatus.ONLINE}])
def test_transfer_to_an_agent_who_is_not_online_is_refused(cast: Cast, status: PresenceStatus | None) -> None:
    conversation = start_with(cast, cast.mei)
    if status:
        Presence.objects.create(staff=cast.hao, status=status)
    with pytest.raises(NotAvailable):
        agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.hao, note="x")
    assert not Note.objects.exists(), "a refused transfer leaves no note behind"


def test_transfer_to_an_agent_whose_presence_has_expired_is_refused(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.hao)
    Presence.objects.filter(staff=cast.hao).update(seen_at="2026-01-01T00:00:00Z")
    with pytest.raises(NotAvailable):
        agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.hao)


@pytest.mark.parametrize("who", ["wen", "an"])
def test_transfer_to_staff_who_may_not_answer_is_refused(cast: Cast, who: str) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(getattr(cast, who))
    with pytest.raises(NotAvailable):
        agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=getattr(cast, who))


def test_transfer_requires_the_assigned_agent_or_a_supervisor(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.hao, cast.jun)
    with pytest.raises(NotAssigned):
        agents.transfer_to_agent(staff=cast.hao, uuid=conversation.uuid, to=cast.hao)
    with pytest.raises(NotAssigned):
        agents.transfer_to_department(staff=cast.hao, uuid=conversation.uuid, to=cast.loans)
    with pytest.raises(NotFound):
        agents.transfer_to_agent(staff=cast.jun, uuid=conversation.uuid, to=cast.jun)

    agents.transfer_to_agent(staff=cast.yun, uuid=conversation.uuid, to=cast.hao)
    assert Assignment.objects.latest("id").reason == "assigned"


def test_transfer_by_auditor_or_administrator_is_refused(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.hao)
    with pytest.raises(NotAssigned):
        agents.transfer_to_agent(staff=cast.wen, uuid=conversation.uuid, to=cast.hao)
    with pytest.raises(NotFound):
        agents.transfer_to_agent(staff=cast.an, uuid=conversation.uuid, to=cast.hao)


def test_transfer_to_department_keeps_waiting_since(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    start(cast, department="loans")
    announced.take()
    agents.transfer_to_department(staff=cast.mei, uuid=conversation.uuid, to=cast.loans, note="问房贷")

    stored = reloaded(conversation)
    assert (stored.status, stored.agent, stored.department) == (Status.WAITING, None, cast.loans)
    assert stored.waiting_since == conversation.waiting_since
    assert announced.kinds() == ["NoteAdded", "MessagePosted", "ConversationChanged"]
    assert not Assignment.objects.filter(conversation=conversation, until_at=None).exists()
    assert take_next_as(staff=cast.jun) == conversation, "it has waited longer than the other conversation"


def test_transfer_to_the_department_where_it_waits_changes_nothing(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    announced.take()
    agents.transfer_to_department(staff=cast.yun, uuid=conversation.uuid, to=cast.cards, note="x")
    assert announced.take() == []
    assert not Note.objects.exists()


def test_transfer_of_an_ended_conversation_is_refused(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.hao)
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    with pytest.raises(ConversationClosed):
        agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.hao)
    with pytest.raises(ConversationClosed):
        agents.transfer_to_department(staff=cast.mei, uuid=conversation.uuid, to=cast.loans)


# -- End and close ---------------------------------------------------------------------------------------------


def test_end_and_close_announce_each_step_once(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    announced.take()
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    assert announced.kinds() == ["MessagePosted", "ConversationChanged"]
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    assert announced.take() == []
    assert reloaded(conversation).status == Status.WRAP_UP

    agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=cast.done, comment=" 已挂失 ")
    stored = reloaded(conversation)
    assert (stored.status, stored.wrap_up_code, stored.wrap_up_comment) == (
        Status.CLOSED,
        cast.done,
        "已挂失",
    )
    assert announced.kinds() == ["ConversationChanged"]
    assert Assignment.objects.get().until_at is not None
    agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=None)
    assert announced.take() == []


def test_close_of_an_open_conversation_ends_it_too(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=cast.done)
    stored = reloaded(conversation)
    assert (stored.status, stored.ended_by) == (Status.CLOSED, "agent")
    assert stored.ended_at is not None


def test_close_requires_a_code_and_a_short_comment(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    announced.take()
    with pytest.raises(WrapUpCodeMissing):
        agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=None)
    with pytest.raises(TextTooLong):
        agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=cast.done, comment="长" * 501)
    assert reloaded(conversation).status == Status.ACTIVE
    assert announced.take() == []


@pytest.mark.parametrize(("who", "refusal"), [("hao", NotAssigned), ("yun", NotAssigned), ("jun", NotFound)])
def test_end_and_close_of_a_colleagues_conversation_are_refused(
    cast: Cast, who: str, refusal: type[Refusal]
) -> None:
    conversation = start_with(cast, cast.mei)
    with pytest.raises(refusal):
        agents.end_conversation(staff=getattr(cast, who), uuid=conversation.uuid)
    with pytest.raises(refusal):
        agents.close_conversation(staff=getattr(cast, who), uuid=conversation.uuid, code=cast.done)


def test_digests_of_different_transcripts_differ(cast: Cast) -> None:
    first, second = start_with(cast, cast.mei), start_with(cast, cast.hao)
    say(first, "一")
    say(second, "二")
    agents.end_conversation(staff=cast.mei, uuid=first.uuid)
    agents.end_conversation(staff=cast.hao, uuid=second.uuid)
    digests = {reloaded(first).digest, reloaded(second).digest}
    assert len(digests) == 2


# -- Note ------------------------------------------------------------------------------------------------------


def test_add_note_creates_no_message(cast: Cast, announced: Announced) -> None:
    """Check that a note is stored and announced as a note, and changes no message data."""
    conversation = start_with(cast, cast.mei)
    announced.take()
    messages = Message.objects.count()
    note = agents.add_note(staff=cast.mei, uuid=conversation.uuid, body=" 客户是老人\x00 ")

    assert (note.body, note.after_seq, note.author) == ("客户是老人", conversation.last_seq, cast.mei)
    assert Message.objects.count() == messages
    assert reloaded(conversation).last_seq == conversation.last_seq
    assert reloaded(conversation).excerpt == ""
    (event,) = announced.take()
    assert isinstance(event, NoteAdded)
    assert (event.note.id, event.note.body, event.agent) == (note.pk, "客户是老人", cast.mei.pk)


def test_add_note_twice_creates_one_note(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    client_id = uuid4()
    first = agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="老人", client_id=client_id)
    announced.take()
    assert agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="老人", client_id=client_id) == first
    assert announced.take() == []
    with pytest.raises(NotFound):
        agents.add_note(staff=cast.hao, uuid=conversation.uuid, body="老人", client_id=client_id)


def test_add_note_requires_an_agent_of_the_department(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    agents.add_note(staff=cast.hao, uuid=conversation.uuid, body="认识他")
    with pytest.raises(NotFound):
        agents.add_note(staff=cast.jun, uuid=conversation.uuid, body="认识他")
    for person in (cast.wen, cast.an):
        with pytest.raises(PermissionDenied):
            agents.add_note(staff=person, uuid=conversation.uuid, body="认识他")


def test_add_note_refuses_empty_and_too_long_text(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    for body in ("", " \n\x00"):
        with pytest.raises(EmptyText):
            agents.add_note(staff=cast.mei, uuid=conversation.uuid, body=body)
    with pytest.raises(TextTooLong):
        agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="长" * 2001)


# -- Read access -----------------------------------------------------------------------------------------------


def may_read(staff: Staff, uuid: UUID) -> bool:
    try:
        access.conversation_for(staff, uuid)
    except NotFound:
        return False
    return True


def test_conversation_is_readable_by_its_department_supervisors_and_auditors(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    readers = {
        name
        for name in ("mei", "hao", "jun", "yun", "wen", "an")
        if may_read(getattr(cast, name), conversation.uuid)
    }
    assert readers == {"mei", "hao", "yun", "wen"}


def test_agent_reads_the_visitors_earlier_conversations_until_theirs_is_closed(cast: Cast) -> None:
    earlier = start_with(cast, cast.hao)
    agents.close_conversation(staff=cast.hao, uuid=earlier.uuid, code=cast.done)
    go_online(cast.jun)
    later = start(cast, visitor=earlier.visitor.uuid)
    assert not may_read(cast.jun, earlier.uuid)

    agents.transfer_to_agent(staff=cast.yun, uuid=later.uuid, to=cast.jun)
    assert may_read(cast.jun, earlier.uuid)
    agents.close_conversation(staff=cast.jun, uuid=later.uuid, code=cast.done)
    assert may_read(cast.jun, later.uuid)
    assert not may_read(cast.jun, earlier.uuid)


def test_deactivated_staff_read_nothing(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    for person in (cast.mei, cast.yun, cast.wen):
        person.is_active = False
        assert not may_read(person, conversation.uuid)
