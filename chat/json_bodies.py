"""Decode the JSON body of a request, or refuse it."""

from typing import TypeVar

import msgspec

from chat.errors import decoding_refusal
from chat.protocol import length_violation_of, replace_lone_surrogates

T = TypeVar("T")


def decode_body(body: bytes, kind: type[T]) -> T:
    """Decode the body as `kind`. Raises TextTooLong or EmptyText for a string of wrong length, else BadRequest."""
    try:
        return msgspec.json.decode(replace_lone_surrogates(body.decode()), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise decoding_refusal(length_violation_of(error)) from error
