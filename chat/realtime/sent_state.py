"""The last state of a conversation that a process sent to its screens; the sweep compares it with the database.

It may be older than what some screens know, but never newer than what any of them knows: a change that one screen has
missed is sent to all of them once more.
"""

from typing import NamedTuple

from chat.protocol import Row


class ConversationSnapshot(NamedTuple):
    """The fields of a row that a screen would show wrongly if it missed an event."""

    last_seq: int
    unread: int
    visitor_received: int
    visitor_read: int
    agent_received: int
    agent_read: int
    # The fields from here on change only with the conversation itself, not with a message or a read mark.
    status: str
    agent: int | None
    department: int
    visitor_name: str
    level: str
    rating: int | None


# The columns of Conversation from which a ConversationSnapshot is made, in the order of its fields.
SNAPSHOT_FIELDS = (
    "last_seq",
    "unread_by_agent",
    "visitor_received_seq",
    "visitor_read_seq",
    "agent_received_seq",
    "agent_read_seq",
    "status",
    "agent_id",
    "department_id",
    "visitor__name",
    "visitor__level",
    "rating__score",
)

_FIRST_STATE_FIELD = SNAPSHOT_FIELDS.index("status")


def snapshot_of(row: Row) -> ConversationSnapshot:
    return ConversationSnapshot(
        row.last_seq,
        row.unread,
        row.visitor_received,
        row.visitor_read,
        row.agent_received,
        row.agent_read,
        row.status,
        row.agent.id if row.agent else None,
        row.department,
        row.visitor_name,
        row.level,
        row.rating,
    )


def is_current(known: ConversationSnapshot | None, row: Row) -> bool:
    """Whether the row that came with a message or a read mark has the state that our screens know.

    If not, the event of the change follows, was lost, or was sent already and this row is outdated. Such a row is not
    shown: only the event of the change says in whose lists the conversation was before. If it was lost, the sweep
    sends it.
    """
    return known is None or known[_FIRST_STATE_FIELD:] == snapshot_of(row)[_FIRST_STATE_FIELD:]


def with_message(known: ConversationSnapshot | None, row: Row) -> ConversationSnapshot:
    """Return the sent state after a message with a current row: consoles got the whole row, widgets no read marks."""
    now = snapshot_of(row)
    return now if known is None else _with_lower_marks(now, known)


def with_read_marks(
    known: ConversationSnapshot | None, row: Row, role: str, *, is_shown: bool
) -> ConversationSnapshot:
    """Return the sent state after every screen got the read marks of `role`.

    If `is_shown`, consoles also got the row, though perhaps not its last message.
    """
    now = snapshot_of(row)
    if known is None:
        return now
    if is_shown:
        known = _with_lower_marks(known, now)._replace(unread=now.unread)
    if role == "visitor":
        return known._replace(visitor_received=now.visitor_received, visitor_read=now.visitor_read)
    return known._replace(agent_received=now.agent_received, agent_read=now.agent_read)


def _with_lower_marks(snapshot: ConversationSnapshot, other: ConversationSnapshot) -> ConversationSnapshot:
    return snapshot._replace(
        visitor_received=min(snapshot.visitor_received, other.visitor_received),
        visitor_read=min(snapshot.visitor_read, other.visitor_read),
        agent_received=min(snapshot.agent_received, other.agent_received),
        agent_read=min(snapshot.agent_read, other.agent_read),
    )
