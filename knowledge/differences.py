"""What is different between two texts, for the eye: characters in Chinese, whole words and figures otherwise."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

_PIECES = re.compile(r"[A-Za-z]+|\d+(?:[.,]\d+)*|\s+|.", re.DOTALL)
# So little that stays between two changes says nothing: the whole is shown as one change.
_ISLAND = 1


class Piece(NamedTuple):
    kind: Literal["same", "removed", "added"]
    text: str


def differences(old: str, new: str) -> list[Piece]:
    """The texts in pieces: `same` and `removed` together are the old one, `same` and `added` the new one."""
    before, after = _PIECES.findall(old), _PIECES.findall(new)
    found: list[Piece] = []
    for kind, start, end, from_new, to_new in _blocks(before, after):
        if kind == "equal":
            found.append(Piece("same", "".join(before[start:end])))
            continue
        if end > start:
            found.append(Piece("removed", "".join(before[start:end])))
        if to_new > from_new:
            found.append(Piece("added", "".join(after[from_new:to_new])))
    return found


def _blocks(before: list[str], after: list[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """As difflib gives them, changes joined over what is too small to read between them."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    joined: list[tuple[str, int, int, int, int]] = []
    for index, (kind, *place) in enumerate(blocks):
        is_island = kind == "equal" and 0 < index < len(blocks) - 1 and place[1] - place[0] <= _ISLAND
        tag = "equal" if kind == "equal" and not is_island else "change"
        if joined and joined[-1][0] == tag == "change":
            _tag, start, _end, from_new, _to_new = joined[-1]
            joined[-1] = (tag, start, place[1], from_new, place[3])
        else:
            joined.append((tag, place[0], place[1], place[2], place[3]))
    yield from joined
