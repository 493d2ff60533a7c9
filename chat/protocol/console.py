"""Frames from a console to the server, and frames that the server sends only to consoles."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from chat.protocol.parts import PAGE_OF_MESSAGES, VERSION, Person, Row, Seq
from chat.protocol.server import Bye, MessageFrame, Messages, RefusedFrame, SeenFrame, TypingFrame
from chat.protocol.visitor import Ping


class ConsoleHello(Struct, tag_field="kind", tag="hello"):
    version: int = VERSION


class Watch(Struct, tag_field="kind", tag="watch"):
    """Asks for the live messages of a conversation, and first for the stored ones with seq > `after`."""

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
    """The answer to hello. `rows` holds every conversation in this agent's lists; the console removes all others."""

    heartbeat_seconds: int
    rows: list[Row]
    waiting_count: int
    presence: str


class RowFrame(Struct, tag_field="kind", tag="conversation"):
    """A conversation in one of this agent's lists changed. `listed` is false when it is in none of them any more."""

    row: Row
    listed: bool


class NoteFrame(Struct, tag_field="kind", tag="note"):
    conversation: str
    id: int
    after_seq: int
    author: Person
    body: str
    at: str


class PresenceFrame(Struct, tag_field="kind", tag="presence"):
    staff: int
    status: str


class ConsolePong(Struct, tag_field="kind", tag="pong"):
    """The answer to ping. `heads` holds the last seq of each watched conversation, so that a lost message shows."""

    heads: dict[str, int]


class KnowledgeFrame(Struct, tag_field="kind", tag="knowledge"):
    """The published index has a new edition: suggestions on the screen may be out of date."""

    edition: int


ServerToConsole = (
    ConsoleWelcome
    | RefusedFrame
    | MessageFrame
    | Messages
    | RowFrame
    | NoteFrame
    | TypingFrame
    | SeenFrame
    | PresenceFrame
    | KnowledgeFrame
    | ConsolePong
    | Bye
)
