"""`Message.source` as this app writes it: which words an answer was made from."""

import re

_SOURCE = re.compile(r"point/(\d{1,18})/(\d{1,9})")


def named_in(source: str) -> tuple[int, int] | None:
    """(id of the point, number of the version), or None where it names none."""
    match = _SOURCE.fullmatch(source)
    return (int(match[1]), int(match[2])) if match else None
