"""Which string of a frame or a JSON body is too long or empty, by what msgspec says of it.

Only looked at when decoding has failed: what is good costs nothing more.
"""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

# "Expected `str` of length <= 2000 - at `$.body`"; a path may also be `$.form[...]`, or `key` in `$.form`.
_LENGTH = re.compile(r"Expected `str` of length (<=|>=) (\d+)(?P<path>.*)", re.DOTALL)
_NAME = re.compile(r"\.(\w+)")


@dataclass(frozen=True, slots=True)
class BrokenBound:
    """`field` as the protocol names it; `limit` in characters. With `is_too_long` false the string is empty."""

    field: str
    limit: int
    is_too_long: bool = True


class Head(Struct):
    """What a frame or body says of itself, however wrong the rest is. Its fields may be of any type."""

    kind: Any = None
    client_id: Any = None
    language: Any = None

    @property
    def id(self) -> str:
        """The `client_id`, or "" when it is none."""
        try:
            return str(UUID(self.client_id))
        except (ValueError, TypeError, AttributeError):
            return ""


_head_decoder = msgspec.json.Decoder(Head)


def broken_bound(error: Exception) -> BrokenBound | None:
    """The bound that a string has broken; None when something else is wrong."""
    said = _LENGTH.match(str(error)) if isinstance(error, msgspec.ValidationError) else None
    if said is None:
        return None
    names = _NAME.findall(said["path"])
    return BrokenBound(names[-1] if names else "", int(said[2]), said[1] == "<=")


def head_of(text: str | bytes) -> Head:
    """The head of what could not be decoded; an empty one when it is no JSON object."""
    try:
        return _head_decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Head()
