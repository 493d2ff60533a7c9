"""Changes of a conversation, announced to both sides as event messages with a seq like any other message."""

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone, translation
from django.utils.translation import gettext

from chat.archive.search_terms import terms_of
from chat.languages import language_code
from chat.models import AuthorRole, Conversation, Message, MessageKind, Status
from chat.protocol import ConversationChanged, Event, MessageData, MessagePosted, Row, serializers, stamp
from chat.realtime import delivery


class ConversationChange:
    """A change of a locked conversation, and the event messages that tell visitor and agent about it.

    Call `add_event` for each text that visitor and agent should read. Then call `save`, which writes and announces the
    change:

        change = ConversationChange(conversation)
        conversation.agent = staff
        change.add_event("assigned", "...")
        change.save("agent")
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._before = (conversation.status, conversation.agent_id, conversation.department_id)
        self._events: list[dict[str, Any]] = []

    def add_event(self, code: str, msgid: str, /, *, to_visitor: str = "", **values: Any) -> None:
        """Insert an event message. `msgid` (gettext_noop) is translated into the language of the conversation.

        If `to_visitor` is given, the visitor's screen shows this text instead.
        """
        conversation = self._conversation
        conversation.last_seq += 1
        conversation.last_message_at = timezone.now()
        message = event_message(
            conversation.pk,
            conversation.last_seq,
            conversation.language,
            code,
            msgid,
            values,
            conversation.last_message_at,
            to_visitor=to_visitor,
        )
        Message.objects.create(**message)
        self._events.append(message)

    def save(self, *fields: str) -> None:
        """Write the named fields and raise the revision; announce the row and the event messages on commit.

        Call it without fields if only other tables have changed, for example the visitor's name or the rating.
        """
        conversation = self._conversation
        conversation.revision += 1
        if self._events:
            fields = (*fields, "last_seq", "last_message_at")
        conversation.save(update_fields=list(dict.fromkeys((*fields, "revision"))))
        row = current_row(conversation)
        events: list[Event] = [
            MessagePosted(conversation.pk, message_data_of(message), row) for message in self._events
        ]
        events.append(ConversationChanged(conversation.pk, row, *self._before))
        delivery.announce_on_commit(*events)


def show_visitor(visitors: Collection[int]) -> None:
    """Announce that the name or the identification level of these locked visitors has changed.

    The change is announced in each of their conversations, except closed ones: a closed conversation is in no list, and
    keeps its revision. The conversations are locked in id order, as the writer does, so the transaction must not have
    locked any other conversation before.
    """
    theirs = Conversation.objects.filter(visitor__in=visitors).exclude(status=Status.CLOSED)
    for conversation in theirs.select_for_update(of=("self",)).order_by("pk"):
        ConversationChange(conversation).save()


def current_row(conversation: Conversation) -> Row:
    """Return the row of a conversation, read from the database. One query."""
    return serializers.rows_in(Conversation.objects.filter(pk=conversation.pk))[0]


def row_changed(row: Mapping[str, Any], was_status: str | None = None) -> ConversationChanged:
    """Return the event of a change of a conversation, given the ROW_FIELDS after it.

    `was_status` is the status before, if it has changed. The agent and the department must not have changed.
    """
    before = was_status or row["status"], row["agent_id"], row["department_id"]
    return ConversationChanged(row["id"], serializers.row_of(row), *before)


def event_message(
    pk: int,
    seq: int,
    language: str,
    code: str,
    msgid: str,
    values: Mapping[str, str],
    at: datetime,
    *,
    to_visitor: str = "",
) -> dict[str, Any]:
    """Return the columns of an event message of conversation `pk`, with its texts translated to `language`.

    The record and the screens of staff have the text `msgid`. The visitor's screen shows `to_visitor` if it is given.
    """
    payload = {"code": code}
    with translation.override(language_code(language)):
        body = gettext(msgid) % values
        if to_visitor:
            payload["to_visitor"] = gettext(to_visitor) % values
    return {
        "conversation_id": pk,
        "seq": seq,
        "client_id": None,
        "kind": MessageKind.EVENT.value,
        "author_role": AuthorRole.SYSTEM.value,
        "author_name": "",
        "agent_id": None,
        "body": body,
        "payload": payload,
        "at": at,
        "terms": terms_of(body),
    }


def message_data_of(message: Mapping[str, Any]) -> MessageData:
    """Convert an event message, given as a dict of its columns, to the form of the protocol."""
    return MessageData(
        seq=message["seq"],
        type=message["kind"],
        role=message["author_role"],
        name=message["author_name"],
        body=message["body"],
        at=stamp(message["at"]),
        payload=message["payload"],
    )


def digest_of(conversation: Conversation) -> str:
    """Return the SHA-256 of the transcript: of the seq, role, name, time and text of every message, in this order.

    Every one of these values is preceded by its length in bytes.
    """
    digest = hashlib.sha256()
    stored = conversation.messages.order_by("seq").values_list(
        "seq", "author_role", "author_name", "at", "body"
    )
    for message in stored.iterator(chunk_size=500):
        for part in (*(str(value) for value in message[:3]), message[3].isoformat(), message[4]):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()
