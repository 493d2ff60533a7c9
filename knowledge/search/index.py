"""The index: which entries come nearest to what was written, and to what is being typed."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from knowledge.search.answer_weights import SAFE_WEIGHTS, fit_weights
from knowledge.search.confidence import NOT_ANSWERED, confidence_of, shared
from knowledge.search.embeddings import EmbeddingSpace, vector_of, vectors_of, vectors_of_questions
from knowledge.search.features import (
    Encode,
    EntryFeatures,
    features_of_entry,
    size_of,
    vectors_for,
    with_embeddings,
)
from knowledge.search.postings import Floats, Vocabulary
from knowledge.search.query_rewriting import PinyinConverter, to_standard_words
from knowledge.search.scorers import WORDS, AnswerWeights, ScorerSet, spread_of
from knowledge.search.tokenizer import RUN, IndexEntry, bare, parts_of, plain, simplified, tokens_of
from knowledge.search.topic_filter import STRANGE, TopicFilter, train_topic_filter
from knowledge.search.typeahead import TypedQuery, correct_typos, one_line

LANGUAGE = 1.0
EXACT = 3.0
# What the clauses of a long message weigh against the 1 of the whole, and how many of the best are taken.
CLAUSES, BEST_CLAUSES = 0.5, 2
# So many texts are given their meaning at once with a change; more wait for `taught`.
AT_ONCE = 60
# What is typed has a meaning of its own from so many words, or pairs of characters, on: half a word has none.
QUESTION_WORDS = 6

Keep = Callable[[int], bool]
Prefer = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class IndexHit:
    """`matched`: the title or phrasing that comes nearest; `confidence`: 0 to 1, that this entry answers."""

    id: int
    score: float
    matched: str
    confidence: float


class LearnedModels(NamedTuple):
    """What an index was taught by all of its entries together."""

    space: EmbeddingSpace
    weights: AnswerWeights
    subject: TopicFilter


class IndexQuery(NamedTuple):
    """What is asked: its words as they are compared, and the vectors of the whole and of its clauses, where meanings
    are known."""

    folded: str
    vectors: Sequence[Floats]


class Index:
    """Entries and what is known of them. It never changes: `with_changes` and `taught` give another one, so whoever
    reads one is not disturbed."""

    def __init__(self, entries: Iterable[IndexEntry] = (), *, teach: bool = False) -> None:
        """`teach`: with meanings too, which takes a second for a thousand phrasings."""
        vocabulary, answers = Vocabulary(), Vocabulary()
        known = [
            features_of_entry(entry, vocabulary, answers)
            for entry in {entry.id: entry for entry in entries}.values()
        ]
        self._set(known, vocabulary, answers, None)
        if teach:
            self._set(*self._learned(vectors_of))

    def __len__(self) -> int:
        return len(self._known)

    def entries(self) -> list[IndexEntry]:
        return [known.entry for known in self._known]

    @property
    def is_taught_all(self) -> bool:
        """Whether every entry is found by what it means, and none by its words alone."""
        return bool(self._judges.has_sense.all())

    def untaught(self) -> tuple[int, int]:
        """How many entries are found by their words alone, and how many texts they have."""
        waiting = [each for each in self._known if each.sense is None]
        return len(waiting), size_of(waiting)

    def with_changes(self, put: Iterable[IndexEntry], drop: Iterable[int] = ()) -> "Index":
        """With these entries in place of those of their ids, and without the dropped ones.

        In a taught index a few new texts get their meaning at once; many are found by their words until `taught`.
        """
        kept = {known.entry.id: known for known in self._known}
        for pk in drop:
            kept.pop(pk, None)
        new = [features_of_entry(entry, self._vocabulary, self._answer_vocabulary) for entry in put]
        if self._lessons is not None and new and size_of(new) <= AT_ONCE:
            new = with_embeddings(new, vectors_for(new, vectors_of), self._lessons.space)
        kept |= {known.entry.id: known for known in new}
        made = Index()
        made._set(list(kept.values()), self._vocabulary, self._answer_vocabulary, self._lessons)
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
            replace(each, sense=before[each.entry].sense if each.entry in before else None)
            for each in self._known
        ]
        new = [each for each in known if each.sense is None]
        made = Index()
        made._set(known, self._vocabulary, self._answer_vocabulary, taught._lessons)
        return made.with_changes([each.entry for each in new]) if size_of(new) <= AT_ONCE else made

    # -- building ----------------------------------------------------------------------------------------

    def _learned(
        self, encode: Encode
    ) -> tuple[list[EntryFeatures], Vocabulary, Vocabulary, LearnedModels | None]:
        if not self._known:
            return [], self._vocabulary, self._answer_vocabulary, None
        vectors = vectors_for(self._known, encode)
        texts = [rows.rows(0, -1) for rows in vectors]
        space = EmbeddingSpace(texts, [rows.rows(-1) for rows in vectors])
        # The first who asks should not wait for the encoder to be read.
        vector_of(" ")
        known = with_embeddings(self._known, vectors, space)
        judges = ScorerSet(known, self._vocabulary, self._answer_vocabulary, space)
        lessons = LearnedModels(space, fit_weights(judges, space), train_topic_filter(texts, encode))
        return known, self._vocabulary, self._answer_vocabulary, lessons

    def _set(
        self,
        known: Sequence[EntryFeatures],
        vocabulary: Vocabulary,
        answers: Vocabulary,
        lessons: LearnedModels | None,
    ) -> None:
        self._known = list(known)
        self._vocabulary, self._answer_vocabulary, self._lessons = vocabulary, answers, lessons
        self._judges = ScorerSet(self._known, vocabulary, answers, lessons and lessons.space)
        self._weights = SAFE_WEIGHTS if lessons is None else lessons.weights
        self._exact: dict[str, int] = {}
        for place, each in enumerate(known):
            for text in each.forms.texts:
                self._exact.setdefault(text, place)
        self._typing = TypedQuery([each.forms for each in known])
        self._is_zh = np.array([each.entry.language == "zh" for each in known], dtype=bool)
        self._pinyin: PinyinConverter | None = None

    # -- finding -----------------------------------------------------------------------------------------

    def find(
        self,
        text: str,
        limit: int = 5,
        *,
        keep: Keep | None = None,
        prefer: Prefer | None = None,
        language: str | None = None,
    ) -> list[IndexHit]:
        """The entries that a customer most likely asks for, the likeliest first; only those that `keep` lets pass.

        `prefer`: how much likelier an entry is whatever was asked, on a scale on which 1 is much.
        """
        if not self._known or not text.strip():
            return []
        parts = parts_of(self._in_characters(to_standard_words(text)))
        vectors = self._vectors(parts)
        scores = self._scores(parts[0], vectors[0] if vectors else None, language)
        if len(parts) > 1:
            clauses = [
                self._scores(part, vectors[at] if vectors else None, language)
                for at, part in enumerate(parts)
                if at
            ]
            scores = _with_clauses(scores, clauses)
        self._raise_exact(scores, text)
        return self._hits(scores, IndexQuery(one_line(parts[0]), vectors), limit, keep, prefer)

    def _in_characters(self, text: str) -> str:
        """The text with pinyin in characters, where it is pinyin of words that entries have."""
        if RUN.search(text) is None or text.isnumeric():
            return text
        if self._pinyin is None:
            counts: Counter[int] = Counter()
            for each in self._known:
                counts.update(dict(zip(each.words.words.tolist(), each.words.counts.tolist(), strict=True)))
            self._pinyin = PinyinConverter(
                {
                    word: counts[number]
                    for number, word in enumerate(self._vocabulary.words())
                    if number in counts
                }
            )
        return self._pinyin.in_characters(text)

    def _vectors(self, parts: Sequence[str]) -> Sequence[Floats]:
        """The vectors of the texts; none where meanings are not known."""
        if self._lessons is None or not all(RUN.search(plain(part)) for part in parts):
            return []
        return list(vectors_of_questions([simplified(bare(part)) for part in parts]))

    def _scores(self, text: str, vector: Floats | None, language: str | None) -> Floats:
        """How likely each entry is the one, in spreads above the mean; -inf where nothing speaks for it."""
        asks = bare(text)
        words, answers = self._judges.by_words(asks), self._judges.by_answer_words(asks)
        scores = WORDS * spread_of(words) + self._weights.words * spread_of(answers)
        nothing = (words == 0) & (answers == 0)
        if vector is not None and self._lessons is not None:
            space = self._lessons.space
            scores += self._judges.by_meaning(space, vector)
            scores += self._weights.meaning * self._judges.by_answer_meaning(space, vector)
            nothing &= ~self._judges.has_sense
        if language is not None:
            scores[self._is_zh != (language == "zh")] -= np.float32(LANGUAGE)
        scores[nothing] = -np.inf
        return scores

    def _raise_exact(self, scores: Floats, text: str) -> None:
        """Puts the entry first that has the text word for word."""
        exact = self._exact.get(one_line(text))
        if exact is not None:
            scores[exact] = max(0.0, float(scores[exact]), float(scores.max())) + EXACT

    def _hits(
        self,
        scores: Floats,
        question: IndexQuery,
        limit: int,
        keep: Keep | None,
        prefer: Prefer | None,
    ) -> list[IndexHit]:
        found: dict[int, float] = {}
        # Who is preferred may stand a little behind; nobody is fetched from far.
        for place in np.argsort(-scores, kind="stable"):
            if scores[place] == -np.inf or len(found) >= limit * 4 + 8:
                break
            pk = self._known[place].entry.id
            if keep is None or keep(pk):
                found[int(place)] = float(scores[place]) + (prefer(pk) if prefer else 0.0)
        best = sorted(found, key=lambda place: -found[place])[:limit]
        is_strange = self._is_strange(question)
        return [self._hit(place, found, question, is_strange) for place in best]

    def _is_strange(self, question: IndexQuery) -> bool:
        """Whether nothing in it is a bank's business, though entries come near."""
        if self._lessons is None or not question.vectors or question.folded in self._exact:
            return False
        subject = self._lessons.subject
        return not any(subject.has(vector) for vector in question.vectors)

    def _hit(self, place: int, found: dict[int, float], question: IndexQuery, is_strange: bool) -> IndexHit:
        known = self._known[place]
        lead = found[place] - max((score for other, score in found.items() if other != place), default=0.0)
        lead = max(-3.0, min(3.0, lead))
        if question.vectors and self._lessons is not None and known.sense is not None:
            space = self._lessons.space
            cosines = np.stack(
                [space.cosines([known.sense], space.placed(vector)) for vector in question.vectors]
            )
            nearest = int(cosines.max(axis=0).argmax())
            confidence = confidence_of(float(cosines.max()), lead)
        else:
            alike = [shared(question.folded, text) for text in known.forms.texts]
            nearest = alike.index(max(alike))
            confidence = max(0.0, min(1.0, alike[nearest] + 0.1 * lead))
        if is_strange:
            confidence *= STRANGE
        return IndexHit(known.entry.id, found[place], known.texts[nearest], confidence)

    # -- as it is typed ----------------------------------------------------------------------------------

    def suggest(
        self,
        typed: str,
        limit: int = 8,
        *,
        keep: Keep | None = None,
        prefer: Prefer | None = None,
        language: str | None = None,
    ) -> list[IndexHit]:
        """What an agent may mean who has typed so far: parts of titles and phrasings, pinyin and its initials, what
        sounds the same, slips; and what the words typed so far find, by meaning too once they are a question."""
        if not self._known or not typed.strip():
            return []
        text = correct_typos(self._in_characters(typed), self._vocabulary.words)
        vectors = self._vectors([text]) if len(tokens_of(plain(text))) >= QUESTION_WORDS else []
        scores = self._scores(text, vectors[0] if vectors else None, language)
        self._raise_exact(scores, typed)
        top = max(3.0, float(scores.max()))
        for place, fits in self._typing.fits(typed).items():
            scores[place] = max(float(scores[place]), 0.0) + top * fits
        return self._hits(scores, IndexQuery(one_line(typed), vectors), limit, keep, prefer)

    def look_up(self, words: str, limit: int) -> list[int]:
        """The entries that these words name, likeliest first, and no other however many are wanted: parts, pinyin,
        initials and slips as in `suggest`; and what is meant, where that is clear."""
        if not self._known or not words.strip():
            return []
        text = correct_typos(words, self._vocabulary.words)
        fits = {self._known[place].entry.id for place in self._typing.fits(words)}
        named = self.suggest(words, limit, keep=fits.__contains__)
        meant = [hit for hit in self.find(text, limit) if hit.confidence >= NOT_ANSWERED]
        return list(dict.fromkeys(hit.id for hit in (*named, *meant)))[:limit]


def _with_clauses(whole: Floats, clauses: Sequence[Floats]) -> Floats:
    """The scores of a long message: the whole, and half of what its best two clauses say on average.

    The best clause alone would let a side remark decide ("I run a small restaurant" in a story of a frozen account).
    """
    best = np.sort(np.maximum(np.stack(clauses), np.float32(-1)), axis=0)[-BEST_CLAUSES:]
    found: Floats = (whole + CLAUSES * best.mean(axis=0)) / np.float32(1 + CLAUSES)
    return found
