"""What an agent or supervisor does besides posting: take, transfer, end, close, note.

Guards invariants 4 (twice is harmless), 5 (a note is never a message) and 6 (one agent at most, one clear winner).
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
from tests.conftest import Announced
from tests.people import Cast, create_cast, go_online, say, start, start_with

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def fresh(conversation: Conversation) -> Conversation:
    return Conversation.objects.get(pk=conversation.pk)


# -- Take ------------------------------------------------------------------------------------------------------


def test_who_came_first_is_taken_first(cast: Cast, announced: Announced) -> None:
    first, second = start(cast), start(cast)
    start(cast, department="loans")
    announced.take()

    assert agents.take_next(staff=cast.mei) == first
    assert agents.take_next(staff=cast.hao) == second
    with pytest.raises(NobodyWaiting):
        agents.take_next(staff=cast.mei)
    stored = fresh(first)
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


def test_urgent_goes_first(cast: Cast) -> None:
    start(cast)
    urgent = start(cast)
    Conversation.objects.filter(pk=urgent.pk).update(priority=5)
    assert agents.take_next(staff=cast.mei) == urgent


def test_a_supervisor_takes_from_every_line(cast: Cast) -> None:
    conversation = start(cast, department="loans")
    assert agents.take_next(staff=cast.yun) == conversation


def test_an_assignment_says_who_when_why_and_who_was_next(cast: Cast) -> None:
    go_online(cast.mei, cast.hao, cast.jun)
    start(cast)
    agents.take_next(staff=cast.mei)

    assignment = Assignment.objects.get()
    assert (assignment.agent, assignment.by, assignment.reason) == (cast.mei, cast.mei, "taken")
    assert (assignment.next_in_line, assignment.until_at) == (cast.hao, None)
    entry = AuditEntry.objects.get(verb="conversation.assigned")
    assert (entry.actor, entry.detail) == (cast.mei, {"agent": cast.mei.pk, "reason": "taken"})


def test_taking_a_certain_one_needs_it_to_be_first_or_the_right_to_choose(cast: Cast) -> None:
    first, second = start(cast), start(cast)
    with pytest.raises(NotFirstInQueue):
        agents.take(staff=cast.mei, uuid=second.uuid)
    assert agents.take(staff=cast.yun, uuid=second.uuid) == second
    assert agents.take(staff=cast.mei, uuid=first.uuid) == first


def test_taking_twice_is_harmless_and_taking_a_colleagues_is_refused(
    cast: Cast, announced: Announced
) -> None:
    conversation = start(cast)
    agents.take(staff=cast.mei, uuid=conversation.uuid)
    announced.take()
    agents.take(staff=cast.mei, uuid=conversation.uuid)
    with pytest.raises(AlreadyTaken):
        agents.take(staff=cast.hao, uuid=conversation.uuid)

    assert announced.take() == []
    assert fresh(conversation).agent == cast.mei
    assert Assignment.objects.count() == 1


def test_another_departments_looks_like_none(cast: Cast) -> None:
    conversation = start(cast, department="loans")
    for uuid in (conversation.uuid, uuid4()):
        with pytest.raises(NotFound):
            agents.take(staff=cast.mei, uuid=uuid)


def test_what_has_ended_is_not_taken(cast: Cast) -> None:
    conversation = start(cast)
    visitors.end_by_visitor(visitor=conversation.visitor)
    with pytest.raises(ConversationClosed):
        agents.take(staff=cast.mei, uuid=conversation.uuid)


@pytest.mark.parametrize("who", ["wen", "an"])
def test_auditors_and_administrators_take_nothing(cast: Cast, who: str) -> None:
    conversation = start(cast)
    with pytest.raises(PermissionDenied):
        agents.take_next(staff=getattr(cast, who))
    with pytest.raises(PermissionDenied):
        agents.take(staff=getattr(cast, who), uuid=conversation.uuid)


@pytest.mark.django_db(transaction=True)
def test_many_who_click_together_get_one_each() -> None:
    """Invariant 6."""
    cast = create_cast()
    waiting = {start(cast).pk for _ in range(3)}
    together = threading.Barrier(6)

    def click(staff: Staff) -> int | None:
        try:
            together.wait(10)
            return agents.take_next(staff=staff).pk
        except NobodyWaiting:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        got = list(threads.map(click, [cast.mei, cast.hao, cast.yun] * 2))
    taken = [pk for pk in got if pk is not None]
    assert sorted(taken) == sorted(waiting)
    assert Assignment.objects.filter(until_at=None).count() == 3


@pytest.mark.django_db(transaction=True)
def test_two_who_want_the_same_one_get_one_winner_and_one_clear_answer() -> None:
    """Invariant 6."""
    cast = create_cast()
    conversation = start(cast)
    together = threading.Barrier(2)

    def click(staff: Staff) -> str:
        try:
            together.wait(10)
            agents.take(staff=staff, uuid=conversation.uuid)
        except Refusal as refusal:
            return refusal.code
        finally:
            connection.close()
        return "taken"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(click, [cast.mei, cast.hao])) == ["already_taken", "taken"]
    assert fresh(conversation).messages.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_who_is_just_writing_is_taken_all_the_same() -> None:
    """The writer holds the conversation's lock for a moment: that is not "nobody is waiting"."""
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
            return agents.take_next(staff=cast.mei)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(write)
        assert is_locked.wait(10)
        taking = threads.submit(take)
        # It must be waiting for the lock, and not have given up.
        with pytest.raises(TimeoutError):
            taking.result(0.3)
        may_go.set()
        writing.result(10)
        assert taking.result(10) == conversation


# -- Transfer --------------------------------------------------------------------------------------------------


def test_a_colleague_gets_it_with_a_note(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.jun)
    announced.take()
    agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.jun, note="客户很急")

    stored = fresh(conversation)
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


def test_a_transfer_to_who_has_it_changes_nothing(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    announced.take()
    agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.mei)
    assert announced.take() == []


@pytest.mark.parametrize("status", [None, *set(PresenceStatus) - {PresenceStatus.ONLINE}])
def test_nobody_is_given_to_a_colleague_who_is_not_online(cast: Cast, status: PresenceStatus | None) -> None:
    conversation = start_with(cast, cast.mei)
    if status:
        Presence.objects.create(staff=cast.hao, status=status)
    with pytest.raises(NotAvailable):
        agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.hao, note="x")
    assert not Note.objects.exists(), "a refused transfer leaves no note behind"


def test_presence_is_a_lease(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.hao)
    Presence.objects.filter(staff=cast.hao).update(seen_at="2026-01-01T00:00:00Z")
    with pytest.raises(NotAvailable):
        agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.hao)


@pytest.mark.parametrize("who", ["wen", "an"])
def test_who_may_not_answer_is_given_nothing(cast: Cast, who: str) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(getattr(cast, who))
    with pytest.raises(NotAvailable):
        agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=getattr(cast, who))


def test_only_who_has_it_or_a_supervisor_moves_it(cast: Cast) -> None:
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


def test_an_auditor_reads_and_moves_nothing(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.hao)
    with pytest.raises(NotAssigned):
        agents.transfer_to_agent(staff=cast.wen, uuid=conversation.uuid, to=cast.hao)
    with pytest.raises(NotFound):
        agents.transfer_to_agent(staff=cast.an, uuid=conversation.uuid, to=cast.hao)


def test_a_department_gets_it_back_in_line_with_its_waiting_time(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    start(cast, department="loans")
    announced.take()
    agents.transfer_to_department(staff=cast.mei, uuid=conversation.uuid, to=cast.loans, note="问房贷")

    stored = fresh(conversation)
    assert (stored.status, stored.agent, stored.department) == (Status.WAITING, None, cast.loans)
    assert stored.waiting_since == conversation.waiting_since
    assert announced.kinds() == ["NoteAdded", "MessagePosted", "ConversationChanged"]
    assert not Assignment.objects.filter(conversation=conversation, until_at=None).exists()
    assert agents.take_next(staff=cast.jun) == conversation, "it has waited longer than who came after it"


def test_a_transfer_to_where_it_waits_changes_nothing(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    announced.take()
    agents.transfer_to_department(staff=cast.yun, uuid=conversation.uuid, to=cast.cards, note="x")
    assert announced.take() == []
    assert not Note.objects.exists()


def test_what_has_ended_is_not_moved(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.hao)
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    with pytest.raises(ConversationClosed):
        agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.hao)
    with pytest.raises(ConversationClosed):
        agents.transfer_to_department(staff=cast.mei, uuid=conversation.uuid, to=cast.loans)


# -- End and close ---------------------------------------------------------------------------------------------


def test_an_agent_ends_and_then_closes_with_a_code(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    announced.take()
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    assert announced.kinds() == ["MessagePosted", "ConversationChanged"]
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    assert announced.take() == []
    assert fresh(conversation).status == Status.WRAP_UP

    agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=cast.done, comment=" 已挂失 ")
    stored = fresh(conversation)
    assert (stored.status, stored.wrap_up_code, stored.wrap_up_comment) == (
        Status.CLOSED,
        cast.done,
        "已挂失",
    )
    assert announced.kinds() == ["ConversationChanged"]
    assert Assignment.objects.get().until_at is not None
    agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=None)
    assert announced.take() == []


def test_closing_an_open_one_ends_it_too(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=cast.done)
    stored = fresh(conversation)
    assert (stored.status, stored.ended_by) == (Status.CLOSED, "agent")
    assert stored.ended_at is not None


def test_closing_needs_a_code_and_a_short_comment(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    announced.take()
    with pytest.raises(WrapUpCodeMissing):
        agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=None)
    with pytest.raises(TextTooLong):
        agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=cast.done, comment="长" * 501)
    assert fresh(conversation).status == Status.ACTIVE
    assert announced.take() == []


@pytest.mark.parametrize(("who", "refusal"), [("hao", NotAssigned), ("yun", NotAssigned), ("jun", NotFound)])
def test_nobody_ends_or_closes_a_colleagues(cast: Cast, who: str, refusal: type[Refusal]) -> None:
    conversation = start_with(cast, cast.mei)
    with pytest.raises(refusal):
        agents.end_conversation(staff=getattr(cast, who), uuid=conversation.uuid)
    with pytest.raises(refusal):
        agents.close_conversation(staff=getattr(cast, who), uuid=conversation.uuid, code=cast.done)


def test_the_digest_is_of_the_whole_transcript(cast: Cast) -> None:
    first, second = start_with(cast, cast.mei), start_with(cast, cast.hao)
    say(first, "一")
    say(second, "二")
    agents.end_conversation(staff=cast.mei, uuid=first.uuid)
    agents.end_conversation(staff=cast.hao, uuid=second.uuid)
    digests = {fresh(first).digest, fresh(second).digest}
    assert len(digests) == 2


# -- Note ------------------------------------------------------------------------------------------------------


def test_a_note_is_for_staff_and_is_no_message(cast: Cast, announced: Announced) -> None:
    """Invariant 5."""
    conversation = start_with(cast, cast.mei)
    announced.take()
    messages = Message.objects.count()
    note = agents.add_note(staff=cast.mei, uuid=conversation.uuid, body=" 客户是老人\x00 ")

    assert (note.body, note.after_seq, note.author) == ("客户是老人", conversation.last_seq, cast.mei)
    assert Message.objects.count() == messages
    assert fresh(conversation).last_seq == conversation.last_seq
    assert fresh(conversation).excerpt == ""
    (event,) = announced.take()
    assert isinstance(event, NoteAdded)
    assert (event.note.id, event.note.body, event.agent) == (note.pk, "客户是老人", cast.mei.pk)


def test_a_note_twice_is_one_note(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    client_id = uuid4()
    first = agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="老人", client_id=client_id)
    announced.take()
    assert agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="老人", client_id=client_id) == first
    assert announced.take() == []
    with pytest.raises(NotFound):
        agents.add_note(staff=cast.hao, uuid=conversation.uuid, body="老人", client_id=client_id)


def test_colleagues_of_the_department_may_note_and_others_may_not(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    agents.add_note(staff=cast.hao, uuid=conversation.uuid, body="认识他")
    with pytest.raises(NotFound):
        agents.add_note(staff=cast.jun, uuid=conversation.uuid, body="认识他")
    for person in (cast.wen, cast.an):
        with pytest.raises(PermissionDenied):
            agents.add_note(staff=person, uuid=conversation.uuid, body="认识他")


def test_a_note_has_words_and_not_too_many(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    for body in ("", " \n\x00"):
        with pytest.raises(EmptyText):
            agents.add_note(staff=cast.mei, uuid=conversation.uuid, body=body)
    with pytest.raises(TextTooLong):
        agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="长" * 2001)


# -- Who may read ----------------------------------------------------------------------------------------------


def may_read(staff: Staff, uuid: UUID) -> bool:
    try:
        access.conversation_for(staff, uuid)
    except NotFound:
        return False
    return True


def test_who_may_read_a_conversation(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    readers = {
        name
        for name in ("mei", "hao", "jun", "yun", "wen", "an")
        if may_read(getattr(cast, name), conversation.uuid)
    }
    assert readers == {"mei", "hao", "yun", "wen"}


def test_who_had_it_may_read_it_and_what_the_same_visitor_said_before(cast: Cast) -> None:
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


def test_who_is_switched_off_reads_nothing(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    for person in (cast.mei, cast.yun, cast.wen):
        person.is_active = False
        assert not may_read(person, conversation.uuid)
