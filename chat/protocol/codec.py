"""Decodes and encodes frames and events."""

import json
from typing import Any

import msgspec
from msgspec import Struct

from chat.protocol.bounds import FrameHead, LengthViolation, head_of, length_violation_of
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
    """Raised for input that violates the protocol: an invalid frame of a known kind, or no frame at all.

    The error never contains text of the frame. It has the `client_id` of the frame, the `language` of a hello frame,
    and the `violation` if a string was too long or empty.
    """

    def __init__(
        self, reason: str, head: FrameHead | None = None, violation: LengthViolation | None = None
    ) -> None:
        super().__init__(reason)
        self.client_id = head.id if head else ""
        self.language = (
            head.language if head and head.kind == "hello" and isinstance(head.language, str) else ""
        )
        self.violation = violation


def _decode(text: str, decoder: Any, known: frozenset[Any]) -> Any:
    # A character has at most four bytes in UTF-8, so the bytes of short texts need not be counted.
    if len(text) * 4 > MAX_FRAME_BYTES and len(text.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
        raise BadFrame("too_long", head_of(text), _violation_of_long(text, decoder))
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if (repaired := replace_lone_surrogates(text)) != text:
            return _decode(repaired, decoder, known)
        head = head_of(text)
        if not isinstance(head.kind, str):
            raise BadFrame("not_a_frame") from error
        if head.kind not in known:
            return None
        raise BadFrame("bad_frame", head, length_violation_of(error)) from error


def _violation_of_long(text: str, decoder: Any) -> LengthViolation:
    """Return the length violation of an oversized frame.

    If a field of the frame is too long, it is the violation of that field's limit. Otherwise, it is the violation of
    the limit on the whole frame, in bytes.
    """
    try:
        decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if (violation := length_violation_of(error)) is not None and violation.is_too_long:
            return violation
    return LengthViolation("", MAX_FRAME_BYTES)


def replace_lone_surrogates(text: str) -> str:
    """Replace each lone surrogate in a JSON text with U+FFFD, because msgspec rejects it and databases cannot store it.

    A browser sends a lone surrogate when an emoji was cut in two. Text that is not JSON is returned unchanged.
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
    """Decode a frame from a visitor's socket. Returns None for an unknown kind. Raises BadFrame."""
    frame: VisitorFrame | None = _decode(text, _visitor_decoder, _VISITOR_KINDS)
    return frame


def decode_console(text: str) -> ConsoleFrame | None:
    """Decode a frame from a console's socket. Returns None for an unknown kind. Raises BadFrame."""
    frame: ConsoleFrame | None = _decode(text, _console_decoder, _CONSOLE_KINDS)
    return frame


def encode(frame: Struct) -> bytes:
    return _encoder.encode(frame)


def encode_events(events: list[Event]) -> bytes:
    return _encoder.encode(events)


def decode_events(data: bytes | str) -> list[Event]:
    """Decode a batch of events. Events of an unknown kind or with invalid fields are left out."""
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
