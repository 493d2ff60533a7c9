"""`Message.source` as this app writes it: which words an answer was made from."""

import re
from collections.abc import Iterable

_SOURCE = re.compile(r"point/(\d{1,18})/(\d{1,9})")
_PLACE = re.compile(r"place/(\d{1,18})/(\d{1,18})")


def named_in(source: str) -> tuple[int, int] | None:
    """(id of the point, number of the version), or None where it names none."""
    match = _SOURCE.fullmatch(source)
    return (int(match[1]), int(match[2])) if match else None


def place_in(source: str) -> tuple[int, int] | None:
    """(id of the branch, its edition), or None where it names none."""
    match = _PLACE.fullmatch(source)
    return (int(match[1]), int(match[2])) if match else None


def text_of(answer: str, links: Iterable[tuple[str, str]]) -> str:
    """The words that go to the customer: the answer, and a line for each link."""
    return "\n".join(
        [answer, *(address if words == address else f"{words} {address}" for words, address in links)]
    )
