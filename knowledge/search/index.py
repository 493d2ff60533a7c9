"""The search index: finds the entries nearest to a visitor's message, or to the text that an agent is typing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from knowledge.search.answer_weights import SAFE_WEIGHTS
from knowledge.search.confidence import NOT_ANSWERED
from knowledge.search.embeddings import vectors_of, vectors_of_questions
from knowledge.search.features import (
    Encode,
    EntryFeatures,
    count_texts,
    features_of_entry,
    vectors_for,
    with_embeddings,
)
from knowledge.search.hits import IndexHit, IndexQuery, Keep, Prefer, best_hits
from knowledge.search.models import LearnedModels, learn_models
from knowledge.search.postings import Floats, Vocabulary
from knowledge.search.query_rewriting import PinyinConverter, to_standard_words
from knowledge.search.scorers import WORD_WEIGHT, ScorerSet, standardize
from knowledge.search.tokenizer import (
    RUN,
    IndexEntry,
    normalize,
    question_parts,
    to_simplified,
    tokens_of,
    without_courtesy,
)
from knowledge.search.typeahead import TypeaheadIndex, correct_typos, normalized_line

# The first number is subtracted from the score of an entry in another language. The second is added for an entry with a
# title or phrasing that is equal to the question.
LANGUAGE_PENALTY = 1.0
EXACT_BONUS = 3.0
# The weight of the clauses of a long message (the whole message has weight 1), and the number of clauses that count:
# only the best ones.
CLAUSE_WEIGHT, BEST_CLAUSES = 0.5, 2
# The maximum number of texts that one change encodes at once. If a change has more texts, its new entries get no
# embeddings until `trained` is called.
MAX_ENCODED_AT_ONCE = 60
# Typed text is compared by embeddings if it has at least this number of tokens. A shorter text is only part of a
# question.
MIN_QUESTION_TOKENS = 6


class Index:
    """An immutable index of entries. `with_changes` and `trained` return a new index, so readers are not disturbed.

    An index finds entries by their words. A trained one also finds them by their embeddings.
    """

    def __init__(self, entries: Iterable[IndexEntry] = (), *, train: bool = False) -> None:
        """Build an index. With `train`, its entries get embeddings, which takes a second for a thousand phrasings."""
        vocabulary, answers = Vocabulary(), Vocabulary()
        features = [
            features_of_entry(entry, vocabulary, answers)
            for entry in {entry.id: entry for entry in entries}.values()
        ]
        self._set(features, vocabulary, answers, None)
        if train:
            self._set(*self._learn(vectors_of))

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[IndexEntry]:
        return [features.entry for features in self._entries]

    @property
    def is_trained(self) -> bool:
        """Whether every entry has embeddings."""
        return bool(self._scorers.is_trained.all())

    def untrained_counts(self) -> tuple[int, int]:
        """Return the number of entries without embeddings, and the number of texts of these entries."""
        untrained = [features for features in self._entries if features.embeddings is None]
        return len(untrained), count_texts(untrained)

    def with_changes(self, put: Iterable[IndexEntry], drop: Iterable[int] = ()) -> "Index":
        """Return a new index in which the entries `put` are added or replaced and the ids `drop` are removed.

        If this index is trained and there are only a few new texts, they are encoded immediately. If there are more,
        the new entries are found only by their words until `trained` is called.
        """
        kept = {features.entry.id: features for features in self._entries}
        for pk in drop:
            kept.pop(pk, None)
        new = [features_of_entry(entry, self._vocabulary, self._answer_vocabulary) for entry in put]
        if self._models is not None and new and count_texts(new) <= MAX_ENCODED_AT_ONCE:
            new = with_embeddings(new, vectors_for(new, vectors_of), self._models.space)
        kept |= {features.entry.id: features for features in new}
        index = Index()
        index._set(list(kept.values()), self._vocabulary, self._answer_vocabulary, self._models)
        return index

    def trained(self, vectors_of: Encode = vectors_of) -> "Index":
        """Return an index of the same entries with embeddings and newly learned models.

        Encoding takes a second for a thousand new texts; if all vectors are stored, training takes a few seconds in
        total. `vectors_of` may encode the texts elsewhere, as `encoder_process.encode_in_process` does.
        """
        index = Index()
        index._set(*self._learn(vectors_of))
        return index

    def with_models_of(self, trained: "Index") -> "Index":
        """Return this index with the models of `trained`, which was trained from an earlier state of this index.

        Entries that are equal in both get the embeddings from `trained`. The others are encoded at once if they are
        few; otherwise they are found only by their words.
        """
        known = {features.entry: features.embeddings for features in trained._entries}
        entries = [replace(features, embeddings=known.get(features.entry)) for features in self._entries]
        new = [features for features in entries if features.embeddings is None]
        index = Index()
        index._set(entries, self._vocabulary, self._answer_vocabulary, trained._models)
        if count_texts(new) > MAX_ENCODED_AT_ONCE:
            return index
        return index.with_changes([features.entry for features in new])

    # -- building ----------------------------------------------------------------------------------------

    def _learn(
        self, encode: Encode
    ) -> tuple[list[EntryFeatures], Vocabulary, Vocabulary, LearnedModels | None]:
        if not self._entries:
            return [], self._vocabulary, self._answer_vocabulary, None
        entries, models = learn_models(self._entries, self._vocabulary, self._answer_vocabulary, encode)
        return entries, self._vocabulary, self._answer_vocabulary, models

    def _set(
        self,
        entries: Sequence[EntryFeatures],
        vocabulary: Vocabulary,
        answers: Vocabulary,
        models: LearnedModels | None,
    ) -> None:
        self._entries = list(entries)
        self._vocabulary, self._answer_vocabulary, self._models = vocabulary, answers, models
        self._scorers = ScorerSet(self._entries, vocabulary, answers, models and models.space)
        self._weights = SAFE_WEIGHTS if models is None else models.weights
        self._exact: dict[str, int] = {}
        for position, features in enumerate(entries):
            for text in features.forms.texts:
                self._exact.setdefault(text, position)
        self._typeahead = TypeaheadIndex([features.forms for features in entries])
        self._is_zh = np.array([features.entry.language == "zh" for features in entries], dtype=bool)
        self._pinyin: PinyinConverter | None = None

    # -- search for messages -----------------------------------------------------------------------------

    def find(
        self,
        text: str,
        limit: int = 5,
        *,
        keep: Keep | None = None,
        prefer: Prefer | None = None,
        language: str | None = None,
    ) -> list[IndexHit]:
        """Return the entries that most likely answer the visitor's message, the most likely first.

        `keep` filters entries by id. `prefer` returns the bonus of an entry, whatever the message is; 1 is a large
        bonus.
        """
        if not self._entries or not text.strip():
            return []
        parts = question_parts(self._in_characters(to_standard_words(text)))
        vectors = self._vectors(parts)
        scores = self._scores(parts[0], vectors[0] if vectors else None, language)
        if len(parts) > 1:
            clauses = [
                self._scores(part, vectors[number] if vectors else None, language)
                for number, part in enumerate(parts)
                if number
            ]
            scores = _with_clauses(scores, clauses)
        query = self._query(text, parts[0], vectors)
        _raise_exact(scores, query)
        return best_hits(self._entries, self._models, query, scores, limit, keep, prefer)

    def _in_characters(self, text: str) -> str:
        """Return the text with pinyin converted to characters, if an entry contains the words that the pinyin
        spells."""
        if RUN.search(text) is None or text.isnumeric():
            return text
        if self._pinyin is None:
            counts: Counter[int] = Counter()
            for features in self._entries:
                terms = features.words
                counts.update(dict(zip(terms.words.tolist(), terms.counts.tolist(), strict=True)))
            self._pinyin = PinyinConverter(
                {
                    word: counts[number]
                    for number, word in enumerate(self._vocabulary.words())
                    if number in counts
                }
            )
        return self._pinyin.in_characters(text)

    def _vectors(self, parts: Sequence[str]) -> Sequence[Floats]:
        """Return the vectors of the texts, or an empty list if the index is untrained or a text has no words."""
        if self._models is None or not all(RUN.search(normalize(part)) for part in parts):
            return []
        return list(vectors_of_questions([to_simplified(without_courtesy(part)) for part in parts]))

    def _scores(self, text: str, vector: Floats | None, language: str | None) -> Floats:
        """Return the score of each entry: a sum of standard scores, or -inf if the entry does not match at all."""
        query = without_courtesy(text)
        words, answers = self._scorers.by_words(query), self._scorers.by_answer_words(query)
        scores = WORD_WEIGHT * standardize(words) + self._weights.words * standardize(answers)
        has_no_match = (words == 0) & (answers == 0)
        if vector is not None and self._models is not None:
            space = self._models.space
            scores += self._scorers.by_meaning(space, vector)
            scores += self._weights.meaning * self._scorers.by_answer_meaning(space, vector)
            has_no_match &= ~self._scorers.is_trained
        if language is not None:
            scores[self._is_zh != (language == "zh")] -= np.float32(LANGUAGE_PENALTY)
        scores[has_no_match] = -np.inf
        return scores

    def _query(self, text: str, searched: str, vectors: Sequence[Floats]) -> IndexQuery:
        """Return the query for the message `text`. `searched` is the message after dialect and pinyin were
        rewritten."""
        return IndexQuery(normalized_line(searched), vectors, self._exact.get(normalized_line(text)))

    # -- search while typing -----------------------------------------------------------------------------

    def suggest(
        self,
        typed: str,
        limit: int = 8,
        *,
        keep: Keep | None = None,
        prefer: Prefer | None = None,
        language: str | None = None,
    ) -> list[IndexHit]:
        """Return the entries that an agent may mean by the text typed so far.

        Entries match by parts of titles and phrasings, pinyin, pinyin initials, characters that sound the same, and
        typos. They also match by words, and by embeddings if the text is long enough for a question.
        """
        if not self._entries or not typed.strip():
            return []
        text = correct_typos(self._in_characters(typed), self._vocabulary.words)
        vectors = self._vectors([text]) if len(tokens_of(normalize(text))) >= MIN_QUESTION_TOKENS else []
        scores = self._scores(text, vectors[0] if vectors else None, language)
        query = self._query(typed, typed, vectors)
        _raise_exact(scores, query)
        top = max(3.0, float(scores.max()))
        for position, fits in self._typeahead.fits(typed).items():
            scores[position] = max(float(scores[position]), 0.0) + top * fits
        return best_hits(self._entries, self._models, query, scores, limit, keep, prefer)

    def look_up(self, words: str, limit: int) -> list[int]:
        """Return only the ids of the entries that match the words, best first.

        An entry matches if the words are parts, pinyin, initials or a misspelling of its texts (see `suggest`), or if
        it answers them with enough confidence (see `find`).
        """
        if not self._entries or not words.strip():
            return []
        text = correct_typos(words, self._vocabulary.words)
        fits = {self._entries[position].entry.id for position in self._typeahead.fits(words)}
        matches = self.suggest(words, limit, keep=fits.__contains__)
        answers = [hit for hit in self.find(text, limit) if hit.confidence >= NOT_ANSWERED]
        return list(dict.fromkeys(hit.id for hit in (*matches, *answers)))[:limit]


def _with_clauses(whole: Floats, clauses: Sequence[Floats]) -> Floats:
    """Return the scores of a long message: a weighted mean of the scores of the whole and of its best two clauses.

    If only the best clause counted, a side remark could decide the result, such as "I run a small restaurant" in a
    story about a frozen account.
    """
    best = np.sort(np.maximum(np.stack(clauses), np.float32(-1)), axis=0)[-BEST_CLAUSES:]
    combined: Floats = (whole + CLAUSE_WEIGHT * best.mean(axis=0)) / np.float32(1 + CLAUSE_WEIGHT)
    return combined


def _raise_exact(scores: Floats, query: IndexQuery) -> None:
    """Put the entry whose title or phrasing equals the text in first place."""
    if query.exact is not None:
        scores[query.exact] = max(0.0, float(scores[query.exact]), float(scores.max())) + EXACT_BONUS
