"""From text to frames and events, and back."""

import json
from typing import Any

import msgspec
from msgspec import Struct

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
    """A frame of a known kind, or of no kind at all, that is not as the protocol says. Holds no text of the frame."""


class _Kind(Struct):
    kind: str


_kind_decoder = msgspec.json.Decoder(_Kind)


def _decode(text: str, decoder: Any, known: frozenset[Any]) -> Any:
    # A character takes four bytes at most: only a long text needs to be counted.
    if len(text) * 4 > MAX_FRAME_BYTES and len(text.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
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
