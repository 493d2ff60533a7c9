"""What speaks for each entry: the words of title and phrasings, their meaning, and those of the answer."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowledge.search.embeddings import ANSWER_AXES, ENTRY_AXES, EmbeddingSpace, nearness
from knowledge.search.features import EntryFeatures, rows_of
from knowledge.search.postings import Floats, Postings, Vocabulary
from knowledge.search.tokenizer import bare, features_of, pairs_of, plain

# What words weigh against the 1 of what title and phrasings mean.
WORDS = 0.5
# Entries whose phrasings are looked at one by one.
CLOSELY = 32
# An entry of this many phrasings is judged by the nearest of them as much as by all.
PHRASINGS_FOR_NEAREST = 30


class AnswerWeights(NamedTuple):
    """What the words and the meaning of answers weigh. They stand apart from title and phrasings: in one field with
    them they lowered every score."""

    words: float
    meaning: float


class HeldOutPhrasing(NamedTuple):
    """Phrasings of an entry that count as if they were not there: the entry's place, and their rows among its texts."""

    place: int
    rows: tuple[int, ...]


class ScorerSet:
    """The judges of some entries, each with a number for every entry."""

    def __init__(
        self,
        known: Sequence[EntryFeatures],
        vocabulary: Vocabulary,
        answers: Vocabulary,
        space: EmbeddingSpace | None,
    ) -> None:
        self.known, self.space = known, space
        self._vocabulary, self._answer_vocabulary = vocabulary, answers
        self._words = Postings([each.words for each in known], len(vocabulary))
        self._answer_words = Postings([each.answer for each in known], len(answers))
        self.has_sense = np.array([each.sense is not None for each in known], dtype=bool)
        # Where there is no answer its vector says nothing.
        self.has_answer = self.has_sense & np.array([bool(each.entry.answer) for each in known], dtype=bool)
        senses = [each.sense for each in known] if space is not None else []
        self._centres = rows_of([sense and sense.centre for sense in senses], ENTRY_AXES)
        self._answers = rows_of([sense and sense.answer for sense in senses], ANSWER_AXES)

    def by_words(self, asks: str, left_out: HeldOutPhrasing | None = None) -> Floats:
        features = features_of(asks)
        words = self._vocabulary.known(features)
        found = self._words.scores(words)
        if left_out is not None:
            entry = self.known[left_out.place]
            gone = [word for row in left_out.rows for word in features_of(bare(entry.texts[row]))]
            counted = entry.words.without(self._vocabulary.numbers(gone))
            found[left_out.place] = self._words.score_of(counted, words)
        return found

    def by_answer_words(self, asks: str) -> Floats:
        return self._answer_words.scores(self._answer_vocabulary.known(pairs_of(plain(asks))))

    def by_meaning(
        self, space: EmbeddingSpace, vector: Floats, left_out: HeldOutPhrasing | None = None
    ) -> Floats:
        """The cosine to the middle of each entry's phrasings. Of the nearest entries it moves towards that of their
        nearest phrasing, the more of them there are the further."""
        asked = space.placed(vector)
        along = asked @ space.axes
        found: Floats = self._centres @ along
        changed = None
        if left_out is not None and (sense := self.known[left_out.place].sense) is not None:
            changed = space.without(sense, left_out.rows)
            found[left_out.place] = changed.centre @ along
        count = min(CLOSELY, len(found))
        near, senses = [], []
        for place in np.argpartition(-found, count - 1)[:count]:
            sense = self.known[place].sense
            if changed is not None and left_out is not None and place == left_out.place:
                sense = changed
            if sense is not None:
                near.append(place)
                senses.append(sense)
        if senses:
            sizes = np.array([len(sense.lengths) for sense in senses])
            nearest = nearness(space.cosines(senses, asked), sizes)
            share = (sizes - 1) / (sizes + PHRASINGS_FOR_NEAREST)
            found[near] += (share * (nearest - found[near])).astype(np.float32)
        return spread_of(found, self.has_sense)

    def by_answer_meaning(self, space: EmbeddingSpace, vector: Floats) -> Floats:
        return spread_of(self._answers @ (vector @ space.answer_axes), self.has_answer)


def spread_of(values: Floats, among: NDArray[np.bool_] | None = None) -> Floats:
    """How many spreads each value is above the mean; 0 for those that are not among them."""
    some = values if among is None else values[among]
    spread = float(some.std()) if len(some) else 0.0
    if spread == 0:
        return np.zeros_like(values)
    found: Floats = (values - some.mean(dtype=np.float32)) / np.float32(spread)
    return found if among is None else np.where(among, found, np.float32(0))
