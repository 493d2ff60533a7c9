"""Frames from a console to the server, and those that only a console is sent."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from chat.protocol.parts import PAGE_OF_MESSAGES, VERSION, Person, Row, Seq
from chat.protocol.visitor import Ping


class ConsoleHello(Struct, tag_field="kind", tag="hello"):
    version: int = VERSION


class Watch(Struct, tag_field="kind", tag="watch"):
    """Send the live messages of this conversation, and first those after `after`."""

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
    """`rows`: everything in this agent's lists as it stands now; what is not among them has gone."""

    heartbeat_seconds: int
    rows: list[Row]
    waiting_count: int
    presence: str


class RowFrame(Struct, tag_field="kind", tag="conversation"):
    """A conversation in one of this agent's lists changed. `listed` false: it has left them."""

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
    """`heads`: last seq of each watched conversation."""

    heads: dict[str, int]


class KnowledgeFrame(Struct, tag_field="kind", tag="knowledge"):
    """The library has a new edition: what is offered on the screen may be out of date."""

    edition: int
