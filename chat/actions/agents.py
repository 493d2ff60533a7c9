"""Actions of agents and supervisors other than posting: assign, transfer, return, end, close, add a note."""

from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import audit, presence
from accounts.access import may, require
from accounts.models import Department, Staff
from chat import access
from chat.actions.assigning import CHANGED_FIELDS, AssignmentResult, assign
from chat.actions.closing import end, finish_assignment
from chat.actions.events import ConversationChange
from chat.errors import (
    ClientIdReused,
    ConversationClosed,
    EmptyText,
    NotAssigned,
    NotAvailable,
    NotFound,
    TextTooLong,
    WrapUpCodeMissing,
)
from chat.models import Assignment, Conversation, Note, Status, WrapUpCode
from chat.protocol import MAX_BODY_CHARACTERS, MAX_COMMENT_CHARACTERS, NoteAdded
from chat.protocol.serializers import note_of
from chat.realtime import delivery
from core.text.cleaning import clean_text


def transfer_to_agent(*, staff: Staff, uuid: UUID, to: Staff, note: str = "") -> Conversation:
    """Transfer an open conversation to an online colleague, with an optional note for them.

    Supervisors use this action to assign conversations of other agents, or of nobody. Does nothing if the colleague
    already has it. Raises NotAvailable, NotAssigned, ConversationClosed, NotFound.
    """
    with transaction.atomic():
        conversation = _lock_for_transfer(staff, uuid)
        if conversation.agent_id == to.pk:
            return conversation
        if not may(to, "answer") or to.pk not in presence.online_ids():
            raise NotAvailable
        is_mine = conversation.agent_id == staff.pk
        _add_note(conversation, staff, note)
        reason = Assignment.Reason.TRANSFERRED if is_mine else Assignment.Reason.ASSIGNED
        _assign(conversation, to, reason, by=staff)
    return conversation


def transfer_to_department(*, staff: Staff, uuid: UUID, to: Department, note: str = "") -> Conversation:
    """Put an open conversation into a department's queue. The time it has already waited still counts there. Does
    nothing if it already waits there.

    Raises NotAssigned, ConversationClosed, NotFound.
    """
    with transaction.atomic():
        conversation = _lock_for_transfer(staff, uuid)
        if conversation.status == Status.WAITING and conversation.department_id == to.pk:
            return conversation
        _add_note(conversation, staff, note)
        put_in_queue(conversation, to, by=staff)
    return conversation


def put_in_queue(conversation: Conversation, to: Department, *, by: Staff | None) -> None:
    """Put a locked, open conversation into a department's queue and tell the visitor. `by` is None for the router."""
    change = ConversationChange(conversation)
    finish_assignment(conversation)
    conversation.status, conversation.agent, conversation.department = Status.WAITING, None, to
    conversation.offered_to = conversation.offered_until = None
    change.add_event(
        "transferred",
        gettext_noop("You are being transferred to %(department)s."),
        department=to.name_in(conversation.language),
    )
    change.save("status", "agent", "department", "offered_to", "offered_until")
    audit.record(by, "conversation.transferred", conversation, department=to.code)


def return_to_queue(conversation: Conversation, *, because: str) -> None:
    """Put a locked, active conversation back into its department's queue, because its agent is no longer there.

    The visitor keeps the place that the whole wait has earned. `because` is a code for the record, such as
    "agent_lost".
    """
    assert conversation.agent is not None
    change = ConversationChange(conversation)
    agent = conversation.agent
    finish_assignment(conversation)
    conversation.status, conversation.agent = Status.WAITING, None
    change.add_event(
        "returned",
        gettext_noop("%(name)s can't continue. You keep your place, and a colleague will help you."),
        name=agent.name_in(conversation.language),
    )
    change.save("status", "agent")
    audit.record(None, "conversation.returned", conversation, agent=agent.pk, because=because)


def end_conversation(*, staff: Staff, uuid: UUID) -> Conversation:
    """End an open conversation of the agent and start its wrap-up. Does nothing if it has ended. Raises NotAssigned,
    NotFound."""
    with transaction.atomic():
        conversation = access.lock_own_conversation(staff, uuid)
        if conversation.is_open:
            end(conversation, by="agent")
    return conversation


def close_conversation(
    *, staff: Staff, uuid: UUID, code: WrapUpCode | None, comment: str = ""
) -> Conversation:
    """Close a conversation of the agent with a wrap-up code, and end it first if it is open.

    Does nothing if it is closed already. `comment` has at most 500 characters.

    Raises WrapUpCodeMissing, TextTooLong, NotAssigned, NotFound.
    """
    with transaction.atomic():
        conversation = access.lock_own_conversation(staff, uuid)
        if conversation.status == Status.CLOSED:
            return conversation
        if code is None:
            raise WrapUpCodeMissing
        comment = _clean(comment, "comment", MAX_COMMENT_CHARACTERS)
        if conversation.is_open:
            end(conversation, by="agent")
        change = ConversationChange(conversation)
        conversation.status, conversation.closed_at = Status.CLOSED, timezone.now()
        conversation.wrap_up_code, conversation.wrap_up_comment = code, comment
        finish_assignment(conversation)
        change.save("status", "closed_at", "wrap_up_code", "wrap_up_comment")
        audit.record(staff, "conversation.closed", conversation, code=code.code)
    return conversation


def add_note(*, staff: Staff, uuid: UUID, body: str, client_id: UUID | None = None) -> Note:
    """Add a note for colleagues to a conversation that this staff member may read. A repeat returns the same note.

    Raises EmptyText, TextTooLong, NotFound, and ClientIdReused when another note has this client_id.
    """
    require(staff, "answer")
    if not _clean(body, "note"):
        raise EmptyText
    with transaction.atomic():
        conversation = access.lock_conversation_for(staff, uuid)
        note = _add_note(conversation, staff, body, client_id)
    assert note is not None
    return note


def _lock_for_transfer(staff: Staff, uuid: UUID) -> Conversation:
    conversation = access.lock_conversation_for(staff, uuid)
    if not conversation.is_open:
        raise ConversationClosed
    if conversation.agent_id != staff.pk and not may(staff, "assign_to_others"):
        raise NotAssigned
    return conversation


def _assign(conversation: Conversation, agent: Staff, reason: Assignment.Reason, *, by: Staff) -> None:
    row = access.lock_conversations([conversation.pk])[conversation.pk]
    assign([AssignmentResult(row, agent, by, reason)])
    for name in CHANGED_FIELDS:
        setattr(conversation, name, row[name])


def _clean(text: str, field: str, max_length: int = MAX_BODY_CHARACTERS) -> str:
    text = clean_text(text)
    if len(text) > max_length:
        raise TextTooLong(field, max_length)
    return text


def _add_note(
    conversation: Conversation, staff: Staff, body: str, client_id: UUID | None = None
) -> Note | None:
    if not (body := _clean(body, "note")):
        return None
    note, is_new = Note.objects.get_or_create(
        conversation=conversation,
        client_id=client_id or uuid4(),
        defaults={"after_seq": conversation.last_seq, "author": staff, "body": body},
    )
    if is_new:
        frame = note_of(note, conversation)
        delivery.announce_on_commit(NoteAdded(conversation.pk, frame, conversation.agent_id))
    elif note.author_id != staff.pk:
        raise NotFound
    elif note.body != body:
        raise ClientIdReused
    return note
