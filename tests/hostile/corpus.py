"""Strings that break naive handling of input, and what may become of them on the way: nothing else may.

`strings.json` is our own. Where the data stands beside the checkout, its naughty_strings and xss_payloads come too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent.parent / "shared" / "data"
BODY, COMMENT, NAME, TITLE = 2000, 500, 60, 80


def own_by_kind() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((HERE / "strings.json").read_text(encoding="utf-8"))
    return found


def own() -> list[str]:
    return [text for texts in own_by_kind().values() for text in texts]


def naughty() -> list[str]:
    """minimaxir/big-list-of-naughty-strings; empty where the data is not at hand."""
    file = DATA / "naughty_strings" / "blns.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def payloads() -> list[str]:
    """payloadbox/xss-payload-list, one a line; empty where the data is not at hand."""
    file = DATA / "xss_payloads" / "xss-payload-list.txt"
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []


# -- What may become of a string: docs/text.md ---------------------------------------------------------------


def as_text(text: str) -> str:
    """As a message, a note, a comment: without NUL and outer white space, half characters as U+FFFD."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\x00", "").strip()


def as_line(text: str, longest: int) -> str:
    """As a name or a title: besides, on one line, and cut."""
    return " ".join(as_text(text).split())[:longest].rstrip()


def texts(strings: Sequence[str], longest: int = BODY) -> list[str]:
    """Each of them as a text, in pieces where it is longer than one may be; those that come to nothing left out."""
    pieces = (text[i : i + longest] for text in strings for i in range(0, len(text), longest))
    return [text for piece in pieces if (text := as_text(piece))]


def packed(strings: Sequence[str], longest: int) -> list[str]:
    """The same, many to a text, each on a line of its own: fewer texts, every letter."""
    found: list[str] = []
    for text in texts(strings, longest):
        if found and len(found[-1]) + 1 + len(text) <= longest:
            found[-1] += "\n" + text
        else:
            found.append(text)
    return found


def lines(strings: Sequence[str], longest: int) -> list[str]:
    """Each of them as a line, once; those that come to nothing left out."""
    return [line for line in dict.fromkeys(as_line(text, longest) for text in strings) if line]


def batches(strings: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for i in range(0, len(strings), size):
        yield strings[i : i + size]


# Code that a payload would run calls one of these, or asks another host.
CALLS = re.compile(r"alert|confirm|prompt|__pwned")
