"""What the screens of a process were told of a conversation: the sweep compares it with what is stored.

It may be older than what some screen knows, never newer than what any knows: what one of them has not heard of is told
to all once more.
"""

from typing import NamedTuple

from chat.protocol import Row


class ConversationSnapshot(NamedTuple):
    """Of a row, what a screen that missed an event would show wrong."""

    last_seq: int
    unread: int
    visitor_received: int
    visitor_read: int
    agent_received: int
    agent_read: int
    # From here on what only a change of the conversation changes, neither a message nor a mark.
    status: str
    agent: int | None
    department: int
    visitor_name: str
    level: str
    rating: int | None


# The columns of a conversation that make one, in its order.
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

_STATE = SNAPSHOT_FIELDS.index("status")


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
    """Whether the row of a message or a mark is in the state that our screens know.

    If not, its change comes after it, was lost, or was told already and this row is the older. It is not shown then:
    the change itself shows it, and says in whose lists the conversation was; otherwise the sweep does.
    """
    return known is None or known[_STATE:] == snapshot_of(row)[_STATE:]


def with_message(known: ConversationSnapshot | None, row: Row) -> ConversationSnapshot:
    """Of a row in step: consoles were shown the whole of it, boxes none of its marks."""
    now = snapshot_of(row)
    return now if known is None else _with_older_marks(now, known)


def with_read_marks(
    known: ConversationSnapshot | None, row: Row, role: str, *, is_shown: bool
) -> ConversationSnapshot:
    """Every screen was told the marks of `role`; consoles, if `is_shown`, the row, but perhaps not its last message."""
    now = snapshot_of(row)
    if known is None:
        return now
    if is_shown:
        known = _with_older_marks(known, now)._replace(unread=now.unread)
    if role == "visitor":
        return known._replace(visitor_received=now.visitor_received, visitor_read=now.visitor_read)
    return known._replace(agent_received=now.agent_received, agent_read=now.agent_read)


def _with_older_marks(told: ConversationSnapshot, other: ConversationSnapshot) -> ConversationSnapshot:
    return told._replace(
        visitor_received=min(told.visitor_received, other.visitor_received),
        visitor_read=min(told.visitor_read, other.visitor_read),
        agent_received=min(told.agent_received, other.agent_received),
        agent_read=min(told.agent_read, other.agent_read),
    )
