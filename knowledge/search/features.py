"""Features of an entry, which are computed once and shared by all indexes that contain the entry."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from knowledge.search.embeddings import EmbeddingSpace, TextEmbeddings, Vectors
from knowledge.search.postings import Floats, TermCounts, Vocabulary
from knowledge.search.tokenizer import (
    IndexEntry,
    character_pairs,
    features_of,
    normalize,
    to_simplified,
    without_courtesy,
)
from knowledge.search.typeahead import TypeaheadForms

ANSWER_CHARACTERS = 200

Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class EntryFeatures:
    """The features of an entry. `embeddings` is None until the index is trained.

    `texts`: title and phrasings without duplicates. `words`: the terms of these texts. `answer`: the terms of the
    answer.
    """

    entry: IndexEntry
    texts: tuple[str, ...]
    words: TermCounts
    answer: TermCounts
    forms: TypeaheadForms
    embeddings: TextEmbeddings | None = None


def features_of_entry(entry: IndexEntry, vocabulary: Vocabulary, answers: Vocabulary) -> EntryFeatures:
    texts = tuple(dict.fromkeys((entry.title, *entry.phrasings)))
    words = Counter(word for text in texts for word in features_of(without_courtesy(text)))
    answer = Counter(character_pairs(normalize(entry.answer)))
    return EntryFeatures(
        entry, texts, vocabulary.count(words), answers.count(answer), TypeaheadForms.of(texts)
    )


def count_texts(entries: Sequence[EntryFeatures]) -> int:
    """Return the number of texts of the entries, including their answers."""
    return sum(len(features.texts) + 1 for features in entries)


def vectors_for(entries: Sequence[EntryFeatures], encode: Encode) -> list[Vectors]:
    """Return the vectors of each entry: one row per text, and a final row for its answer."""
    lengths = [len(features.texts) + 1 for features in entries]
    texts = [
        text
        for features in entries
        for text in (*map(without_courtesy, features.texts), features.entry.answer[:ANSWER_CHARACTERS])
    ]
    vectors, ends = encode([to_simplified(text) for text in texts]), np.cumsum(lengths)
    return [vectors.rows(end - length, end) for length, end in zip(lengths, ends, strict=True)]


def with_embeddings(
    entries: Sequence[EntryFeatures], vectors: Sequence[Vectors], space: EmbeddingSpace
) -> list[EntryFeatures]:
    return [
        replace(features, embeddings=space.embed(rows.rows(0, -1), rows.rows(-1)))
        for features, rows in zip(entries, vectors, strict=True)
    ]


def rows_of(rows: Sequence[Floats | None], length: int) -> Floats:
    """Return a matrix with these rows; a row of zeros stands for None."""
    matrix = np.zeros((len(rows), length), np.float32)
    for position, values in enumerate(rows):
        if values is not None:
            matrix[position] = values
    return matrix
