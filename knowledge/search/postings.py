"""BM25 over the words of entries, laid out so that one entry's change needs no other's words again."""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]

# BM25's constants.
K1, B = 1.2, 0.75


class TermCounts(NamedTuple):
    """The words of one entry by their numbers, how often each stands there, and how many they are together."""

    words: Ints
    counts: Floats
    size: float

    def without(self, words: Sequence[int]) -> "TermCounts":
        """As if these words, each as often as it stands among them, had not been in the entry."""
        fewer = Counter(words)
        counts = np.array([max(0.0, count - fewer[word]) for word, count in zip(*self[:2], strict=True)])
        return TermCounts(self.words, counts.astype(np.float32), max(0.0, self.size - len(words)))


class Vocabulary:
    """The numbers of words. It only grows, so snapshots of an index share it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._growing = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    def words(self) -> Iterable[str]:
        # A copy in one step: another thread may add words meanwhile.
        return list(self._numbers)

    def count(self, counts: Counter[str]) -> TermCounts:
        with self._growing:
            numbers = [self._numbers.setdefault(word, len(self._numbers)) for word in counts]
        values = np.fromiter(counts.values(), np.float32, len(counts))
        return TermCounts(np.array(numbers, np.int32), values, float(values.sum()))

    def numbers(self, words: Iterable[str]) -> list[int]:
        """The numbers of those that any entry has, as often as they stand there."""
        return [self._numbers[word] for word in words if word in self._numbers]

    def known(self, words: Iterable[str]) -> Ints:
        """The numbers of those that any entry has, each once."""
        found = {self._numbers.get(word, -1) for word in words}
        found.discard(-1)
        return np.fromiter(found, np.int32, len(found))


class Postings:
    """For each word the entries that have it, one after the other, with what it says for each."""

    def __init__(self, entries: Sequence[TermCounts], words: int) -> None:
        self._entries = len(entries)
        sizes = np.array([entry.size for entry in entries], np.float32)
        self._mean = float(sizes.mean()) if len(sizes) and sizes.any() else 1.0
        lengths = [len(entry.words) for entry in entries]
        word = np.concatenate([entry.words for entry in entries] or [np.zeros(0, np.int32)])
        count = np.concatenate([entry.counts for entry in entries] or [np.zeros(0, np.float32)])
        owner = np.repeat(np.arange(len(entries), dtype=np.int32), lengths)
        spread = np.bincount(word, minlength=words)
        self._rarity = np.log(1 + (len(entries) - spread + 0.5) / (spread + 0.5)).astype(np.float32)
        order = np.argsort(word, kind="stable")
        word, count, self._owner = word[order], count[order], owner[order]
        length = K1 * (1 - B + B * sizes / self._mean)
        self._value = self._rarity[word] * count * np.float32(K1 + 1) / (count + length[self._owner])
        self._start = np.concatenate(([0], np.cumsum(spread))).astype(np.int64)

    def scores(self, words: Ints) -> Floats:
        """Of each entry, what the words say for it together."""
        # Words that came after this snapshot are in none of its entries.
        words = words[words < len(self._start) - 1]
        begins = self._start[words]
        counts = self._start[words + 1] - begins
        total = int(counts.sum())
        if not total:
            return np.zeros(self._entries, np.float32)
        where = np.arange(total) + np.repeat(begins - np.cumsum(counts) + counts, counts)
        found = np.bincount(self._owner[where], weights=self._value[where], minlength=self._entries)
        return found.astype(np.float32)

    def score_of(self, entry: TermCounts, words: Ints) -> float:
        """What the words say for an entry with these counts, among the others."""
        is_asked = np.isin(entry.words, words) & (entry.words < len(self._rarity))
        counts, rarity = entry.counts[is_asked], self._rarity[entry.words[is_asked]]
        length = K1 * (1 - B + B * entry.size / self._mean)
        return float((rarity * counts * (K1 + 1) / (counts + length)).sum())
