"""BM25 over the words of entries. When one entry changes, the others need not be tokenised again."""

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
    """The words of an entry as term numbers, with the count of each; `size` is the sum of the counts."""

    words: Ints
    counts: Floats
    size: float

    def without(self, words: Sequence[int]) -> "TermCounts":
        """Return the counts after these words are subtracted; a word given twice is subtracted twice."""
        fewer = Counter(words)
        counts = np.array([max(0.0, count - fewer[word]) for word, count in zip(*self[:2], strict=True)])
        return TermCounts(self.words, counts.astype(np.float32), max(0.0, self.size - len(words)))


class Vocabulary:
    """Maps words to term numbers. Words are only added, never removed, so snapshots of an index can share a
    vocabulary."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._growing = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    def words(self) -> Iterable[str]:
        # Return an atomic copy, because another thread may add words during the iteration.
        return list(self._numbers)

    def count(self, counts: Counter[str]) -> TermCounts:
        with self._growing:
            numbers = [self._numbers.setdefault(word, len(self._numbers)) for word in counts]
        values = np.fromiter(counts.values(), np.float32, len(counts))
        return TermCounts(np.array(numbers, np.int32), values, float(values.sum()))

    def numbers(self, words: Iterable[str]) -> list[int]:
        """Return the numbers of the words that are in the vocabulary, with repeats."""
        return [self._numbers[word] for word in words if word in self._numbers]

    def known(self, words: Iterable[str]) -> Ints:
        """Return the numbers of the words that are in the vocabulary, each once."""
        numbers = {self._numbers.get(word, -1) for word in words}
        numbers.discard(-1)
        return np.fromiter(numbers, np.int32, len(numbers))


class Postings:
    """Posting lists: for each word the entries that contain it and its BM25 value in each, in consecutive arrays."""

    def __init__(self, entries: Sequence[TermCounts], words: int) -> None:
        self._entries = len(entries)
        sizes = np.array([entry.size for entry in entries], np.float32)
        self._mean = float(sizes.mean()) if len(sizes) and sizes.any() else 1.0
        lengths = [len(entry.words) for entry in entries]
        word = np.concatenate([entry.words for entry in entries] or [np.zeros(0, np.int32)])
        count = np.concatenate([entry.counts for entry in entries] or [np.zeros(0, np.float32)])
        owner = np.repeat(np.arange(len(entries), dtype=np.int32), lengths)
        document_frequency = np.bincount(word, minlength=words)
        self._rarity = np.log(
            1 + (len(entries) - document_frequency + 0.5) / (document_frequency + 0.5)
        ).astype(np.float32)
        order = np.argsort(word, kind="stable")
        word, count, self._owner = word[order], count[order], owner[order]
        length = K1 * (1 - B + B * sizes / self._mean)
        self._value = self._rarity[word] * count * np.float32(K1 + 1) / (count + length[self._owner])
        self._start = np.concatenate(([0], np.cumsum(document_frequency))).astype(np.int64)

    def scores(self, words: Ints) -> Floats:
        """Return the BM25 score of each entry for these words."""
        # Words added to the vocabulary after this snapshot are in none of its entries.
        words = words[words < len(self._start) - 1]
        starts = self._start[words]
        counts = self._start[words + 1] - starts
        total = int(counts.sum())
        if not total:
            return np.zeros(self._entries, np.float32)
        indexes = np.arange(total) + np.repeat(starts - np.cumsum(counts) + counts, counts)
        totals = np.bincount(self._owner[indexes], weights=self._value[indexes], minlength=self._entries)
        return totals.astype(np.float32)

    def score_of(self, entry: TermCounts, words: Ints) -> float:
        """Return the BM25 score that an entry with these counts would have among the entries of this object."""
        is_queried = np.isin(entry.words, words) & (entry.words < len(self._rarity))
        counts, rarity = entry.counts[is_queried], self._rarity[entry.words[is_queried]]
        length = K1 * (1 - B + B * entry.size / self._mean)
        return float((rarity * counts * (K1 + 1) / (counts + length)).sum())
