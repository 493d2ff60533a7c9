"""Differences between two texts for a reader: by character in Chinese, by whole words and numbers otherwise."""

import re
import time
from collections.abc import Iterator
from typing import Literal, NamedTuple

from diff_match_patch import diff_match_patch

# The time limit of one comparison, in seconds. Any text not compared by then is shown as one change, which is correct
# but coarse.
SECONDS = 0.2
# The maximum length of a text to compare. An answer is never longer. In longer texts the search for repeats exceeds the
# time limit.
MAX_CHARACTERS = 5_000
_PIECES = re.compile(r"[A-Za-z]+|\d+(?:[.,]\d+)*|\s+|.", re.DOTALL)
# diff-match-patch compares characters, so each longer word is replaced by one code point of the private-use planes.
_WORD_CODES = range(0xF0000, 0x10FFFE)


class Piece(NamedTuple):
    kind: Literal["same", "removed", "added"]
    text: str


_KINDS: dict[int, Literal["same", "removed", "added"]] = {-1: "removed", 0: "same", 1: "added"}


def differences(old: str, new: str, seconds: float = SECONDS) -> list[Piece]:
    """Split two texts into pieces. The `same` and `removed` pieces together make the old text, and the `same` and
    `added` pieces make the new one.

    Takes at most about `seconds`, whatever the texts are.
    """
    if old == new:
        return [Piece("same", old)] if old else []
    if max(len(old), len(new)) > MAX_CHARACTERS or seconds <= 0:
        return _one_change(old, new)
    codes = _WordCodes(old + new)
    matcher = diff_match_patch()
    matcher.Diff_Timeout = seconds
    before, after = codes.encode(old), codes.encode(new)
    changes = matcher.diff_main(before, after, False, time.time() + seconds)
    # Merge changes that are separated by only a few equal characters, because such small fragments are unreadable.
    matcher.diff_cleanupSemantic(changes)
    return [Piece(_KINDS[kind], codes.decode(text)) for kind, text in changes if text]


def _one_change(old: str, new: str) -> list[Piece]:
    pieces = [Piece("removed", old), Piece("added", new)]
    return [piece for piece in pieces if piece.text]


class _WordCodes:
    """Maps each word and number to one code point that occurs in neither text, so that a diff never splits a word."""

    def __init__(self, text: str) -> None:
        used = {ord(character) for character in text if character >= chr(_WORD_CODES.start)}
        self._free: Iterator[int] = (code for code in _WORD_CODES if code not in used)
        self._codes: dict[str, str] = {}
        self._words: dict[str, str] = {}

    def encode(self, text: str) -> str:
        return "".join(self._code_of(piece) for piece in _PIECES.findall(text))

    def _code_of(self, piece: str) -> str:
        if len(piece) == 1:
            return piece
        code = self._codes.get(piece)
        if code is None:
            code = self._codes[piece] = chr(next(self._free))
            self._words[code] = piece
        return code

    def decode(self, text: str) -> str:
        return "".join(self._words.get(code, code) for code in text)
