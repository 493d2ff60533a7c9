"""Frames that a console sends to the server, and frames that the server sends only to consoles."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from chat.protocol.parts import PAGE_OF_MESSAGES, VERSION, Person, Row, Seq
from chat.protocol.server import Bye, MessageFrame, Messages, RefusedFrame, TypingFrame
from chat.protocol.visitor import Ping


class ConsoleHello(Struct, tag_field="kind", tag="hello"):
    version: int = VERSION


class Watch(Struct, tag_field="kind", tag="watch"):
    """Request to receive the messages of a conversation: first the stored ones with seq > `after`, then new ones."""

    conversation: UUID
    after: Seq = 0


class Unwatch(Struct, tag_field="kind", tag="unwatch"):
    conversation: UUID


class ConsoleTyping(Struct, tag_field="kind", tag="typing"):
    conversation: UUID


class ConsoleSeen(Struct, tag_field="kind", tag="seen"):
    conversation: UUID
    received: Seq
    read: Seq


class ConsoleFetch(Struct, tag_field="kind", tag="fetch"):
    conversation: UUID
    after: Seq
    limit: Annotated[int, Meta(ge=1, le=PAGE_OF_MESSAGES)] = PAGE_OF_MESSAGES


ConsoleFrame = ConsoleHello | Watch | Unwatch | ConsoleTyping | ConsoleSeen | ConsoleFetch | Ping


class ConsoleWelcome(Struct, tag_field="kind", tag="welcome"):
    """The answer to a hello frame.

    `rows` has the conversations in this agent's lists, but only the first ones of the queue, whose length is
    `waiting_count`. The console removes all other conversations from its lists.
    """

    heartbeat_seconds: int
    rows: list[Row]
    waiting_count: int
    presence: str


class RowFrame(Struct, tag_field="kind", tag="conversation"):
    """Says that a conversation has changed. `listed` is false if the conversation is no longer in any list of this
    agent."""

    row: Row
    listed: bool


class NoteFrame(Struct, tag_field="kind", tag="note"):
    conversation: str
    id: int
    after_seq: int
    author: Person
    body: str
    at: str


class PresenceFrame(Struct, tag_field="kind", tag="presence", omit_defaults=True):
    """A staff member's new presence.

    If they have not set it themselves, `by` is the name of the supervisor who has, or `reason` is a code such as
    "missed_offers".
    """

    staff: int
    status: str
    reason: str = ""
    by: str = ""


class ConsolePong(Struct, tag_field="kind", tag="pong"):
    """The answer to a ping.

    `heads` has the last seq of each watched conversation, so that the console notices a lost message.
    """

    heads: dict[str, int]


class KnowledgeFrame(Struct, tag_field="kind", tag="knowledge"):
    """Says that published knowledge points have changed, so that suggestions on the screen may be outdated."""

    edition: int


ServerToConsole = (
    ConsoleWelcome
    | RefusedFrame
    | MessageFrame
    | Messages
    | RowFrame
    | NoteFrame
    | TypingFrame
    | PresenceFrame
    | KnowledgeFrame
    | ConsolePong
    | Bye
)
