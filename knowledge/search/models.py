"""The models that an index learns from all of its entries together."""

from collections.abc import Sequence
from typing import NamedTuple

from knowledge.search.answer_weights import fit_weights
from knowledge.search.embeddings import EmbeddingSpace, vector_of
from knowledge.search.features import Encode, EntryFeatures, vectors_for, with_embeddings
from knowledge.search.postings import Vocabulary
from knowledge.search.scorers import AnswerWeights, ScorerSet
from knowledge.search.topic_filter import TopicFilter, train_topic_filter


class LearnedModels(NamedTuple):
    space: EmbeddingSpace
    weights: AnswerWeights
    topic_filter: TopicFilter


def learn_models(
    entries: Sequence[EntryFeatures], vocabulary: Vocabulary, answers: Vocabulary, encode: Encode
) -> tuple[list[EntryFeatures], LearnedModels]:
    """Return the entries with embeddings, and the models learned from them. At least one entry is required."""
    vectors = vectors_for(entries, encode)
    texts = [rows.rows(0, -1) for rows in vectors]
    space = EmbeddingSpace(texts, [rows.rows(-1) for rows in vectors])
    # Load the encoder now, so that the first question does not wait for it.
    vector_of(" ")
    embedded = with_embeddings(entries, vectors, space)
    scorers = ScorerSet(embedded, vocabulary, answers, space)
    return embedded, LearnedModels(space, fit_weights(scorers, space), train_topic_filter(texts, encode))
