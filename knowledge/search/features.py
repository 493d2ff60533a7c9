"""What is worked out of an entry once, and taken over by every index that it stands in."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from knowledge.search.embeddings import EmbeddingSpace, TextEmbeddings, Vectors
from knowledge.search.postings import Floats, TermCounts, Vocabulary
from knowledge.search.tokenizer import IndexEntry, bare, features_of, pairs_of, plain, simplified
from knowledge.search.typeahead import TypeaheadIndex

# A word of the title counts as much as in so many phrasings.
TITLE_WORDS = 3
ANSWER_CHARACTERS = 200

Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class EntryFeatures:
    """What is worked out of an entry once; `sense` once it is taught."""

    entry: IndexEntry
    texts: tuple[str, ...]
    words: TermCounts
    answer: TermCounts
    forms: TypeaheadIndex
    sense: TextEmbeddings | None = None


def features_of_entry(entry: IndexEntry, vocabulary: Vocabulary, answers: Vocabulary) -> EntryFeatures:
    texts = tuple(dict.fromkeys((entry.title, *entry.phrasings)))
    words = Counter(word for text in texts for word in features_of(bare(text)))
    for word in features_of(bare(entry.title)):
        words[word] += TITLE_WORDS - 1
    answer = Counter(pairs_of(plain(entry.answer)))
    return EntryFeatures(
        entry, texts, vocabulary.count(words), answers.count(answer), TypeaheadIndex.of(texts)
    )


def size_of(known: Sequence[EntryFeatures]) -> int:
    """How many texts they have, with the answers."""
    return sum(len(each.texts) + 1 for each in known)


def vectors_for(known: Sequence[EntryFeatures], encode: Encode) -> list[Vectors]:
    """Of each entry a row for each text, and one for the answer."""
    lengths = [len(each.texts) + 1 for each in known]
    texts = [
        text for each in known for text in (*map(bare, each.texts), each.entry.answer[:ANSWER_CHARACTERS])
    ]
    vectors, ends = encode([simplified(text) for text in texts]), np.cumsum(lengths)
    return [vectors.rows(end - length, end) for length, end in zip(lengths, ends, strict=True)]


def with_embeddings(
    known: Sequence[EntryFeatures], vectors: Sequence[Vectors], space: EmbeddingSpace
) -> list[EntryFeatures]:
    return [
        replace(each, sense=space.sense(rows.rows(0, -1), rows.rows(-1)))
        for each, rows in zip(known, vectors, strict=True)
    ]


def rows_of(each: Sequence[Floats | None], length: int) -> Floats:
    """One row for each, of zeros where there is none."""
    found = np.zeros((len(each), length), np.float32)
    for place, values in enumerate(each):
        if values is not None:
            found[place] = values
    return found
