"""Titles by how they sound: pinyin with every reading of each character, first letters, and both mixed with characters.

Every character of all titles has a place in one long row. A reading leads to the places of the characters that have it,
and a spelling is followed from place to place, so any combination of readings is found and none is written down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from core.text.pinyin import readings_of, without_similar_sounds

Positions = NDArray[np.int64]
# Letters of a spelling that are looked at, and of the longest syllable.
MOST_LETTERS, LONGEST = 60, 6
# Letters from which on the beginning of one syllable alone is looked for.
FEWEST = 4
_NONE: Positions = np.zeros(0, np.int64)


class PinyinIndex:
    """The titles of many entries, ready to be searched by their sound."""

    def __init__(self, titles: Sequence[str]) -> None:
        """`titles`: letters, digits and Chinese characters alone."""
        row = "\0".join(titles)
        self._begins = np.array(list(accumulate((len(title) + 1 for title in titles), initial=0)), np.int64)
        codes = np.frombuffer(row.encode("utf-32-le", "surrogatepass"), np.uint32)
        self._size = len(codes)
        order = np.argsort(codes, kind="stable")
        values, starts = np.unique(codes[order], return_index=True)
        self._places = {
            chr(value): places
            for value, places in zip(values, np.split(order, starts)[1:], strict=True)
            if value
        }
        self._read_as: dict[str, set[str]] = defaultdict(set)
        self._begin_with: dict[str, set[str]] = defaultdict(set)
        self._blurred: dict[str, set[str]] = defaultdict(set)
        for character in self._places:
            for reading in readings_of(character):
                self._read_as[reading].add(character)
                self._blurred[without_similar_sounds(reading)].add(character)
                for length in range(1, len(reading) + 1):
                    self._begin_with[reading[:length]].add(character)
        self._followers: dict[tuple[Sounding, str], Positions] = {}

    def read_as(self, spelling: str) -> set[int]:
        """The entries whose title holds these syllables, the last perhaps unfinished; where there is none, those that
        differ in what many do not tell apart (zh and z, ng and n)."""
        return self._followed(spelling, PinyinIndex._exact) or self._followed(spelling, PinyinIndex._nearly)

    def sounds_like(self, characters: str) -> set[int]:
        """The entries whose title holds characters that may be read as these."""
        return self._followed(characters, PinyinIndex._sounding)

    def with_initials(self, letters: str) -> dict[int, bool]:
        """The entries whose title holds these first letters, and whether it begins with them."""
        places: Positions | None = None
        for letter in letters[:MOST_LETTERS]:
            places = self._next(places, PinyinIndex._beginning, letter)
            if not len(places):
                return {}
        if places is None:
            return {}
        begins = places - len(letters[:MOST_LETTERS])
        found: dict[int, bool] = {}
        for entry, begin in zip(self._entries(begins).tolist(), begins.tolist(), strict=True):
            found[entry] = found.get(entry, False) or begin == self._begins[entry]
        return found

    # -- the characters that a part of a spelling stands for ---------------------------------------------

    def _exact(self, part: str) -> set[str]:
        return self._read_as.get(part, set())

    def _nearly(self, part: str) -> set[str]:
        return self._blurred.get(without_similar_sounds(part), set())

    def _beginning(self, part: str) -> set[str]:
        return self._begin_with.get(part, set())

    def _sounding(self, part: str) -> set[str]:
        readings = readings_of(part) if len(part) == 1 else ()
        return {other for reading in readings for other in self._read_as.get(reading, ())}

    # -- following a spelling ----------------------------------------------------------------------------

    def _followed(self, spelling: str, sounding: Sounding) -> set[int]:
        spelling = spelling[:MOST_LETTERS]
        reached: list[list[Positions]] = [[] for _ in range(len(spelling) + 1)]
        for at in range(len(spelling)):
            if at and not reached[at]:
                continue
            before = np.concatenate(reached[at]) if at else None
            for part in _parts(spelling, at):
                is_last = at + len(part) == len(spelling) and (at or len(part) >= FEWEST)
                for kind in (sounding, PinyinIndex._beginning) if is_last else (sounding,):
                    places = self._next(before, kind, part)
                    if len(places):
                        reached[at + len(part)].append(places)
        ends = reached[-1]
        return set(self._entries(np.concatenate(ends) - 1).tolist()) if ends else set()

    def _next(self, before: Positions | None, sounding: Sounding, part: str) -> Positions:
        """The places after those where the part is heard, right at the places `before`."""
        found = self._followers.get((sounding, part))
        if found is None:
            places = [self._places[character] for character in sounding(self, part)]
            if not places:
                return _NONE
            found = self._followers[sounding, part] = np.concatenate(places) + 1
        if before is None:
            return found
        is_before = np.zeros(self._size + 2, dtype=bool)
        is_before[before] = True
        return found[is_before[found - 1]]

    def _entries(self, places: Positions) -> Positions:
        found: Positions = np.searchsorted(self._begins, places, side="right") - 1
        return found


Sounding = Callable[[PinyinIndex, str], set[str]]


def _parts(spelling: str, at: int) -> Iterator[str]:
    for length in range(1, min(LONGEST, len(spelling) - at) + 1):
        yield spelling[at : at + length]
