"""The values of `Message.source` that this app writes: the version of a point, or the edition of a branch."""

import re
from collections.abc import Iterable

_POINT_SOURCE = re.compile(r"point/(\d{1,18})/(\d{1,9})")
_BRANCH_SOURCE = re.compile(r"place/(\d{1,18})/(\d{1,18})")


def point_version_in(source: str) -> tuple[int, int] | None:
    """Return (id of the point, number of the version), or None if the source names none."""
    match = _POINT_SOURCE.fullmatch(source)
    return (int(match[1]), int(match[2])) if match else None


def branch_edition_in(source: str) -> tuple[int, int] | None:
    """Return (id of the branch, its edition), or None if the source names none."""
    match = _BRANCH_SOURCE.fullmatch(source)
    return (int(match[1]), int(match[2])) if match else None


def message_text(answer: str, links: Iterable[tuple[str, str]]) -> str:
    """Return the message for the customer: the answer, and a line for each link (label, URL)."""
    return "\n".join(
        [answer, *(address if label == address else f"{label} {address}" for label, address in links)]
    )
