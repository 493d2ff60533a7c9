"""Save, delete and withdraw canned replies, and prepare an agent's answer."""

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
CHOICE_COUNTS = range(2, 5)


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
    """Check an agent's answer and return it as a post for the writer.

    `choices` are two to four quick-reply buttons for the visitor, or none. `source` identifies the knowledge point or
    branch from which the answer was made (`Message.source`). With `card="place"`, the widget shows the message as the
    card of a branch.

    Raises EmptyText, TextTooLong, UnfilledPlaceholder, BadRequest, NotFound. The writer checks later that the
    conversation is open and assigned to the agent.
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
    if choices and (len(choices) not in CHOICE_COUNTS or len(set(choices)) < len(choices)):
        return BadRequest()
    if any(canned_replies.unfilled_placeholders(text) for text in (body, *choices)):
        return UnfilledPlaceholder()
    return None


def save_reply(*, staff: Staff, reply: CannedReply) -> ApprovalRequest | None:
    """Store a new or changed reply. Returns the approval request when the change needs one.

    A personal reply is stored at once. A reply of a department or for everyone needs the right `edit_shared_replies`
    and the approval of a second person. Raises EmptyText, TextTooLong, NotFound, and ShortcutTaken if another reply of
    the same scope and language has the shortcut.
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
    """Request approval of a shared reply, including one that was personal until now."""
    same_shortcut = CannedReply.objects.filter(
        owner=None, department=reply.department_id, language=reply.language, shortcut=reply.shortcut
    )
    if same_shortcut.exclude(pk=reply.pk).exists():
        raise ShortcutTaken
    if stored is not None and not changed_fields(stored, reply, REPLY_FIELDS):
        return None
    # Request approval of all fields, not only of the changed ones, because the approver reads the reply as a whole.
    return REPLIES.request(by=staff, stored=stored, record=reply, fields=REPLY_FIELDS)


def delete_reply(*, staff: Staff, pk: int) -> None:
    """Delete a reply. Does nothing if it does not exist. Raises NotFound if the staff member is not allowed to delete
    it."""
    with transaction.atomic():
        reply = CannedReply.objects.select_for_update().filter(pk=pk).first()
        if reply is None:
            return
        _require_scope(staff, reply)
        audit.record(staff, "reply.deleted", reply)
        approvals.cancel(by=staff, kind=REPLY, subject=str(pk), state=ApprovalRequest.State.WITHDRAWN)
        reply.delete()


def withdraw_replies(*, source: str) -> int:
    """Deactivate the replies made from this source, in the caller's transaction. Returns their number.

    Requests for approval of such replies are withdrawn.
    """
    count = CannedReply.objects.filter(source=source, is_active=True).update(is_active=False)
    waiting = ApprovalRequest.objects.filter(kind=REPLY, after__source=source)
    approvals.cancel_all(waiting, state=ApprovalRequest.State.WITHDRAWN)
    return count


def _require_scope(staff: Staff, reply: CannedReply | None) -> None:
    if reply is None:
        raise NotFound
    if reply.owner_id is None:
        if not may(staff, "edit_shared_replies"):
            raise NotFound
    elif reply.owner_id != staff.pk and not may(staff, "set_up"):
        raise NotFound
