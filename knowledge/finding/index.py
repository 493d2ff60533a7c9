"""The index: which entries come nearest to what was written, and to what is being typed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from knowledge.finding.confidence import NOT_ANSWERED, confidence_of, shared
from knowledge.finding.known import (
    Encode,
    Known,
    known_of,
    rows_of,
    size_of,
    vectors_for,
    with_senses,
    with_weights,
)
from knowledge.finding.meaning import (
    ANSWER_AXES,
    ENTRY_AXES,
    Space,
    nearness,
    vector_of,
    vectors_of,
    vectors_of_questions,
)
from knowledge.finding.postings import Floats, Postings, Vocabulary
from knowledge.finding.typed import Typing, one_line, without_slips
from knowledge.finding.words import (
    RUN,
    Entry,
    bare,
    features_of,
    pairs_of,
    parts_of,
    plain,
    simplified,
    words_of,
)

# What each judge weighs against the 1 of what title and phrasings mean. The answer stands apart: in the same field as
# they, it lowered every score.
WORDS, ANSWER_WORDS, ANSWER_MEANS, LEARNED = 0.5, 0.4, 0.4, 0.6
LANGUAGE = 1.0
EXACT = 3.0
# Entries whose phrasings are looked at one by one.
CLOSELY = 32
# An entry of this many phrasings is judged by the nearest of them as much as by all.
PHRASINGS_FOR_NEAREST = 30
# So many texts are given their meaning at once with a change; more wait for `taught`.
AT_ONCE = 60
# What is typed has a meaning of its own from so many words, or pairs of characters, on: half a word has none.
QUESTION_WORDS = 6

Keep = Callable[[int], bool]
Prefer = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Hit:
    """`matched`: the title or phrasing that comes nearest; `confidence`: 0 to 1, that this entry answers."""

    id: int
    score: float
    matched: str
    confidence: float


class Index:
    """Entries and what is known of them. It never changes: `with_changes` and `taught` give another one, so whoever
    reads one is not disturbed."""

    def __init__(self, entries: Iterable[Entry] = (), *, teach: bool = False) -> None:
        """`teach`: with meanings too, which takes a second for a thousand phrasings."""
        vocabulary, answers = Vocabulary(), Vocabulary()
        known = [
            known_of(entry, vocabulary, answers) for entry in {entry.id: entry for entry in entries}.values()
        ]
        self._set(known, vocabulary, answers, None)
        if teach:
            self._set(*self._learned(vectors_of))

    def __len__(self) -> int:
        return len(self._known)

    def entries(self) -> list[Entry]:
        return [known.entry for known in self._known]

    @property
    def is_taught_all(self) -> bool:
        """Whether every entry is found by what it means, and none by its words alone."""
        return bool(self._has_sense.all())

    def with_changes(self, put: Iterable[Entry], drop: Iterable[int] = ()) -> "Index":
        """With these entries in place of those of their ids, and without the dropped ones.

        In a taught index a few new texts get their meaning at once; many are found by their words until `taught`.
        """
        kept = {known.entry.id: known for known in self._known}
        for pk in drop:
            kept.pop(pk, None)
        new = [known_of(entry, self._vocabulary, self._answer_vocabulary) for entry in put]
        if self._space is not None and new and size_of(new) <= AT_ONCE:
            new = with_senses(new, vectors_for(new, vectors_of), self._space)
        kept |= {known.entry.id: known for known in new}
        made = Index()
        made._set(list(kept.values()), self._vocabulary, self._answer_vocabulary, self._space)
        return made

    def taught(self, vectors_of: Encode = vectors_of) -> "Index":
        """The same, found by meanings too: a second for a thousand texts that are new, a few in all where their vectors
        are kept. `vectors_of` may work them out elsewhere: `meaning.vectors_apart`."""
        made = Index()
        made._set(*self._learned(vectors_of))
        return made

    def with_knowledge_of(self, taught: "Index") -> "Index":
        """The same, with what an index that this one or its forerunner was `taught` as knows of the entries that are
        the same here; others keep their words alone, unless they are few."""
        before = {each.entry: each for each in taught._known}
        known = [
            replace(each, sense=before[each.entry].sense, weights=before[each.entry].weights)
            if each.entry in before
            else replace(each, sense=None, weights=None)
            for each in self._known
        ]
        new = [each for each in known if each.sense is None]
        made = Index()
        made._set(known, self._vocabulary, self._answer_vocabulary, taught._space)
        return made.with_changes([each.entry for each in new]) if size_of(new) <= AT_ONCE else made

    # -- building ----------------------------------------------------------------------------------------

    def _learned(self, encode: Encode) -> tuple[list[Known], Vocabulary, Vocabulary, Space | None]:
        if not self._known:
            return [], self._vocabulary, self._answer_vocabulary, None
        vectors = vectors_for(self._known, encode)
        space = Space([rows.rows(0, -1) for rows in vectors], [rows.rows(-1) for rows in vectors])
        # The first who asks should not wait for the encoder to be read.
        vector_of(" ")
        known = with_weights(with_senses(self._known, vectors, space), space)
        return known, self._vocabulary, self._answer_vocabulary, space

    def _set(
        self, known: Sequence[Known], vocabulary: Vocabulary, answers: Vocabulary, space: Space | None
    ) -> None:
        self._known = list(known)
        self._vocabulary, self._answer_vocabulary, self._space = vocabulary, answers, space
        self._words = Postings([each.words for each in known], len(vocabulary))
        self._answer_words = Postings([each.answer for each in known], len(answers))
        self._exact: dict[str, int] = {}
        for place, each in enumerate(known):
            for text in each.forms.texts:
                self._exact.setdefault(text, place)
        self._typing = Typing([each.forms for each in known])
        self._is_zh = np.array([each.entry.language == "zh" for each in known], dtype=bool)
        self._has_sense = np.array([each.sense is not None for each in known], dtype=bool)
        # Where there is no answer its vector says nothing.
        self._has_answer = self._has_sense & np.array([bool(each.entry.answer) for each in known], dtype=bool)
        senses = [each.sense for each in known] if space is not None else []
        self._centres = rows_of([sense and sense.centre for sense in senses], ENTRY_AXES)
        self._answers = rows_of([sense and sense.answer for sense in senses], ANSWER_AXES)
        self._has_weights = np.array([each.weights is not None for each in known], dtype=bool)
        self._weights = rows_of([each.weights for each in known], ENTRY_AXES)

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
        if not self._known or not text.strip():
            return []
        parts = parts_of(text)
        asked = self._asked(parts)
        scores = [self._scores(part, meant, language) for part, meant in zip(parts, asked, strict=True)]
        # The sentence that is most clearly one entry's is the question; the others say little for any.
        best = int(np.argmax([each.max() for each in scores]))
        return self._hits(np.max(scores, axis=0), asked[best], plain(parts[best]), limit, keep, prefer)

    def _asked(self, parts: Sequence[str]) -> Sequence[Floats | None]:
        """What each of the texts means, where that is known."""
        if self._space is None or not all(RUN.search(plain(part)) for part in parts):
            return [None] * len(parts)
        return list(vectors_of_questions([simplified(bare(part)) for part in parts]))

    def _scores(self, text: str, asked: Floats | None, language: str | None) -> Floats:
        """How likely each entry is the one, in spreads above the mean; -inf where nothing speaks for it."""
        asks = bare(text)
        words = self._words.scores(self._vocabulary.known(features_of(asks)))
        answers = self._answer_words.scores(self._answer_vocabulary.known(pairs_of(plain(asks))))
        scores = WORDS * _apart(words) + ANSWER_WORDS * _apart(answers)
        nothing = (words == 0) & (answers == 0)
        if asked is not None and self._space is not None:
            scores += _apart(self._means(self._space, asked), self._has_sense)
            scores += ANSWER_MEANS * _apart(
                self._answers @ (asked @ self._space.answer_axes), self._has_answer
            )
            if self._has_weights.any():
                along = self._space.placed(asked) @ self._space.axes
                scores += LEARNED * _apart(self._weights @ along, self._has_weights)
            nothing &= ~self._has_sense
        exact = self._exact.get(one_line(text))
        if exact is not None:
            scores[exact] += np.float32(EXACT + float(scores.max() - scores[exact]))
        if language is not None:
            scores[self._is_zh != (language == "zh")] -= np.float32(LANGUAGE)
        scores[nothing] = -np.inf
        return scores

    def _means(self, space: Space, vector: Floats) -> Floats:
        """The cosine to the middle of each entry's phrasings. Of the nearest entries it moves towards that of their
        nearest phrasing, the more of them there are the further."""
        asked = space.placed(vector)
        found: Floats = self._centres @ (asked @ space.axes)
        count = min(CLOSELY, len(found))
        near = [place for place in np.argpartition(-found, count - 1)[:count] if self._has_sense[place]]
        senses = [sense for place in near if (sense := self._known[place].sense) is not None]
        if senses:
            sizes = np.array([len(sense.lengths) for sense in senses])
            nearest = nearness(space.cosines(senses, asked), sizes)
            share = (sizes - 1) / (sizes + PHRASINGS_FOR_NEAREST)
            found[near] += (share * (nearest - found[near])).astype(np.float32)
        return found

    def _hits(
        self,
        scores: Floats,
        asked: Floats | None,
        folded: str,
        limit: int,
        keep: Keep | None,
        prefer: Prefer | None,
    ) -> list[Hit]:
        found: dict[int, float] = {}
        # Who is preferred may stand a little behind; nobody is fetched from far.
        for place in np.argsort(-scores, kind="stable"):
            if scores[place] == -np.inf or len(found) >= limit * 4 + 8:
                break
            pk = self._known[place].entry.id
            if keep is None or keep(pk):
                found[int(place)] = float(scores[place]) + (prefer(pk) if prefer else 0.0)
        best = sorted(found, key=lambda place: -found[place])[:limit]
        placed = self._space.placed(asked) if self._space is not None and asked is not None else None
        return [self._hit(place, found, placed, folded) for place in best]

    def _hit(self, place: int, found: dict[int, float], placed: Floats | None, folded: str) -> Hit:
        """`placed`: what was asked, in the space; None where words alone are asked."""
        known = self._known[place]
        lead = found[place] - max((score for other, score in found.items() if other != place), default=0.0)
        lead = max(-3.0, min(3.0, lead))
        if placed is not None and self._space is not None and known.sense is not None:
            cosines = self._space.cosines([known.sense], placed)
            nearest = int(cosines.argmax())
            confidence = confidence_of(float(cosines[nearest]), lead)
        else:
            alike = [shared(folded, text) for text in known.forms.texts]
            nearest = alike.index(max(alike))
            confidence = max(0.0, min(1.0, alike[nearest] + 0.1 * lead))
        return Hit(known.entry.id, found[place], known.texts[nearest], confidence)

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
        """What an agent may mean who has typed so far: parts of titles and phrasings, pinyin and its initials, what
        sounds the same, slips; and what the words typed so far find, by meaning too once they are a question."""
        if not self._known or not typed.strip():
            return []
        text = without_slips(typed, self._vocabulary.words)
        asked = self._asked([text])[0] if len(words_of(plain(text))) >= QUESTION_WORDS else None
        scores = self._scores(text, asked, language)
        top = max(3.0, float(scores.max()))
        for place, fits in self._typing.fits(typed).items():
            scores[place] = max(float(scores[place]), 0.0) + top * fits
        return self._hits(scores, asked, one_line(typed), limit, keep, prefer)

    def look_up(self, words: str, limit: int) -> list[int]:
        """The entries that these words name, likeliest first, and no other however many are wanted: parts, pinyin,
        initials and slips as in `suggest`; and what is meant, where that is clear."""
        if not self._known or not words.strip():
            return []
        text = without_slips(words, self._vocabulary.words)
        fits = {self._known[place].entry.id for place in self._typing.fits(words)}
        named = self.suggest(words, limit, keep=fits.__contains__)
        meant = [hit for hit in self.find(text, limit) if hit.confidence >= NOT_ANSWERED]
        return list(dict.fromkeys(hit.id for hit in (*named, *meant)))[:limit]


def _apart(values: Floats, among: NDArray[np.bool_] | None = None) -> Floats:
    """How many spreads each value is above the mean; 0 for those that are not among them."""
    some = values if among is None else values[among]
    spread = float(some.std()) if len(some) else 0.0
    if spread == 0:
        return np.zeros_like(values)
    found: Floats = (values - some.mean(dtype=np.float32)) / np.float32(spread)
    return found if among is None else np.where(among, found, np.float32(0))
