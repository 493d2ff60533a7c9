"""Finds which string of a frame or JSON body is too long or empty, from the error message of msgspec.

This runs only after decoding has failed, so it costs nothing for valid input.
"""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

# Matches, for example, "Expected `str` of length <= 2000 - at `$.body`". The path may also be `$.form[...]` or `key` in
# `$.form`.
_LENGTH = re.compile(r"Expected `str` of length (<=|>=) (\d+)(?P<path>.*)", re.DOTALL)
_NAME = re.compile(r"\.(\w+)")


@dataclass(frozen=True, slots=True)
class LengthViolation:
    """Describes a string that is longer than `limit` characters, or that is empty if `is_too_long` is false.

    `field` is the name of the string in the protocol. If it is "", the whole frame or body is longer than `limit`
    bytes.
    """

    field: str
    limit: int
    is_too_long: bool = True


class FrameHead(Struct):
    """The fields by which an invalid frame or body can still be identified. Their values may have any type."""

    kind: Any = None
    client_id: Any = None
    language: Any = None

    @property
    def id(self) -> str:
        """The `client_id` of the frame, or "" if it is missing or not a UUID."""
        try:
            return str(UUID(self.client_id))
        except (ValueError, TypeError, AttributeError):
            return ""


_head_decoder = msgspec.json.Decoder(FrameHead)


def length_violation_of(error: Exception) -> LengthViolation | None:
    """Return the length violation that an error of msgspec reports, or None for any other error."""
    match = _LENGTH.match(str(error)) if isinstance(error, msgspec.ValidationError) else None
    if match is None:
        return None
    names = _NAME.findall(match["path"])
    return LengthViolation(names[-1] if names else "", int(match[2]), match[1] == "<=")


def head_of(text: str | bytes) -> FrameHead:
    """Return the identifying fields of a frame or body that could not be decoded. The fields are empty if the text is
    not a JSON object."""
    try:
        return _head_decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return FrameHead()
