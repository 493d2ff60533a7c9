"""The index: which entries come nearest to what was written, and to what is being typed."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from knowledge.finding.learning import Floats, Ints, centroids, learned
from knowledge.finding.postings import ByWords, Counts, Postings, Vector, joined
from knowledge.finding.vocabulary import GROUPS, Prepared, Vocabulary
from knowledge.finding.words import Entry, plain, words_of

# Below this confidence no entry answers the question.
NOT_ANSWERED = 0.28
# What each judge weighs against the learned weights' 1: the title, the words, and the answer. That one stands apart:
# in one field with the phrasings it lowered every score.
TITLE, WORDS, ANSWER = 0.2, 0.3, 0.4
LANGUAGE = 1.0
EXACT = 3.0

Keep = Callable[[int], bool]
Prefer = Callable[[int], float]
# From the rows of phrasings, the entry of each, and how many entries there are, to a value for each of `centroids`.
Teacher = Callable[[Any, Ints, int], Floats]


@dataclass(frozen=True, slots=True)
class Hit:
    """`matched`: the title or phrasing that comes nearest; `confidence`: 0 to 1, that this entry answers."""

    id: int
    score: float
    matched: str
    confidence: float


class Index:
    """Entries and what is known of them. It never changes: `with_changes` and `taught` give another one."""

    def __init__(self, entries: Iterable[Entry] = (), *, teach: bool = False) -> None:
        """`teach`: with weights learned from the phrasings, which takes seconds for thousands."""
        self._vocabulary = Vocabulary()
        self._build([self._vocabulary.prepare(entry) for entry in entries])
        if teach:
            self._weights = self._teach(learned)

    def __len__(self) -> int:
        return len(self._prepared)

    def entries(self) -> list[Entry]:
        return [each.entry for each in self._prepared]

    def with_changes(self, put: Iterable[Entry], drop: Iterable[int] = ()) -> "Index":
        """With these entries in place of those of their ids, and without the dropped ones.

        What was learned of the others stands; what the new ones have to say is not yet learned.
        """
        kept = {each.entry.id: each for each in self._prepared}
        for pk in drop:
            kept.pop(pk, None)
        kept |= {entry.id: self._vocabulary.prepare(entry) for entry in put}
        other = copy(self)
        other._build(list(kept.values()))
        if self._is_taught:
            other._remember(self)
        return other

    def with_knowledge_of(self, taught: "Index") -> "Index":
        """The same, with what an index that this one came from has learned of the entries that are the same here."""
        other = copy(self)
        other._remember(taught)
        return other

    @property
    def is_taught_all(self) -> bool:
        """Whether there is nothing that it has not learned from."""
        return self._untaught == 0

    def taught(self, teach: Teacher = learned) -> "Index":
        """The same, with weights learned from the phrasings. `teach` may do it elsewhere: `learning.learned_apart`."""
        other = copy(self)
        other._weights = other._teach(teach)
        return other

    # -- building ----------------------------------------------------------------------------------------

    def _build(self, prepared: list[Prepared]) -> None:
        self._prepared = prepared
        features, words = self._vocabulary.sizes()
        sizes = np.fromiter((len(each.texts) for each in prepared), np.int32, len(prepared))
        self._first = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        self._owner = np.repeat(np.arange(len(prepared), dtype=np.int32), sizes)
        self._exact: dict[str, int] = {}
        for place, each in enumerate(prepared):
            for text in each.typed[1]:
                self._exact.setdefault(text, place)

        counted = [counts for each in prepared for counts in each.rows]
        feature, count = joined(counted)
        lengths = np.fromiter((len(each.features) for each in counted), np.int32, len(counted))
        spread = np.bincount(feature, minlength=features)
        # As scikit-learn smooths it.
        self._rarity = (np.log((1 + len(self._owner)) / (1 + spread)) + 1).astype(np.float32)
        values = self._weighed(feature, count, lengths)
        starts = np.concatenate(([0], np.cumsum(lengths.reshape(-1, len(GROUPS)).sum(axis=1))))
        self._rows = sparse.csr_matrix(
            (values, feature, starts), shape=(len(self._owner), max(1, features)), dtype=np.float32
        )
        self._start = centroids(self._rows, self._owner, max(1, len(prepared)))
        self._weights = Postings.of(self._start, self._rows.shape[1])
        self._is_taught, self._scale = False, 1.0
        self._untaught = len(prepared) if len(prepared) > 1 else 0
        titles = self._rows[self._first[:-1]].tocsc()
        self._titles = Postings(titles.indptr.astype(np.int32), titles.indices.astype(np.int32), titles.data)
        self._words = ByWords([each.words for each in prepared], words)
        self._answers = ByWords([each.answer for each in prepared], words)
        self._is_zh = np.array([each.entry.language == "zh" for each in prepared], dtype=bool)

    def _teach(self, teach: Teacher) -> Postings:
        if len(self) < 2:
            return self._weights
        values = teach(self._rows, self._owner, len(self))
        self._is_taught, self._untaught = True, 0
        before = np.abs(self._start.value).mean()
        self._scale = float(np.abs(values).mean() / before) if before else 1.0
        return replace(self._weights, value=values)

    def _remember(self, before: "Index") -> None:
        """Takes over what the index before had learned of the entries that are the same here."""
        places = {id(each): place for place, each in enumerate(self._prepared)}
        moved = np.array([places.get(id(each), -1) for each in before._prepared], dtype=np.int64)
        entry = moved[before._start.entry]
        known = entry >= 0
        size = len(self)
        keys = self._start.feature.astype(np.int64) * size + self._start.entry
        wanted = before._start.feature.astype(np.int64)[known] * size + entry[known]
        values = (self._start.value * before._scale).astype(np.float32)
        values[np.searchsorted(keys, wanted)] = before._weights.value[known]
        self._weights = replace(self._weights, value=values)
        self._is_taught, self._scale = True, before._scale
        self._untaught = len(self) - int((moved >= 0).sum()) + before._untaught

    def _weighed(self, feature: Ints, count: Floats, lengths: Ints) -> Floats:
        """Rare features count for more; each group of each text has the length of its weight."""
        value = (1 + np.log(count)) * self._rarity[feature]
        part = np.repeat(np.arange(len(lengths)), lengths)
        length = np.sqrt(np.bincount(part, weights=value * value, minlength=len(lengths)))
        wanted = np.tile([weight for _, weight in GROUPS], len(lengths) // len(GROUPS))
        scale = np.divide(wanted, length, out=np.zeros_like(length), where=length > 0)
        weighed: Floats = (value * scale[part]).astype(np.float32)
        return weighed

    def _vector(self, text: str) -> Vector:
        counted = self._vocabulary.count(text)
        # The vocabulary may have grown since this index was made.
        known = [each.features < len(self._rarity) for each in counted]
        counted = [Counts(e.features[k], e.counts[k]) for e, k in zip(counted, known, strict=True)]
        feature, count = joined(counted)
        lengths = np.array([len(each.features) for each in counted], np.int32)
        return feature, self._weighed(feature, count, lengths)

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
        if not self._prepared or not text.strip():
            return []
        vector = self._vector(text)
        return self._hits(self._scores(text, vector, language), vector, limit, keep, prefer)

    def _scores(self, text: str, vector: Vector, language: str | None) -> Floats:
        entries = len(self)
        words = self._vocabulary.count_words(words_of(text))
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
            pk = self._prepared[place].entry.id
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
            self._prepared[place].entry.id,
            found[place],
            self._prepared[place].texts[nearest],
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
        if not self._prepared or not wanted:
            return []
        vector = self._vector(typed)
        scores = self._scores(typed, vector, language)
        top = max(3.0, float(scores.max()))
        bare = "".join(wanted.split())
        for place, each in enumerate(self._prepared):
            (initials, pinyin), texts = each.typed
            more = _typed_score(wanted, bare, initials, pinyin, texts)
            if more:
                scores[place] = max(float(scores[place]), 0.0) + top * more
        return self._hits(scores, vector, limit, keep, prefer)


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
