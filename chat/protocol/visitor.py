"""Frames from a visitor to the server."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from chat.protocol.parts import MAX_COMMENT_CHARACTERS, PAGE_OF_MESSAGES, VERSION, Body, Seq, Short, Token


class Hello(Struct, tag_field="kind", tag="hello"):
    """The first frame. `conversation` and `after` say what the box has on screen already."""

    site: Short
    version: int = VERSION
    token: Token | None = None
    language: Annotated[str, Meta(max_length=10)] = "zh"
    page: Annotated[str, Meta(max_length=2000)] = ""
    device: Annotated[str, Meta(max_length=20)] = ""
    conversation: UUID | None = None
    after: Seq = 0


class Start(Struct, tag_field="kind", tag="start"):
    """Begins a conversation. With the `client_id` of one begun before it is the same one again."""

    client_id: UUID
    form: dict[Annotated[str, Meta(max_length=30)], Annotated[str, Meta(max_length=200)]] = {}
    topic: int | None = None


class Post(Struct, tag_field="kind", tag="post"):
    client_id: UUID
    body: Body


class Typing(Struct, tag_field="kind", tag="typing"):
    pass


class Seen(Struct, tag_field="kind", tag="seen"):
    """Everything up to and including `received` has arrived, up to `read` has been on a visible screen.

    Of `conversation`; a box that is older does not say of which.
    """

    received: Seq
    read: Seq
    conversation: UUID | None = None


class Fetch(Struct, tag_field="kind", tag="fetch"):
    after: Seq
    limit: Annotated[int, Meta(ge=1, le=PAGE_OF_MESSAGES)] = PAGE_OF_MESSAGES


class End(Struct, tag_field="kind", tag="end"):
    pass


class Rate(Struct, tag_field="kind", tag="rate"):
    score: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=MAX_COMMENT_CHARACTERS)] = ""


class Identify(Struct, tag_field="kind", tag="identify"):
    """A token signed by the bank's site that says who is logged in there."""

    identity: Token


class Logout(Struct, tag_field="kind", tag="logout"):
    """The customer has logged out of the bank's site: every token of this visitor is void from now on."""


class Ping(Struct, tag_field="kind", tag="ping"):
    pass


VisitorFrame = Hello | Start | Post | Typing | Seen | Fetch | End | Rate | Identify | Logout | Ping
