"""Find the string of a frame or JSON body that is too long or empty, from the error message of msgspec.

Used only after decoding has failed, so that valid input costs nothing extra.
"""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

# For example "Expected `str` of length <= 2000 - at `$.body`". The path may also be `$.form[...]` or `key` in `$.form`.
_LENGTH = re.compile(r"Expected `str` of length (<=|>=) (\d+)(?P<path>.*)", re.DOTALL)
_NAME = re.compile(r"\.(\w+)")


@dataclass(frozen=True, slots=True)
class LengthViolation:
    """A string whose length is not allowed: longer than `limit` characters or, if not `is_too_long`, empty.

    `field` is its name in the protocol, or "" for the whole frame or body, whose `limit` is in bytes.
    """

    field: str
    limit: int
    is_too_long: bool = True


class FrameHead(Struct):
    """Fields that identify a frame or body which is otherwise invalid. Their values may have any type."""

    kind: Any = None
    client_id: Any = None
    language: Any = None

    @property
    def id(self) -> str:
        """The `client_id`, or "" when it is missing or not a UUID."""
        try:
            return str(UUID(self.client_id))
        except (ValueError, TypeError, AttributeError):
            return ""


_head_decoder = msgspec.json.Decoder(FrameHead)


def length_violation_of(error: Exception) -> LengthViolation | None:
    """Return the length violation that a decoding error reports; None for any other error."""
    match = _LENGTH.match(str(error)) if isinstance(error, msgspec.ValidationError) else None
    if match is None:
        return None
    names = _NAME.findall(match["path"])
    return LengthViolation(names[-1] if names else "", int(match[2]), match[1] == "<=")


def head_of(text: str | bytes) -> FrameHead:
    """Return the head of a frame or body that could not be decoded; an empty one if it is not a JSON object."""
    try:
        return _head_decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return FrameHead()
