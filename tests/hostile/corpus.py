"""Strings that break careless handling of input, and the only changes that the service may make to them.

`strings.json` has strings of our own. If there is a folder with shared data beside the checkout, its naughty_strings
and xss_payloads are added.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent.parent / "shared" / "data"
MAX_BODY, MAX_COMMENT, MAX_NAME, MAX_TITLE = 2000, 500, 60, 80


def own_by_kind() -> dict[str, list[str]]:
    strings: dict[str, list[str]] = json.loads((HERE / "strings.json").read_text(encoding="utf-8"))
    return strings


def own() -> list[str]:
    return [text for texts in own_by_kind().values() for text in texts]


def naughty() -> list[str]:
    """Return the strings of minimaxir/big-list-of-naughty-strings, or an empty list if the shared data is missing."""
    file = DATA / "naughty_strings" / "blns.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def payloads() -> list[str]:
    """Return the strings of payloadbox/xss-payload-list, or an empty list if the shared data is missing."""
    file = DATA / "xss_payloads" / "xss-payload-list.txt"
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []


# -- Permitted changes of a string: docs/text.md --------------------------------------------------------------


def as_text(text: str) -> str:
    """Return a message, note or comment as the service should store it.

    NUL and surrounding white space are removed, and lone surrogates become U+FFFD.
    """
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\x00", "").strip()


def as_line(text: str, max_length: int) -> str:
    """Return a name or title as the service should store it: like `as_text`, but also on one line and truncated."""
    return " ".join(as_text(text).split())[:max_length].rstrip()


def texts(strings: Sequence[str], max_length: int = MAX_BODY) -> list[str]:
    """Split the strings into pieces of at most `max_length`, and clean each piece with `as_text`. Empty pieces are left
    out."""
    pieces = (text[i : i + max_length] for text in strings for i in range(0, len(text), max_length))
    return [text for piece in pieces if (text := as_text(piece))]


def packed(strings: Sequence[str], max_length: int) -> list[str]:
    """Clean the strings with `texts`, and join as many as fit into one text, each on a line of its own.

    The result has fewer texts than `texts` returns, but still contains every character.
    """
    joined: list[str] = []
    for text in texts(strings, max_length):
        if joined and len(joined[-1]) + 1 + len(text) <= max_length:
            joined[-1] += "\n" + text
        else:
            joined.append(text)
    return joined


def lines(strings: Sequence[str], max_length: int) -> list[str]:
    """Clean each string with `as_line`. Duplicates and empty lines are left out."""
    return [line for line in dict.fromkeys(as_line(text, max_length) for text in strings) if line]


def batches(strings: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for i in range(0, len(strings), size):
        yield strings[i : i + size]


# If the code of a payload runs, it calls one of these functions or sends a request to another host.
CALLS = re.compile(r"alert|confirm|prompt|__pwned")
