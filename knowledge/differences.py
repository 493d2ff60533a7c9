"""What is different between two texts, for the eye: characters in Chinese, whole words and figures otherwise."""

import re
import time
from collections.abc import Iterator
from typing import Literal, NamedTuple

from diff_match_patch import diff_match_patch

# Seconds for one comparison. What is not compared by then is shown as one change: right, but coarse.
SECONDS = 0.2
# Longer than an answer may be. Looking for repeats in longer texts passes the limit of time.
MAX_CHARACTERS = 5_000
_PIECES = re.compile(r"[A-Za-z]+|\d+(?:[.,]\d+)*|\s+|.", re.DOTALL)
# Private-use planes: one code point for each word of several characters, as the library compares characters.
_WORD_CODES = range(0xF0000, 0x10FFFE)


class Piece(NamedTuple):
    kind: Literal["same", "removed", "added"]
    text: str


_KINDS: dict[int, Literal["same", "removed", "added"]] = {-1: "removed", 0: "same", 1: "added"}


def differences(old: str, new: str, seconds: float = SECONDS) -> list[Piece]:
    """The texts in pieces: `same` and `removed` together are the old one, `same` and `added` the new one.

    Takes about `seconds` at most, whatever the texts are.
    """
    if old == new:
        return [Piece("same", old)] if old else []
    if max(len(old), len(new)) > MAX_CHARACTERS or seconds <= 0:
        return _one_change(old, new)
    codes = _Codes(old + new)
    library = diff_match_patch()
    library.Diff_Timeout = seconds
    before, after = codes.encoded(old), codes.encoded(new)
    found = library.diff_main(before, after, False, time.time() + seconds)
    # Joins changes over what is too short to be read between them.
    library.diff_cleanupSemantic(found)
    return [Piece(_KINDS[kind], codes.decoded(text)) for kind, text in found if text]


def _one_change(old: str, new: str) -> list[Piece]:
    pieces = [Piece("removed", old), Piece("added", new)]
    return [piece for piece in pieces if piece.text]


class _Codes:
    """Each word and figure as one code point that stands in neither text, so that none is cut in two."""

    def __init__(self, text: str) -> None:
        used = {ord(character) for character in text if character >= chr(_WORD_CODES.start)}
        self._free: Iterator[int] = (code for code in _WORD_CODES if code not in used)
        self._codes: dict[str, str] = {}
        self._words: dict[str, str] = {}

    def encoded(self, text: str) -> str:
        return "".join(self._code_of(piece) for piece in _PIECES.findall(text))

    def _code_of(self, piece: str) -> str:
        if len(piece) == 1:
            return piece
        code = self._codes.get(piece)
        if code is None:
            code = self._codes[piece] = chr(next(self._free))
            self._words[code] = piece
        return code

    def decoded(self, text: str) -> str:
        return "".join(self._words.get(code, code) for code in text)
