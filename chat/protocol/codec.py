"""From text to frames and events, and back."""

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
# What people write goes in these: the refusal says that it was too long.
_KINDS_WITH_TEXT = frozenset({"post", "start", "rate"})
_CONSOLE_KINDS = frozenset(cls.__struct_config__.tag for cls in ConsoleFrame.__args__)


class BadFrame(ValueError):
    """A frame of a known kind, or of no kind at all, that is not as the protocol says.

    Holds no text of the frame: only the `client_id` that it is about, where it names one, and the `code` of its refusal
    (`chat/errors.py`).
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
    # A character takes four bytes at most: only a long text needs to be counted.
    if len(text) * 4 > MAX_FRAME_BYTES and len(text.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
        head = _head_of(text)
        raise _bad("too_long", head, "length <=")
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if (whole := replace_lone_surrogates(text)) != text:
            return _decode(whole, decoder, known)
        head = _head_of(text)
        if head is None:
            raise BadFrame("not_a_frame") from error
        if head.kind not in known:
            return None
        raise _bad("bad_frame", head, str(error)) from error


def _head_of(text: str) -> _FrameHead | None:
    """What a frame says of itself, however wrong the rest is; None where it is no frame at all."""
    for decoder in (_head_decoder, _kind_decoder):
        try:
            head = decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
        return head if isinstance(head, _FrameHead) else _FrameHead(head.kind)
    return None


def _bad(reason: str, head: _FrameHead | None, why: str) -> BadFrame:
    """The error, with the code that tells the writer of the words. `why` is what msgspec says: it gives no code."""
    code = "bad_frame"
    if head is not None and head.kind in _KINDS_WITH_TEXT:
        code = "too_long" if "length <=" in why else "empty" if "length >=" in why else code
    return BadFrame(reason, str(head.client_id or "") if head else "", code)


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
