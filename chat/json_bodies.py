"""The JSON body of a request, decoded or refused."""

from typing import TypeVar

import msgspec

from chat.errors import refusal_of
from chat.protocol import broken_bound, replace_lone_surrogates

T = TypeVar("T")


def decode_body(body: bytes, kind: type[T]) -> T:
    """The body as `kind`. Raises TextTooLong and EmptyText with the field that is, and else BadRequest."""
    try:
        return msgspec.json.decode(replace_lone_surrogates(body.decode()), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise refusal_of(broken_bound(error)) from error
