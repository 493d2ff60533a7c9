"""Types that several frames and events contain, and their size limits."""

from datetime import UTC, datetime
from typing import Annotated, Any, TypedDict

from msgspec import Meta, Struct

VERSION = 1
MAX_FRAME_BYTES = 16 * 1024
MAX_BODY_CHARACTERS = 2000
MAX_COMMENT_CHARACTERS = 500
MAX_ANSWER_CHARACTERS = 200
PAGE_OF_MESSAGES = 200

MAX_SEQ = 2**31 - 1
Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]
Body = Annotated[str, Meta(min_length=1, max_length=MAX_BODY_CHARACTERS)]
Answer = Annotated[str, Meta(max_length=MAX_ANSWER_CHARACTERS)]
Short = Annotated[str, Meta(max_length=300)]
Token = Annotated[str, Meta(max_length=4096)]


def stamp(at: datetime) -> str:
    """Return a time in the format of the protocol, such as `2026-11-23T01:04:05.678Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Person(Struct, frozen=True):
    """The data about an agent that other people see. `name_en` is "" if the agent has no name in Latin letters."""

    id: int
    name: str
    name_en: str
    number: str


class Payload(TypedDict, total=False):
    """The data of a message besides its text. The keys depend on the message's type.

    `code` is the kind of an event. `to_visitor` is the text of an event for its visitor, if it differs from the body.
    `choices` are the choices of a quick reply. `card` says how the message is shown: `place` for a branch, whose facts
    are also in the body. All other keys describe an attachment.
    """

    code: str
    to_visitor: str
    choices: list[str]
    card: str
    attachment: str
    content_type: str
    size: int
    width: int | None
    height: int | None


class MessageData(Struct, frozen=True, omit_defaults=True):
    """A message as both sides see it."""

    seq: int
    type: str
    role: str
    name: str
    body: str
    at: str
    number: str = ""
    client_id: str = ""
    # The field accepts any object, so that a process passes on keys that only a newer version knows.
    payload: Annotated[dict[str, Any], Meta(extra={"keys": Payload})] = {}


class Row(Struct, frozen=True, omit_defaults=True):
    """A conversation as the lists of the console show it. The row with the highest `revision` is the current one."""

    id: str
    revision: int
    status: str
    department: int
    agent: Person | None
    visitor_name: str
    level: str
    language: str
    subject: str
    priority: int
    last_seq: int
    unread: int
    excerpt: str
    started_at: str
    waiting_since: str
    unanswered_since: str | None
    last_message_at: str | None
    ended_by: str
    visitor_received: int
    visitor_read: int
    agent_received: int
    agent_read: int
    # The waiting list is in the order of `queue_time`, earliest first.
    queue_time: str
    rating: int | None = None
    # One of `chat.models.Emergency`, and the words or the subject that raised it.
    emergency: str = ""
    emergency_reason: str = ""
    skill: int | None = None
    # The agent to whom the router offers the conversation, and the time at which the offer expires.
    offered_to: int | None = None
    offered_until: str | None = None
    # Null while the visitor is connected.
    visitor_away_since: str | None = None


class State(Struct, frozen=True):
    """The data of a conversation that its visitor sees."""

    id: str
    status: str
    agent: Person | None
    last_seq: int
    agent_received: int
    agent_read: int
    visitor_read: int
    rating: int | None
