"""Canned replies, and the answer that an agent sends."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.access import may, require
from accounts.models import Staff
from chat import access, replies
from chat.actions.posts import Post
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
from chat.rows import person_of
from chat.text import cleaned, one_line

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
    body = cleaned(body)
    choices = [choice for text in choices if (choice := one_line(text, MAX_BODY_CHARACTERS))]
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
    if len(body) > MAX_BODY_CHARACTERS or any(len(choice) > MAX_CHOICE_CHARACTERS for choice in choices):
        return TextTooLong()
    if choices and (len(choices) not in CHOICES_AT_ONCE or len(set(choices)) < len(choices)):
        return BadRequest()
    if any(replies.unfilled(text) for text in (body, *choices)):
        return UnfilledPlaceholder()
    return None


def save_reply(*, staff: Staff, reply: CannedReply) -> CannedReply:
    """Stores a new or changed reply, with the initials it is found by.

    Everybody may keep replies of their own; those of a department and of all need `edit_shared_replies`.
    Raises ShortcutTaken when another of the same scope and language has it, EmptyText, TextTooLong, NotFound.
    """
    reply.title = one_line(reply.title, 80)
    reply.body = cleaned(reply.body)
    if not (reply.title and reply.body):
        raise EmptyText
    if len(reply.body) > MAX_BODY_CHARACTERS:
        raise TextTooLong
    reply.initials = replies.initials_of(reply.title)
    is_new = reply.pk is None
    try:
        with transaction.atomic():
            if not is_new:
                _require_scope(staff, CannedReply.objects.select_for_update().filter(pk=reply.pk).first())
            _require_scope(staff, reply)
            reply.save()
            audit.record(staff, "reply.created" if is_new else "reply.changed", reply)
    except IntegrityError as error:
        raise ShortcutTaken from error
    return reply


def delete_reply(*, staff: Staff, pk: int) -> None:
    """Removes a reply. Removing what is gone is harmless. Raises NotFound for one that is not theirs to remove."""
    with transaction.atomic():
        reply = CannedReply.objects.select_for_update().filter(pk=pk).first()
        if reply is None:
            return
        _require_scope(staff, reply)
        audit.record(staff, "reply.deleted", reply)
        reply.delete()


def withdraw_replies(*, source: str) -> int:
    """Takes the replies that were made from this source out of use, in the caller's transaction; returns how many."""
    return CannedReply.objects.filter(source=source, is_active=True).update(is_active=False)


def _require_scope(staff: Staff, reply: CannedReply | None) -> None:
    if reply is None:
        raise NotFound
    if reply.owner_id is None:
        if not may(staff, "edit_shared_replies"):
            raise NotFound
    elif reply.owner_id != staff.pk and not may(staff, "set_up"):
        raise NotFound
