"""Frames that a visitor's widget sends to the server."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from chat.protocol.parts import (
    MAX_COMMENT_CHARACTERS,
    PAGE_OF_MESSAGES,
    VERSION,
    Answer,
    Body,
    Seq,
    Short,
    Token,
)


class Hello(Struct, tag_field="kind", tag="hello"):
    """The first frame on a socket.

    `conversation` and `after` say which messages the widget already shows: those of this conversation up to this seq.
    """

    site: Short
    version: int = VERSION
    token: Token | None = None
    # These fields only describe the visitor. A value that is too long is cut, not refused.
    language: str = "zh"
    page: str = ""
    device: str = ""
    conversation: UUID | None = None
    after: Seq = 0


class Start(Struct, tag_field="kind", tag="start"):
    """Request to start a conversation. A repeat with the same `client_id` returns the conversation that the first
    request started."""

    client_id: UUID
    form: dict[Annotated[str, Meta(max_length=30)], Answer] = {}
    topic: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class PostFrame(Struct, tag_field="kind", tag="post", omit_defaults=True):
    """Request to post a message in the current conversation of this socket.

    If `conversation` is given, the message is meant only for that conversation. The request is refused with the code
    `closed` when another conversation has started since.
    """

    client_id: UUID
    body: Body
    conversation: UUID | None = None


class VisitorTyping(Struct, tag_field="kind", tag="typing"):
    pass


class VisitorSeen(Struct, tag_field="kind", tag="seen"):
    """The visitor's read marks: messages up to `received` have arrived, and messages up to `read` were on a visible
    screen.

    Old versions of the widget do not send `conversation`.
    """

    received: Seq
    read: Seq
    conversation: UUID | None = None


class Fetch(Struct, tag_field="kind", tag="fetch"):
    after: Seq
    limit: Annotated[int, Meta(ge=1, le=PAGE_OF_MESSAGES)] = PAGE_OF_MESSAGES


class End(Struct, tag_field="kind", tag="end", omit_defaults=True):
    """Request to end `conversation`, or the visitor's current conversation if none is given."""

    conversation: UUID | None = None


class Rate(Struct, tag_field="kind", tag="rate", omit_defaults=True):
    """Request to rate `conversation`, or the visitor's current conversation if none is given."""

    score: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=MAX_COMMENT_CHARACTERS)] = ""
    conversation: UUID | None = None


class Identify(Struct, tag_field="kind", tag="identify"):
    """Request to sign the visitor in with an identity token, which the bank's website has made."""

    identity: Token


class Logout(Struct, tag_field="kind", tag="logout"):
    """Says that the customer has logged out of the bank's website. All tokens of this visitor become void."""


class Ping(Struct, tag_field="kind", tag="ping"):
    pass


VisitorFrame = (
    Hello | Start | PostFrame | VisitorTyping | VisitorSeen | Fetch | End | Rate | Identify | Logout | Ping
)
