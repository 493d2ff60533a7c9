"""Searches titles by sound: full pinyin with every reading of each character, initials, and both mixed with characters.

All titles are joined into one string. The index maps each reading to the positions of the characters that have it, and
a search follows a spelling from position to position. This finds any combination of readings without storing the
combinations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from core.text.pinyin import readings_of, without_similar_sounds

Positions = NDArray[np.int64]
# The maximum number of letters of a spelling (the rest is ignored), and the length of the longest syllable.
MAX_LETTERS, MAX_SYLLABLE_LETTERS = 60, 6
# A spelling that is only the start of a single syllable must have at least this number of letters to be searched.
MIN_SYLLABLE_LETTERS = 4
_NONE: Positions = np.zeros(0, np.int64)


class PinyinIndex:
    """The titles of many entries, to be searched by their sound."""

    def __init__(self, titles: Sequence[str]) -> None:
        """Build the index. `titles` contain only letters, digits and Chinese characters."""
        joined = "\0".join(titles)
        self._starts = np.array(list(accumulate((len(title) + 1 for title in titles), initial=0)), np.int64)
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        self._size = len(codes)
        order = np.argsort(codes, kind="stable")
        values, starts = np.unique(codes[order], return_index=True)
        self._positions = {
            chr(value): positions
            for value, positions in zip(values, np.split(order, starts)[1:], strict=True)
            if value
        }
        self._with_reading: dict[str, set[str]] = defaultdict(set)
        self._starting_with: dict[str, set[str]] = defaultdict(set)
        self._with_similar_reading: dict[str, set[str]] = defaultdict(set)
        for character in self._positions:
            for reading in readings_of(character):
                self._with_reading[reading].add(character)
                self._with_similar_reading[without_similar_sounds(reading)].add(character)
                for length in range(1, len(reading) + 1):
                    self._starting_with[reading[:length]].add(character)
        self._followers: dict[tuple[CharacterLookup, str], Positions] = {}

    def read_as(self, spelling: str) -> set[int]:
        """Return the entries whose title contains these syllables; the last syllable may be incomplete.

        If there are none, returns those that differ only in sounds that many people confuse (zh and z, ng and n).
        """
        return self._follow(spelling, PinyinIndex._chars_read_as) or self._follow(
            spelling, PinyinIndex._chars_read_similarly
        )

    def sounds_like(self, characters: str) -> set[int]:
        """Return the entries whose title contains characters that sound like these."""
        return self._follow(characters, PinyinIndex._chars_sounding_like)

    def with_initials(self, letters: str) -> dict[int, bool]:
        """Return the entries whose title contains these initials, and whether it starts with them."""
        positions: Positions | None = None
        for letter in letters[:MAX_LETTERS]:
            positions = self._next(positions, PinyinIndex._chars_starting_with, letter)
            if not len(positions):
                return {}
        if positions is None:
            return {}
        starts = positions - len(letters[:MAX_LETTERS])
        matches: dict[int, bool] = {}
        for entry, start in zip(self._entries(starts).tolist(), starts.tolist(), strict=True):
            matches[entry] = matches.get(entry, False) or start == self._starts[entry]
        return matches

    # -- the characters that a part of a spelling may stand for ------------------------------------------

    def _chars_read_as(self, part: str) -> set[str]:
        return self._with_reading.get(part, set())

    def _chars_read_similarly(self, part: str) -> set[str]:
        return self._with_similar_reading.get(without_similar_sounds(part), set())

    def _chars_starting_with(self, part: str) -> set[str]:
        return self._starting_with.get(part, set())

    def _chars_sounding_like(self, part: str) -> set[str]:
        readings = readings_of(part) if len(part) == 1 else ()
        return {other for reading in readings for other in self._with_reading.get(reading, ())}

    # -- following a spelling ----------------------------------------------------------------------------

    def _follow(self, spelling: str, lookup: CharacterLookup) -> set[int]:
        spelling = spelling[:MAX_LETTERS]
        # `reached[n]` contains the positions in the titles at which a reading of the first n letters may end.
        reached: list[list[Positions]] = [[] for _ in range(len(spelling) + 1)]
        for offset in range(len(spelling)):
            if offset and not reached[offset]:
                continue
            before = np.concatenate(reached[offset]) if offset else None
            for part in _syllables(spelling, offset):
                is_last = offset + len(part) == len(spelling) and (
                    offset or len(part) >= MIN_SYLLABLE_LETTERS
                )
                for kind in (lookup, PinyinIndex._chars_starting_with) if is_last else (lookup,):
                    positions = self._next(before, kind, part)
                    if len(positions):
                        reached[offset + len(part)].append(positions)
        ends = reached[-1]
        return set(self._entries(np.concatenate(ends) - 1).tolist()) if ends else set()

    def _next(self, before: Positions | None, lookup: CharacterLookup, part: str) -> Positions:
        """Return the positions that follow a matching character.

        A character matches if `lookup` returns it for the part and it stands at one of the positions `before`, or
        anywhere if `before` is None.
        """
        followers = self._followers.get((lookup, part))
        if followers is None:
            positions = [self._positions[character] for character in lookup(self, part)]
            if not positions:
                return _NONE
            followers = self._followers[lookup, part] = np.concatenate(positions) + 1
        if before is None:
            return followers
        is_before = np.zeros(self._size + 2, dtype=bool)
        is_before[before] = True
        return followers[is_before[followers - 1]]

    def _entries(self, positions: Positions) -> Positions:
        entries: Positions = np.searchsorted(self._starts, positions, side="right") - 1
        return entries


CharacterLookup = Callable[[PinyinIndex, str], set[str]]


def _syllables(spelling: str, offset: int) -> Iterator[str]:
    """Yield every part of the spelling that begins at this offset and is short enough for a syllable."""
    for length in range(1, min(MAX_SYLLABLE_LETTERS, len(spelling) - offset) + 1):
        yield spelling[offset : offset + length]
