"""Frames that the server sends to visitors. It sends most of them to consoles as well."""

from msgspec import UNSET, Struct, UnsetType

from chat.protocol.parts import MessageData, Row, State


class Welcome(Struct, tag_field="kind", tag="welcome", omit_defaults=True):
    """The answer to hello, start and identify frames: the complete state that the widget has to show.

    `recovered` is false when the messages on screen belong to another conversation; the widget then replaces them with
    `messages`. `more` is true if there are later messages to fetch. The next identity token must contain `nonce`.
    `verified_seconds` is the time for which the visitor stays verified without a new identity token. `now` is the
    server's time in milliseconds since 1970, or 0 from old servers.
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
    """The answer to a post frame: the message is committed as number `seq` of `conversation`. A repeat gets the same
    answer."""

    client_id: str
    seq: int
    at: str
    conversation: str = ""


class RefusedFrame(Struct, tag_field="kind", tag="refused", omit_defaults=True):
    """The answer to a refused request. `words` is a text for the person.

    If `retry_after_ms` is not 0, the client may send the same request again after that time; otherwise the refusal is
    final. With the code `too_long`, `field` is the name of the field and `limit` its maximum in characters. If `field`
    is "", the whole frame is longer than `limit` bytes.
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
    """The answer to fetch and watch frames: a page of messages in order.

    `more` is true if there are later messages than these. `head` is the last seq of the conversation.
    """

    conversation: str
    messages: list[MessageData]
    head: int
    more: bool


class StateFrame(Struct, tag_field="kind", tag="state"):
    state: State


class QueueFrame(Struct, tag_field="kind", tag="queue", frozen=True, omit_defaults=True):
    """The queue position of a waiting visitor.

    `place` counts from 1. `estimate_seconds` is the expected waiting time, or null if no agent is online or the wait
    cannot be estimated. If the estimate is uncertain, the wait may last up to `estimate_max_seconds`. `reason` says why
    the place or the estimate has risen: `emergency_first`, `earlier_place`, `fewer_agents` or `slower`. `words` says it
    in the visitor's language.
    """

    place: int
    estimate_seconds: int | None
    online: bool
    estimate_max_seconds: int | None = None
    reason: str = ""
    words: str = ""


class TypingFrame(Struct, tag_field="kind", tag="is_typing", omit_defaults=True):
    conversation: str
    role: str
    name: str = ""


class SeenFrame(Struct, tag_field="kind", tag="was_seen"):
    """The read marks of one side of the conversation, `role`: the last seqs that it has received and read."""

    conversation: str
    role: str
    received: int
    read: int


class Pong(Struct, tag_field="kind", tag="pong", omit_defaults=True):
    """The answer to a ping.

    `head` is the last seq of the conversation, so that the widget notices when the last message was lost. `now` is the
    server's time, as in Welcome.
    """

    head: int
    now: int = 0


class Bye(Struct, tag_field="kind", tag="bye"):
    """The last frame before the server closes the socket. `code` says whether the client should reconnect."""

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
