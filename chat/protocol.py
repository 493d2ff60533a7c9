"""Every frame on a visitor's or a console's socket, and every event between server processes.

docs/protocol.md explains them; tests/protocol_examples.json holds an example of each, read by the tests of both
sides. A frame is a JSON object of at most 16 KiB with its `kind`. Times are UTC, ISO 8601 with milliseconds.
A kind that this version does not know is ignored, so that old and new versions may run side by side.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

VERSION = 1
MAX_FRAME_BYTES = 16 * 1024
MAX_BODY_CHARACTERS = 2000
MAX_COMMENT_CHARACTERS = 500
PAGE_OF_MESSAGES = 200

Seq = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Body = Annotated[str, Meta(min_length=1, max_length=MAX_BODY_CHARACTERS)]
Short = Annotated[str, Meta(max_length=300)]
Token = Annotated[str, Meta(max_length=4096)]


def stamp(at: datetime) -> str:
    """A time as it goes over the wire, e.g. `2026-11-23T01:04:05.678Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- Parts of frames -----------------------------------------------------------------------------------------


class Person(Struct, frozen=True):
    """An agent as others see them. `name_en` is empty when it does not differ."""

    id: int
    name: str
    name_en: str
    number: str


class MessageData(Struct, frozen=True, omit_defaults=True):
    """A message as both sides see it. `payload`: choices of a quick reply, the attachment, or the event's code."""

    seq: int
    type: str
    role: str
    name: str
    body: str
    at: str
    number: str = ""
    client_id: str = ""
    payload: dict[str, Any] = {}


class Row(Struct, frozen=True):
    """A conversation as the console's lists show it."""

    id: str
    status: str
    department: int
    agent: Person | None
    visitor_name: str
    level: str
    language: str
    subject: str
    priority: int
    last_seq: int
    unread: int
    excerpt: str
    started_at: str
    waiting_since: str
    unanswered_since: str | None
    last_message_at: str | None
    ended_by: str
    visitor_received: int
    visitor_read: int
    agent_received: int
    agent_read: int
    rating: int | None = None


class State(Struct, frozen=True):
    """A conversation as its visitor sees it."""

    id: str
    status: str
    agent: Person | None
    last_seq: int
    agent_received: int
    agent_read: int
    visitor_read: int
    rating: int | None


# -- Visitor to server ---------------------------------------------------------------------------------------


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
    """Everything up to and including `received` has arrived, up to `read` has been on a visible screen."""

    received: Seq
    read: Seq


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


class Ping(Struct, tag_field="kind", tag="ping"):
    pass


VisitorFrame = Hello | Start | Post | Typing | Seen | Fetch | End | Rate | Identify | Ping


# -- Console to server ---------------------------------------------------------------------------------------


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


# -- Server to both ------------------------------------------------------------------------------------------


class Welcome(Struct, tag_field="kind", tag="welcome", omit_defaults=True):
    """The answer to hello, start and identify: everything the box needs to be right again.

    `recovered` false: what the box shows belongs to another conversation, it starts from these messages.
    """

    token: str
    heartbeat_seconds: int
    state: State | None
    messages: list[MessageData]
    recovered: bool = True
    more: bool = False
    level: str = "anonymous"
    name: str = ""


class Accepted(Struct, tag_field="kind", tag="accepted"):
    client_id: str
    seq: int
    at: str


class Refused(Struct, tag_field="kind", tag="refused", omit_defaults=True):
    """`words` are for the reader. With `retry_after_ms` the same may be tried again; without it is final."""

    code: str
    words: str
    client_id: str = ""
    retry_after_ms: int = 0


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


class Queue(Struct, tag_field="kind", tag="queue"):
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


class Pong(Struct, tag_field="kind", tag="pong"):
    """The answer to ping. `head`: last seq of this socket's conversation, so that a lost last message shows."""

    head: int


class Bye(Struct, tag_field="kind", tag="bye"):
    code: str
    retry_after_ms: int


# -- Server to console ---------------------------------------------------------------------------------------


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


# -- Events between processes: what happened, and what is needed to route it ---------------------------------


class MessagePosted(Struct, tag_field="event", tag="message_posted"):
    pk: int
    message: MessageData
    row: Row


class ConversationChanged(Struct, tag_field="event", tag="conversation_changed"):
    """With what it was before, so that those who lose it from their lists hear of it."""

    pk: int
    row: Row
    was_status: str
    was_agent: int | None
    was_department: int


class NoteAdded(Struct, tag_field="event", tag="note_added"):
    pk: int
    note: NoteFrame
    agent: int | None


class TypingStarted(Struct, tag_field="event", tag="typing_started"):
    pk: int
    frame: TypingFrame


class SeenChanged(Struct, tag_field="event", tag="seen_changed"):
    pk: int
    frame: SeenFrame
    row: Row


class PresenceChanged(Struct, tag_field="event", tag="presence_changed"):
    frame: PresenceFrame


class AccessRevoked(Struct, tag_field="event", tag="access_revoked"):
    """A member of staff lost their rights, or this session of theirs (`session` empty: all of them)."""

    staff: int
    session: str = ""


Event = (
    MessagePosted
    | ConversationChanged
    | NoteAdded
    | TypingStarted
    | SeenChanged
    | PresenceChanged
    | AccessRevoked
)

_visitor_decoder = msgspec.json.Decoder(VisitorFrame)
_console_decoder = msgspec.json.Decoder(ConsoleFrame)
_event_decoder = msgspec.json.Decoder(Event)
_raw_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_encoder = msgspec.json.Encoder()

_VISITOR_KINDS = frozenset(cls.__struct_config__.tag for cls in VisitorFrame.__args__)
_CONSOLE_KINDS = frozenset(cls.__struct_config__.tag for cls in ConsoleFrame.__args__)

Side = Literal["visitor", "console"]


class BadFrame(ValueError):
    """A frame of a known kind, or of no kind at all, that is not as the protocol says. Holds no text of the frame."""


class _Kind(Struct):
    kind: str


_kind_decoder = msgspec.json.Decoder(_Kind)


def _decode(text: str, decoder: Any, known: frozenset[Any]) -> Any:
    if len(text) > MAX_FRAME_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
        raise BadFrame("too_long")
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if (whole := with_whole_characters(text)) != text:
            return _decode(whole, decoder, known)
        try:
            kind = _kind_decoder.decode(text).kind
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise BadFrame("not_a_frame") from error
        if kind not in known:
            return None
        raise BadFrame("bad_frame") from error


def with_whole_characters(text: str) -> str:
    """The same JSON with U+FFFD for each half of a character, which no database stores and msgspec refuses.

    JSON can name half a surrogate pair, and a browser sends it where an emoji was cut in two. Text that is no JSON
    comes back as it is.
    """
    if "\\ud" not in text.lower():
        return text
    try:
        whole = json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    mended = whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text if mended == whole else mended


def decode_visitor(text: str) -> VisitorFrame | None:
    """The frame, or None for a kind that this version does not know. Raises BadFrame."""
    frame: VisitorFrame | None = _decode(text, _visitor_decoder, _VISITOR_KINDS)
    return frame


def decode_console(text: str) -> ConsoleFrame | None:
    """The frame, or None for a kind that this version does not know. Raises BadFrame."""
    frame: ConsoleFrame | None = _decode(text, _console_decoder, _CONSOLE_KINDS)
    return frame


def encode(frame: Struct) -> str:
    return _encoder.encode(frame).decode()


def encode_events(events: list[Event]) -> bytes:
    return _encoder.encode(events)


def decode_events(data: bytes | str) -> list[Event]:
    """The events of a batch; those that this version does not know or understand are left out."""
    events: list[Event] = []
    try:
        batch = _raw_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return events
    for raw in batch:
        try:
            events.append(_event_decoder.decode(raw))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
    return events
