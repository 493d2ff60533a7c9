"""The index: which entries come nearest to what was written, and to what is being typed."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from knowledge.finding.learning import Floats, Ints, Weights, centroids, learned
from knowledge.finding.words import Entry, features_of, plain, typed_forms, words_of

# Below this confidence no entry answers the question.
NOT_ANSWERED = 0.28
# What each kind of feature weighs.
GROUPS = (("words", 1.0), ("characters", 1.0), ("meanings", 0.7))
# What each judge weighs against the learned weights' 1: the title, the words, and the answer. That one stands apart:
# in one field with the phrasings it lowered every score.
TITLE, WORDS, ANSWER = 0.2, 0.3, 0.4
LANGUAGE = 1.0
EXACT = 3.0
# BM25's constants.
K1, B = 1.2, 0.75

Keep = Callable[[int], bool]
Prefer = Callable[[int], float]
Vector = tuple[Ints, Floats]


@dataclass(frozen=True, slots=True)
class Hit:
    """`matched`: the title or phrasing that comes nearest; `confidence`: 0 to 1, that this entry answers."""

    id: int
    score: float
    matched: str
    confidence: float


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


class _ByWords:
    """BM25 over one text for each entry."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        counted = [Counter(words) for words in texts]
        sizes = [len(words) for words in texts]
        mean = sum(sizes) / max(1, len(sizes)) or 1
        spread = Counter(word for each in counted for word in each)
        self._numbers = {word: number for number, word in enumerate(spread)}
        self._entries = len(counted)
        features: list[int] = []
        entries: list[int] = []
        values: list[float] = []
        for place, (each, size) in enumerate(zip(counted, sizes, strict=True)):
            for word, count in each.items():
                rarity = log(1 + (len(counted) - spread[word] + 0.5) / (spread[word] + 0.5))
                features.append(self._numbers[word])
                entries.append(place)
                values.append(rarity * count * (K1 + 1) / (count + K1 * (1 - B + B * size / mean)))
        feature = np.array(features, np.int32)
        order = np.argsort(feature, kind="stable")
        weights = Weights(
            feature[order], np.array(entries, np.int32)[order], np.array(values, np.float32)[order]
        )
        self._postings = Postings.of(weights, len(self._numbers))

    def scores(self, words: Iterable[str]) -> Floats:
        numbers = [self._numbers[word] for word in set(words) if word in self._numbers]
        return self._postings.scores(
            (np.array(numbers, np.int32), np.ones(len(numbers), np.float32)), self._entries
        )


class Index:
    """Entries and what is known of them. It never changes: `with_changes` and `taught` give another one."""

    def __init__(self, entries: Iterable[Entry] = (), *, teach: bool = False) -> None:
        """`teach`: with weights learned from the phrasings, which takes seconds for thousands."""
        self._entries = list(entries)
        self._vocabulary: dict[str, int] = {}
        self._build(teach)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        return list(self._entries)

    def with_changes(self, put: Iterable[Entry], drop: Iterable[int] = ()) -> "Index":
        """With these entries in place of those of their ids, and without the dropped ones. Not yet taught."""
        kept = {entry.id: entry for entry in self._entries}
        for pk in drop:
            kept.pop(pk, None)
        kept |= {entry.id: entry for entry in put}
        return Index(kept.values())

    def taught(self) -> "Index":
        return Index(self._entries, teach=True)

    # -- building ----------------------------------------------------------------------------------------

    def _build(self, teach: bool) -> None:
        asked = [tuple(dict.fromkeys((entry.title, *entry.phrasings))) for entry in self._entries]
        self._phrasings = [text for texts in asked for text in texts]
        sizes = [len(texts) for texts in asked]
        self._first = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        owner = np.repeat(np.arange(len(asked), dtype=np.int32), sizes)
        self._exact: dict[str, int] = {}
        for place, text in zip(owner, self._phrasings, strict=True):
            self._exact.setdefault(plain(text), int(place))

        counted = [self._counted(text, grow=True) for text in self._phrasings]
        self._rarity = _rarity(counted, len(self._vocabulary))
        self._rows = _matrix([self._vector(each) for each in counted], len(self._vocabulary))
        weigh = learned if teach and len(asked) > 1 else centroids
        self._weights = Postings.of(weigh(self._rows, owner, max(1, len(asked))), self._rows.shape[1])
        titles = self._rows[self._first[:-1]].tocsc() if asked else self._rows.tocsc()
        self._titles = Postings(titles.indptr.astype(np.int32), titles.indices.astype(np.int32), titles.data)
        self._words = _ByWords([[word for text in texts for word in words_of(text)] for texts in asked])
        self._answers = _ByWords([words_of(entry.answer) for entry in self._entries])

        self._is_zh = np.array([entry.language == "zh" for entry in self._entries], dtype=bool)
        self._typed = [(typed_forms(texts[0]), [plain(text) for text in texts]) for texts in asked]

    def _counted(self, text: str, *, grow: bool = False) -> list[dict[int, int]]:
        """How often each feature stands in the text, by its number; a dict for each group."""
        found = features_of(text)
        counted = []
        for name, _weight in GROUPS:
            numbers: dict[int, int] = {}
            for feature in getattr(found, name):
                key = name[0] + feature
                if grow:
                    number = self._vocabulary.setdefault(key, len(self._vocabulary))
                elif (number := self._vocabulary.get(key, -1)) < 0:
                    continue
                numbers[number] = numbers.get(number, 0) + 1
            counted.append(numbers)
        return counted

    def _vector(self, counted: list[dict[int, int]]) -> Vector:
        """Rare features count for more; each group has the length of its weight."""
        features: list[Ints] = []
        values: list[Floats] = []
        for numbers, (_name, weight) in zip(counted, GROUPS, strict=True):
            feature = np.fromiter(numbers, dtype=np.int32, count=len(numbers))
            count = np.fromiter(numbers.values(), dtype=np.float32, count=len(numbers))
            value = (1 + np.log(count)) * self._rarity[feature]
            length = sqrt(float(value @ value)) or 1.0
            features.append(feature)
            values.append((value * np.float32(weight / length)).astype(np.float32))
        return np.concatenate(features), np.concatenate(values)

    # -- finding -----------------------------------------------------------------------------------------

    def find(
        self,
        text: str,
        limit: int = 5,
        *,
        keep: Keep | None = None,
        prefer: Prefer | None = None,
        language: str | None = None,
    ) -> list[Hit]:
        """The entries that a customer most likely asks for, the likeliest first; only those that `keep` lets pass.

        `prefer`: how much likelier an entry is whatever was asked, on a scale on which 1 is much.
        """
        if not self._entries or not text.strip():
            return []
        vector = self._vector(self._counted(text))
        return self._hits(self._scores(text, vector, language), vector, limit, keep, prefer)

    def _scores(self, text: str, vector: Vector, language: str | None) -> Floats:
        entries = len(self._entries)
        words = words_of(text)
        judges = (
            (1.0, self._weights.scores(vector, entries)),
            (TITLE, self._titles.scores(vector, entries)),
            (WORDS, self._words.scores(words)),
            (ANSWER, self._answers.scores(words)),
        )
        scores = np.zeros(entries, dtype=np.float32)
        is_known = np.zeros(entries, dtype=bool)
        for weight, said in judges:
            is_known |= said != 0
            spread = float(said.std())
            if spread > 0:
                scores += (said - said.mean()) * np.float32(weight / spread)
        exact = self._exact.get(plain(text))
        if exact is not None:
            scores[exact] += np.float32(EXACT + float(scores.max() - scores[exact]))
        if language is not None:
            scores[self._is_zh != (language == "zh")] -= np.float32(LANGUAGE)
        scores[~is_known] = -np.inf
        return scores

    def _hits(
        self, scores: Floats, vector: Vector, limit: int, keep: Keep | None, prefer: Prefer | None
    ) -> list[Hit]:
        found: dict[int, float] = {}
        # Who is preferred may stand a little behind; nobody is fetched from far.
        for place in np.argsort(-scores, kind="stable"):
            if scores[place] == -np.inf or len(found) >= limit * 4 + 8:
                break
            pk = self._entries[place].id
            if keep is None or keep(pk):
                found[int(place)] = float(scores[place]) + (prefer(pk) if prefer else 0.0)
        best = sorted(found, key=lambda place: -found[place])[:limit]
        return [self._hit(place, found, vector) for place in best]

    def _hit(self, place: int, found: dict[int, float], vector: Vector) -> Hit:
        begin, end = self._first[place], self._first[place + 1]
        asked = np.zeros(self._rows.shape[1], dtype=np.float32)
        asked[vector[0]] = vector[1]
        closeness = self._rows[begin:end] @ asked / sum(weight * weight for _, weight in GROUPS)
        nearest = int(closeness.argmax())
        others = [score for other, score in found.items() if other != place]
        lead = found[place] - max(others, default=0.0)
        return Hit(
            self._entries[place].id,
            found[place],
            self._phrasings[begin + nearest],
            _confidence(float(closeness[nearest]), lead),
        )

    # -- as it is typed ----------------------------------------------------------------------------------

    def suggest(
        self,
        typed: str,
        limit: int = 8,
        *,
        keep: Keep | None = None,
        prefer: Prefer | None = None,
        language: str | None = None,
    ) -> list[Hit]:
        """What an agent may mean who has typed so far: parts of titles and phrasings, pinyin and its initials, slips,
        and what `find` finds."""
        wanted = plain(typed).strip()
        if not self._entries or not wanted:
            return []
        vector = self._vector(self._counted(typed))
        scores = self._scores(typed, vector, language)
        top = max(3.0, float(scores.max()))
        bare = "".join(wanted.split())
        for place, ((initials, pinyin), texts) in enumerate(self._typed):
            more = _typed_score(wanted, bare, initials, pinyin, texts)
            if more:
                scores[place] = max(float(scores[place]), 0.0) + top * more
        return self._hits(scores, vector, limit, keep, prefer)


def _rarity(counted: Sequence[list[dict[int, int]]], features: int) -> Floats:
    spread = np.zeros(features, dtype=np.int32)
    for each in counted:
        for numbers in each:
            spread[list(numbers)] += 1
    # As scikit-learn smooths it.
    return (np.log((1 + len(counted)) / (1 + spread)) + 1).astype(np.float32)


def _matrix(vectors: Sequence[Vector], features: int) -> Any:
    """The vectors as the rows of a sparse matrix."""
    lengths = [len(feature) for feature, _ in vectors]
    none: tuple[NDArray[Any], NDArray[Any]] = (np.zeros(0, np.int32), np.zeros(0, np.float32))
    return sparse.csr_matrix(
        (
            np.concatenate([values for _, values in vectors] or [none[1]]),
            np.concatenate([feature for feature, _ in vectors] or [none[0]]),
            np.concatenate(([0], np.cumsum(lengths))),
        ),
        shape=(len(vectors), max(1, features)),
        dtype=np.float32,
    )


def _confidence(closeness: float, lead: float) -> float:
    """From how near the nearest phrasing comes (cosine) and how far the others are behind."""
    return max(0.0, min(1.0, closeness + 0.1 * min(3.0, max(-3.0, lead))))


def _typed_score(wanted: str, bare: str, initials: str, pinyin: str, texts: Sequence[str]) -> float:
    """How well an entry fits what is being typed, 0 to 2: its beginning, a part, pinyin, another phrasing."""
    if texts[0].startswith(wanted):
        return 2.0
    if wanted in texts[0]:
        return 1.5
    if bare.isascii() and bare.isalnum() and len(bare) > 1:
        if initials.startswith(bare):
            return 1.8
        if bare in initials:
            return 1.2
        if len(bare) > 3 and bare in pinyin:
            return 1.1
    if any(wanted in text for text in texts[1:]):
        return 0.8
    words = wanted.split()
    if len(words) > 1 and all(any(word in text for text in texts) for word in words):
        return 0.7
    return 0.0
