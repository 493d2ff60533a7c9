"""Decode and encode frames and events."""

import json
from typing import Any
from uuid import UUID

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
# Kinds that carry text typed by a person: their refusal says whether it was too long or empty.
_KINDS_WITH_TEXT = frozenset({"post", "start", "rate"})
_CONSOLE_KINDS = frozenset(cls.__struct_config__.tag for cls in ConsoleFrame.__args__)


class BadFrame(ValueError):
    """A frame that violates the protocol: of a known kind but invalid, or not a frame at all.

    It holds no text of the frame, only its `client_id`, if any, and the `code` of the refusal (`chat/errors.py`).
    """

    def __init__(self, reason: str, client_id: str = "", code: str = "bad_frame") -> None:
        super().__init__(reason)
        self.client_id = client_id
        self.code = code


class _FrameHead(Struct):
    kind: str
    client_id: UUID | None = None


class _Kind(Struct):
    kind: str


_head_decoder = msgspec.json.Decoder(_FrameHead)
_kind_decoder = msgspec.json.Decoder(_Kind)


def _decode(text: str, decoder: Any, known: frozenset[Any]) -> Any:
    # A character has at most four bytes in UTF-8, so only long texts need to be encoded and counted.
    if len(text) * 4 > MAX_FRAME_BYTES and len(text.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
        head = _head_of(text)
        raise _bad("too_long", head, "length <=")
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if (repaired := replace_lone_surrogates(text)) != text:
            return _decode(repaired, decoder, known)
        head = _head_of(text)
        if head is None:
            raise BadFrame("not_a_frame") from error
        if head.kind not in known:
            return None
        raise _bad("bad_frame", head, str(error)) from error


def _head_of(text: str) -> _FrameHead | None:
    """Return `kind` and `client_id` of a frame whose other fields may be invalid; None if it is not a frame."""
    for decoder in (_head_decoder, _kind_decoder):
        try:
            head = decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
        return head if isinstance(head, _FrameHead) else _FrameHead(head.kind)
    return None


def _bad(reason: str, head: _FrameHead | None, why: str) -> BadFrame:
    """Make the error with the refusal code for the author of the text.

    `why` is the message of msgspec, which has no error codes: its wording tells which length was violated.
    """
    code = "bad_frame"
    if head is not None and head.kind in _KINDS_WITH_TEXT:
        code = "too_long" if "length <=" in why else "empty" if "length >=" in why else code
    return BadFrame(reason, str(head.client_id or "") if head else "", code)


def replace_lone_surrogates(text: str) -> str:
    """Replace each lone surrogate in a JSON text by U+FFFD: databases cannot store it and msgspec rejects it.

    A browser sends half a surrogate pair when an emoji was cut in two. Text that is not JSON is returned unchanged.
    """
    if "\\ud" not in text.lower():
        return text
    try:
        decoded = json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    repaired = decoded.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text if repaired == decoded else repaired


def decode_visitor(text: str) -> VisitorFrame | None:
    """Decode a visitor's frame. Returns None for an unknown kind. Raises BadFrame."""
    frame: VisitorFrame | None = _decode(text, _visitor_decoder, _VISITOR_KINDS)
    return frame


def decode_console(text: str) -> ConsoleFrame | None:
    """Decode a console's frame. Returns None for an unknown kind. Raises BadFrame."""
    frame: ConsoleFrame | None = _decode(text, _console_decoder, _CONSOLE_KINDS)
    return frame


def encode(frame: Struct) -> bytes:
    return _encoder.encode(frame)


def encode_events(events: list[Event]) -> bytes:
    return _encoder.encode(events)


def decode_events(data: bytes | str) -> list[Event]:
    """Decode a batch of events, leaving out those of an unknown kind or with invalid fields."""
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
