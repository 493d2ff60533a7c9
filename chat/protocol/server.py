"""Frames from the server to a visitor; most go to a console too."""

from msgspec import UNSET, Struct, UnsetType

from chat.protocol.parts import MessageData, Row, State


class Welcome(Struct, tag_field="kind", tag="welcome", omit_defaults=True):
    """The answer to hello, start and identify: everything the box needs to be right again.

    `recovered` false: what the box shows belongs to another conversation, it starts from these messages. `nonce`
    belongs into the next identity token. `verified_seconds`: how long "verified" still holds without a newer one.
    `now`: the server's time in milliseconds since 1970; 0 when an older server leaves it out.
    """

    token: str
    heartbeat_seconds: int
    state: State | None
    messages: list[MessageData]
    recovered: bool = True
    more: bool = False
    level: str = "anonymous"
    name: str = ""
    nonce: str = ""
    verified_seconds: int = 0
    now: int = 0


class AcceptedFrame(Struct, tag_field="kind", tag="accepted", omit_defaults=True):
    """Committed, as message `seq` of `conversation`. For a repeat, what was answered the first time."""

    client_id: str
    seq: int
    at: str
    conversation: str = ""


class RefusedFrame(Struct, tag_field="kind", tag="refused", omit_defaults=True):
    """`words` are for the reader. With `retry_after_ms` the same may be tried again; without it is final.

    With `too_long`, `field` names what was, and `limit` its most characters; no `field`: the whole, in bytes.
    """

    code: str
    words: str
    client_id: str = ""
    retry_after_ms: int = 0
    field: str = ""
    limit: int = 0


class MessageFrame(Struct, tag_field="kind", tag="message", omit_defaults=True):
    conversation: str
    message: MessageData
    row: Row | UnsetType = UNSET


class Messages(Struct, tag_field="kind", tag="messages"):
    """The answer to fetch and watch: messages in order, `more` when a page was not enough; `head` is the last seq."""

    conversation: str
    messages: list[MessageData]
    head: int
    more: bool


class StateFrame(Struct, tag_field="kind", tag="state"):
    state: State


class QueueFrame(Struct, tag_field="kind", tag="queue"):
    """For a waiting visitor: `place` counts from 1; `estimate_seconds` null when nobody is online to tell by."""

    place: int
    estimate_seconds: int | None
    online: bool


class TypingFrame(Struct, tag_field="kind", tag="is_typing", omit_defaults=True):
    conversation: str
    role: str
    name: str = ""


class SeenFrame(Struct, tag_field="kind", tag="was_seen"):
    """How far the side `role` has received and read."""

    conversation: str
    role: str
    received: int
    read: int


class Pong(Struct, tag_field="kind", tag="pong", omit_defaults=True):
    """The answer to ping. `head`: last seq of this socket's conversation, so that a lost last message shows.

    `now`: as in the welcome.
    """

    head: int
    now: int = 0


class Bye(Struct, tag_field="kind", tag="bye"):
    code: str
    retry_after_ms: int
