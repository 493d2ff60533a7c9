"""Decodes the JSON body of an HTTP request."""

from typing import TypeVar

import msgspec

from chat.errors import decoding_refusal
from chat.protocol import length_violation_of, replace_lone_surrogates

T = TypeVar("T")


def decode_body(body: bytes, kind: type[T]) -> T:
    """Decode a JSON body into a value of type `kind`.

    Raises TextTooLong or EmptyText if a string is too long or empty, and BadRequest for any other error.
    """
    try:
        return msgspec.json.decode(replace_lone_surrogates(body.decode()), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise decoding_refusal(length_violation_of(error)) from error
