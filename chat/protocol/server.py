"""Frames from the server to a visitor. Most of them also go to a console."""

from msgspec import UNSET, Struct, UnsetType

from chat.protocol.parts import MessageData, Row, State


class Welcome(Struct, tag_field="kind", tag="welcome", omit_defaults=True):
    """The answer to hello, start and identify: the complete state that the widget has to show.

    `recovered` is false when the messages on screen belong to another conversation; the widget then replaces them by
    these. `nonce` must be in the next identity token. `verified_seconds` is the time for which the visitor stays
    verified without a new token. `now` is the server's time in milliseconds since 1970; old servers leave it out (0).
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
    """The post is committed as message `seq` of `conversation`. A repeat gets the first answer again."""

    client_id: str
    seq: int
    at: str
    conversation: str = ""


class RefusedFrame(Struct, tag_field="kind", tag="refused", omit_defaults=True):
    """The request is refused. `words` are shown to the person.

    With `retry_after_ms` the client may try the same request again; without it the refusal is final. With the code
    `too_long`, `field` names the field and `limit` its maximum in characters; without `field`, the whole frame exceeds
    `limit` bytes.
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
    """The answer to fetch and watch: messages in order. `more`: others follow; `head`: last seq of the conversation."""

    conversation: str
    messages: list[MessageData]
    head: int
    more: bool


class StateFrame(Struct, tag_field="kind", tag="state"):
    state: State


class QueueFrame(Struct, tag_field="kind", tag="queue"):
    """Queue position of a waiting visitor. `place` counts from 1; `estimate_seconds` is null if no agent is online."""

    place: int
    estimate_seconds: int | None
    online: bool


class TypingFrame(Struct, tag_field="kind", tag="is_typing", omit_defaults=True):
    conversation: str
    role: str
    name: str = ""


class SeenFrame(Struct, tag_field="kind", tag="was_seen"):
    """The seqs up to which the side `role` has received and read."""

    conversation: str
    role: str
    received: int
    read: int


class Pong(Struct, tag_field="kind", tag="pong", omit_defaults=True):
    """The answer to ping. `head` is the last seq of the conversation, so that a lost last message is noticed.

    `now` is the server's time, as in Welcome.
    """

    head: int
    now: int = 0


class Bye(Struct, tag_field="kind", tag="bye"):
    """The last frame before the server closes the socket. The code says whether the client should reconnect."""

    code: str
    retry_after_ms: int


ServerToVisitor = (
    Welcome
    | AcceptedFrame
    | RefusedFrame
    | MessageFrame
    | Messages
    | StateFrame
    | QueueFrame
    | TypingFrame
    | SeenFrame
    | Pong
    | Bye
)
