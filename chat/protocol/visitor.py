"""Frames from a visitor to the server."""

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
    """The first frame. `conversation` and `after` say what the box has on screen already."""

    site: Short
    version: int = VERSION
    token: Token | None = None
    # Only described by these: one that is too long is cut, not refused.
    language: str = "zh"
    page: str = ""
    device: str = ""
    conversation: UUID | None = None
    after: Seq = 0


class Start(Struct, tag_field="kind", tag="start"):
    """Begins a conversation. With the `client_id` of one begun before it is the same one again."""

    client_id: UUID
    form: dict[Annotated[str, Meta(max_length=30)], Answer] = {}
    topic: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class PostFrame(Struct, tag_field="kind", tag="post", omit_defaults=True):
    """Says something, in the conversation that this socket has now.

    With `conversation` only in that one: it is refused (`closed`) where another has begun since.
    """

    client_id: UUID
    body: Body
    conversation: UUID | None = None


class VisitorTyping(Struct, tag_field="kind", tag="typing"):
    pass


class VisitorSeen(Struct, tag_field="kind", tag="seen"):
    """Everything up to and including `received` has arrived, up to `read` has been on a visible screen.

    Of `conversation`; a box that is older does not say of which.
    """

    received: Seq
    read: Seq
    conversation: UUID | None = None


class Fetch(Struct, tag_field="kind", tag="fetch"):
    after: Seq
    limit: Annotated[int, Meta(ge=1, le=PAGE_OF_MESSAGES)] = PAGE_OF_MESSAGES


class End(Struct, tag_field="kind", tag="end", omit_defaults=True):
    """Ends `conversation`; without it, the one that the visitor has now."""

    conversation: UUID | None = None


class Rate(Struct, tag_field="kind", tag="rate", omit_defaults=True):
    """Rates `conversation`; without it, the one that the visitor has now."""

    score: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=MAX_COMMENT_CHARACTERS)] = ""
    conversation: UUID | None = None


class Identify(Struct, tag_field="kind", tag="identify"):
    """A token signed by the bank's site that says who is logged in there."""

    identity: Token


class Logout(Struct, tag_field="kind", tag="logout"):
    """The customer has logged out of the bank's site: every token of this visitor is void from now on."""


class Ping(Struct, tag_field="kind", tag="ping"):
    pass


VisitorFrame = (
    Hello | Start | PostFrame | VisitorTyping | VisitorSeen | Fetch | End | Rate | Identify | Logout | Ping
)
