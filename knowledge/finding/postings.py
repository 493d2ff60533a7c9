"""Who has which feature: the arrays that a search walks, and word statistics made of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from knowledge.finding.learning import Floats, Ints, Weights

# BM25's constants.
K1, B = 1.2, 0.75
# Features, and what each of them weighs.
Vector = tuple[Ints, Floats]


@dataclass(frozen=True, slots=True)
class Postings:
    """For each feature the entries that have it, one after the other; those of feature f begin at `start[f]`."""

    start: Ints
    entry: Ints
    value: Floats

    @classmethod
    def of(cls, weights: Weights, features: int) -> "Postings":
        counts = np.bincount(weights.feature, minlength=features)
        return cls(np.concatenate(([0], np.cumsum(counts))).astype(np.int32), weights.entry, weights.value)

    def scores(self, vector: Vector, entries: int) -> Floats:
        """Of each entry, the sum over the vector's features of what they say for it."""
        features, values = vector
        begins, ends = self.start[features], self.start[features + 1]
        counts = ends - begins
        total = int(counts.sum())
        if not total:
            return np.zeros(entries, dtype=np.float32)
        where = np.arange(total) + np.repeat(begins - np.cumsum(counts) + counts, counts)
        said = self.value[where] * np.repeat(values, counts)
        return np.bincount(self.entry[where], weights=said, minlength=entries).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each of some features stands in a text."""

    features: Ints
    counts: Floats

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "Counts":
        counted = Counter(numbers)
        size = len(counted)
        return cls(np.fromiter(counted, np.int32, size), np.fromiter(counted.values(), np.float32, size))


def joined(counted: Sequence[Counts]) -> tuple[Ints, Floats]:
    if not counted:
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    return np.concatenate([each.features for each in counted]), np.concatenate(
        [each.counts for each in counted]
    )


class ByWords:
    """BM25 over one text for each entry."""

    def __init__(self, texts: Sequence[Counts], words: int) -> None:
        feature, count = joined(texts)
        lengths = np.fromiter((len(each.features) for each in texts), np.int32, len(texts))
        entry = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
        size = np.bincount(entry, weights=count, minlength=len(texts))
        spread = np.bincount(feature, minlength=words)
        rarity = np.log(1 + (len(texts) - spread + 0.5) / (spread + 0.5))
        long = K1 * (1 - B + B * size / max(1.0, float(size.mean()) if len(size) else 1.0))
        value = (rarity[feature] * count * (K1 + 1) / (count + long[entry])).astype(np.float32)
        order = np.argsort(feature, kind="stable")
        self._postings = Postings.of(Weights(feature[order], entry[order], value[order]), words)
        self._entries, self._words = len(texts), words

    def scores(self, words: Counts) -> Floats:
        known = words.features[words.features < self._words]
        return self._postings.scores((known, np.ones(len(known), np.float32)), self._entries)
