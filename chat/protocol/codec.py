"""From text to frames and events, and back."""

import json
from typing import Any

import msgspec
from msgspec import Struct

from chat.protocol.bounds import BrokenBound, Head, broken_bound, head_of
from chat.protocol.console import ConsoleFrame
from chat.protocol.events import Event
from chat.protocol.parts import MAX_FRAME_BYTES
from chat.protocol.visitor import VisitorFrame

_visitor_decoder = msgspec.json.Decoder(VisitorFrame)
_console_decoder = msgspec.json.Decoder(ConsoleFrame)
_event_decoder = msgspec.json.Decoder(Event)
_raw_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_encoder = msgspec.json.Encoder()

_VISITOR_KINDS = frozenset(cls.__struct_config__.tag for cls in VisitorFrame.__args__)
_CONSOLE_KINDS = frozenset(cls.__struct_config__.tag for cls in ConsoleFrame.__args__)


class BadFrame(ValueError):
    """A frame of a known kind, or of no kind at all, that is not as the protocol says.

    Holds no text of the frame: only the `client_id` that it is about, where it names one, the `language` of a hello,
    and the `bound` that was broken when a string was too long or empty.
    """

    def __init__(self, reason: str, head: Head | None = None, bound: BrokenBound | None = None) -> None:
        super().__init__(reason)
        self.client_id = head.id if head else ""
        self.language = (
            head.language if head and head.kind == "hello" and isinstance(head.language, str) else ""
        )
        self.bound = bound


def _decode(text: str, decoder: Any, known: frozenset[Any]) -> Any:
    # A character takes four bytes at most: only a long text needs to be counted.
    if len(text) * 4 > MAX_FRAME_BYTES and len(text.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
        raise BadFrame("too_long", head_of(text), _bound_of_long(text, decoder))
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if (whole := replace_lone_surrogates(text)) != text:
            return _decode(whole, decoder, known)
        head = head_of(text)
        if not isinstance(head.kind, str):
            raise BadFrame("not_a_frame") from error
        if head.kind not in known:
            return None
        raise BadFrame("bad_frame", head, broken_bound(error)) from error


def _bound_of_long(text: str, decoder: Any) -> BrokenBound:
    """What is too long in a frame that is too long: one of its fields, or else all of it, in bytes."""
    try:
        decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if (bound := broken_bound(error)) is not None and bound.is_too_long:
            return bound
    return BrokenBound("", MAX_FRAME_BYTES)


def replace_lone_surrogates(text: str) -> str:
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


def encode(frame: Struct) -> bytes:
    return _encoder.encode(frame)


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
