"""Canned replies, and the answer that an agent sends."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.access import may, require
from accounts.approvals import actions as approvals
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.records import changed_fields
from accounts.models import Staff
from chat import access, canned_replies
from chat.actions.posts import Post
from chat.approval_kinds import REPLY
from chat.approvals import REPLIES, REPLY_FIELDS, write_reply
from chat.errors import (
    BadRequest,
    EmptyText,
    NotFound,
    Refusal,
    ShortcutTaken,
    TextTooLong,
    UnfilledPlaceholder,
)
from chat.models import CannedReply
from chat.protocol import MAX_BODY_CHARACTERS
from chat.protocol.serializers import person_of
from core.text.cleaning import clean_line, clean_text

MAX_CHOICE_CHARACTERS = 40
CHOICES_AT_ONCE = range(2, 5)


def make_answer(
    *,
    staff: Staff,
    uuid: UUID,
    client_id: UUID,
    body: str,
    choices: Sequence[str] = (),
    source: str = "",
    card: str = "",
) -> Post:
    """What an agent wrote, ready for the writer.

    `choices`: two to four buttons for the visitor, or none; `source`: what it was made from (`Message.source`);
    `card`: as what the box draws it (`place`).

    Raises EmptyText, TextTooLong, UnfilledPlaceholder, BadRequest, NotFound. Whether the conversation is open and
    theirs the writer decides, when it is locked.
    """
    require(staff, "answer")
    body = clean_text(body)
    choices = [choice for text in choices if (choice := clean_line(text, MAX_BODY_CHARACTERS))]
    refusal = _refusal_of(body, choices)
    if refusal is not None:
        raise refusal
    conversation = access.conversation_for(staff, uuid)
    payload: dict[str, Any] = {}
    if choices:
        payload["choices"] = choices
    if card:
        payload["card"] = card
    return Post(conversation.pk, client_id, body, agent=person_of(staff), payload=payload, source=source)


def _refusal_of(body: str, choices: Sequence[str]) -> Refusal | None:
    if not body:
        return EmptyText()
    if len(body) > MAX_BODY_CHARACTERS:
        return TextTooLong("body", MAX_BODY_CHARACTERS)
    if any(len(choice) > MAX_CHOICE_CHARACTERS for choice in choices):
        return TextTooLong("choices", MAX_CHOICE_CHARACTERS)
    if choices and (len(choices) not in CHOICES_AT_ONCE or len(set(choices)) < len(choices)):
        return BadRequest()
    if any(canned_replies.unfilled_placeholders(text) for text in (body, *choices)):
        return UnfilledPlaceholder()
    return None


def save_reply(*, staff: Staff, reply: CannedReply) -> ApprovalRequest | None:
    """Store a new or changed reply, with the initials it is found by; returns what waits for approval, if anything.

    Everybody may keep replies of their own, at once; those of a department and of all need `edit_shared_replies` and a
    second person. Raises ShortcutTaken when another of the same scope and language has it, EmptyText, TextTooLong,
    NotFound.
    """
    reply.title = clean_line(reply.title, 80)
    reply.body = clean_text(reply.body)
    if not (reply.title and reply.body):
        raise EmptyText
    if len(reply.body) > MAX_BODY_CHARACTERS:
        raise TextTooLong("body", MAX_BODY_CHARACTERS)
    try:
        with transaction.atomic():
            stored = None
            if not reply._state.adding:
                stored = REPLIES.stored(str(reply.pk))
                _require_scope(staff, stored)
            _require_scope(staff, reply)
            if reply.owner_id is None:
                return _request_shared(staff, stored, reply)
            write_reply(staff, reply, REPLY_FIELDS)
    except IntegrityError as error:
        raise ShortcutTaken from error
    return None


def _request_shared(staff: Staff, stored: CannedReply | None, reply: CannedReply) -> ApprovalRequest | None:
    """A reply that every agent may send waits for a second person, also one that was personal until now."""
    same = CannedReply.objects.filter(
        owner=None, department=reply.department_id, language=reply.language, shortcut=reply.shortcut
    )
    if same.exclude(pk=reply.pk).exists():
        raise ShortcutTaken
    if stored is not None and not changed_fields(stored, reply, REPLY_FIELDS):
        return None
    # All of it is shown: words of a reply are read as a whole.
    return REPLIES.request(by=staff, stored=stored, record=reply, fields=REPLY_FIELDS)


def delete_reply(*, staff: Staff, pk: int) -> None:
    """Removes a reply. Removing what is gone is harmless. Raises NotFound for one that is not theirs to remove."""
    with transaction.atomic():
        reply = CannedReply.objects.select_for_update().filter(pk=pk).first()
        if reply is None:
            return
        _require_scope(staff, reply)
        audit.record(staff, "reply.deleted", reply)
        approvals.cancel(by=staff, kind=REPLY, subject=str(pk), state=ApprovalRequest.State.WITHDRAWN)
        reply.delete()


def withdraw_replies(*, source: str) -> int:
    """Take the replies that were made from this source out of use, in the caller's transaction; returns how many.

    Those that wait for approval are taken back.
    """
    gone = CannedReply.objects.filter(source=source, is_active=True).update(is_active=False)
    waiting = ApprovalRequest.objects.filter(kind=REPLY, after__source=source)
    approvals.cancel_all(waiting, state=ApprovalRequest.State.WITHDRAWN)
    return gone


def _require_scope(staff: Staff, reply: CannedReply | None) -> None:
    if reply is None:
        raise NotFound
    if reply.owner_id is None:
        if not may(staff, "edit_shared_replies"):
            raise NotFound
    elif reply.owner_id != staff.pk and not may(staff, "set_up"):
        raise NotFound
