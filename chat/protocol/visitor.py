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
    """The first frame. `conversation` and `after` tell which messages the widget already shows."""

    site: Short
    version: int = VERSION
    token: Token | None = None
    # These only describe the visitor: a value that is too long is cut, not refused.
    language: str = "zh"
    page: str = ""
    device: str = ""
    conversation: UUID | None = None
    after: Seq = 0


class Start(Struct, tag_field="kind", tag="start"):
    """Starts a conversation. A repeat of the `client_id` returns the conversation that it started before."""

    client_id: UUID
    form: dict[Annotated[str, Meta(max_length=30)], Answer] = {}
    topic: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class PostFrame(Struct, tag_field="kind", tag="post", omit_defaults=True):
    """Posts a message in the current conversation of this socket.

    With `conversation`, only in that one: the post is refused (`closed`) when another has started since.
    """

    client_id: UUID
    body: Body
    conversation: UUID | None = None


class VisitorTyping(Struct, tag_field="kind", tag="typing"):
    pass


class VisitorSeen(Struct, tag_field="kind", tag="seen"):
    """Read mark: messages up to `received` have arrived, and those up to `read` were on a visible screen.

    Old versions of the widget do not send `conversation`.
    """

    received: Seq
    read: Seq
    conversation: UUID | None = None


class Fetch(Struct, tag_field="kind", tag="fetch"):
    after: Seq
    limit: Annotated[int, Meta(ge=1, le=PAGE_OF_MESSAGES)] = PAGE_OF_MESSAGES


class End(Struct, tag_field="kind", tag="end", omit_defaults=True):
    """Ends `conversation`; without it, the visitor's current one."""

    conversation: UUID | None = None


class Rate(Struct, tag_field="kind", tag="rate", omit_defaults=True):
    """Rates `conversation`; without it, the visitor's current one."""

    score: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=MAX_COMMENT_CHARACTERS)] = ""
    conversation: UUID | None = None


class Identify(Struct, tag_field="kind", tag="identify"):
    """Signs the visitor in with an identity token of the bank's site."""

    identity: Token


class Logout(Struct, tag_field="kind", tag="logout"):
    """The customer has logged out of the bank's site: all tokens of this visitor become void."""


class Ping(Struct, tag_field="kind", tag="ping"):
    pass


VisitorFrame = (
    Hello | Start | PostFrame | VisitorTyping | VisitorSeen | Fetch | End | Rate | Identify | Logout | Ping
)
