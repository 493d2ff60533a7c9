"""Converts database rows to the structs of the protocol.

No other module makes Row, State and MessageData from stored data.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from accounts.models import Staff
from chat.models import Conversation, Note
from chat.protocol import MessageData, NoteFrame, Person, Row, State, stamp

ROW_FIELDS = (
    "id",
    "uuid",
    "site_id",
    "visitor_id",
    "department_id",
    "agent_id",
    "agent__name",
    "agent__name_en",
    "agent__number",
    "visitor__name",
    "visitor__level",
    "status",
    "language",
    "subject",
    "priority",
    "revision",
    "last_seq",
    "unread_by_agent",
    "excerpt",
    "started_at",
    "waiting_since",
    "assigned_at",
    "unanswered_since",
    "last_message_at",
    "first_response_at",
    "ended_by",
    "visitor_received_seq",
    "visitor_read_seq",
    "agent_received_seq",
    "agent_read_seq",
    "visitor_message_count",
    "agent_message_count",
    "rating__score",
    "queue_time",
    "emergency",
    "emergency_reason",
    "skill_id",
    "offered_to_id",
    "offered_until",
    "visitor_away_since",
    "visitor_process",
)
MESSAGE_FIELDS = (
    "seq",
    "kind",
    "author_role",
    "author_name",
    "body",
    "at",
    "agent__number",
    "client_id",
    "payload",
)


def person_of(staff: Staff) -> Person:
    """Return the data about a staff member that other people see."""
    return Person(staff.pk, staff.name, staff.name_en, staff.number)


def row_of(values: Mapping[str, Any]) -> Row:
    """Return the `Row` of a conversation, made from the values of its ROW_FIELDS."""
    agent = None
    if values["agent_id"] is not None:
        agent = Person(
            values["agent_id"], values["agent__name"], values["agent__name_en"], values["agent__number"]
        )
    return Row(
        id=str(values["uuid"]),
        revision=values["revision"],
        status=values["status"],
        department=values["department_id"],
        agent=agent,
        visitor_name=values["visitor__name"],
        level=values["visitor__level"],
        language=values["language"],
        subject=values["subject"],
        priority=values["priority"],
        last_seq=values["last_seq"],
        unread=values["unread_by_agent"],
        excerpt=values["excerpt"],
        started_at=stamp(values["started_at"]),
        waiting_since=stamp(values["waiting_since"]),
        unanswered_since=_optional_stamp(values["unanswered_since"]),
        last_message_at=_optional_stamp(values["last_message_at"]),
        ended_by=values["ended_by"],
        visitor_received=values["visitor_received_seq"],
        visitor_read=values["visitor_read_seq"],
        agent_received=values["agent_received_seq"],
        agent_read=values["agent_read_seq"],
        rating=values["rating__score"],
        queue_time=stamp(values["queue_time"]),
        emergency=values["emergency"],
        emergency_reason=values["emergency_reason"],
        skill=values["skill_id"],
        offered_to=values["offered_to_id"],
        offered_until=_optional_stamp(values["offered_until"]),
        visitor_away_since=_optional_stamp(values["visitor_away_since"]),
    )


def _optional_stamp(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def state_of(row: Row) -> State:
    """Return the part of a conversation's `Row` that the visitor may see."""
    return State(
        id=row.id,
        status=row.status,
        agent=row.agent,
        last_seq=row.last_seq,
        agent_received=row.agent_received,
        agent_read=row.agent_read,
        visitor_read=row.visitor_read,
        rating=row.rating,
    )


def note_of(note: Note, conversation: Conversation) -> NoteFrame:
    """Return the frame that sends a note of this conversation to consoles."""
    author = person_of(note.author)
    return NoteFrame(str(conversation.uuid), note.pk, note.after_seq, author, note.body, stamp(note.at))


def rows_in(conversations: QuerySet[Conversation]) -> list[Row]:
    """Return the `Row` of each of these conversations. One query."""
    return [row_of(values) for values in conversations.values(*ROW_FIELDS)]


def message_of(values: Mapping[str, Any]) -> MessageData:
    """Return the `MessageData` of a message, made from the values of its MESSAGE_FIELDS."""
    return MessageData(
        seq=values["seq"],
        type=values["kind"],
        role=values["author_role"],
        name=values["author_name"],
        body=values["body"],
        at=stamp(values["at"]),
        number=values["agent__number"] or "",
        client_id=str(values["client_id"] or ""),
        payload=values["payload"],
    )
