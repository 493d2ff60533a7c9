"""Selects the entries with the best scores, and computes the confidence that each of them answers the query."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from knowledge.search.confidence import confidence_of, word_similarity
from knowledge.search.features import EntryFeatures
from knowledge.search.models import LearnedModels
from knowledge.search.postings import Floats
from knowledge.search.topic_filter import OFF_TOPIC_FACTOR

Keep = Callable[[int], bool]
Prefer = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class IndexHit:
    """A search result. `matched`: the nearest title or phrasing; `confidence`: the probability that the entry answers
    the query."""

    id: int
    score: float
    matched: str
    confidence: float


class IndexQuery(NamedTuple):
    """A query: its normalised text, and the vectors of the whole message and of its clauses.

    An untrained index has no vectors. `exact` is the position of the entry whose title or phrasing is equal to the
    text.
    """

    folded: str
    vectors: Sequence[Floats]
    exact: int | None


def best_hits(
    entries: Sequence[EntryFeatures],
    models: LearnedModels | None,
    query: IndexQuery,
    scores: Floats,
    limit: int,
    keep: Keep | None,
    prefer: Prefer | None,
) -> list[IndexHit]:
    """Return the entries with the highest scores, the best first; those with a score of -inf are left out."""
    ranked: dict[int, float] = {}
    # Before its bonus is added, a preferred entry may rank a little lower, so rank more entries than the limit.
    for position in np.argsort(-scores, kind="stable"):
        if scores[position] == -np.inf or len(ranked) >= limit * 4 + 8:
            break
        pk = entries[position].entry.id
        if keep is None or keep(pk):
            ranked[int(position)] = float(scores[position]) + (prefer(pk) if prefer else 0.0)
    best = sorted(ranked, key=lambda position: -ranked[position])[:limit]
    factor = OFF_TOPIC_FACTOR if _is_off_topic(models, query) else 1.0
    return [
        _hit(entries[position], models, query, ranked[position], _lead(ranked, position), factor)
        for position in best
    ]


def _is_off_topic(models: LearnedModels | None, query: IndexQuery) -> bool:
    """Return whether the query is not about banking, no matter how close the nearest entries are."""
    if models is None or not query.vectors or query.exact is not None:
        return False
    return not any(models.topic_filter.accepts(vector) for vector in query.vectors)


def _lead(ranked: Mapping[int, float], position: int) -> float:
    """Return the score of an entry minus the score of the best other entry, limited to the range -3 to 3."""
    others = (score for other, score in ranked.items() if other != position)
    return max(-3.0, min(3.0, ranked[position] - max(others, default=0.0)))


def _hit(
    features: EntryFeatures,
    models: LearnedModels | None,
    query: IndexQuery,
    score: float,
    lead: float,
    factor: float,
) -> IndexHit:
    if query.vectors and models is not None and features.embeddings is not None:
        space = models.space
        cosines = np.stack(
            [space.cosines([features.embeddings], space.project(vector)) for vector in query.vectors]
        )
        nearest = int(cosines.max(axis=0).argmax())
        confidence = confidence_of(float(cosines.max()), lead)
    else:
        similarities = [word_similarity(query.folded, text) for text in features.forms.texts]
        nearest = similarities.index(max(similarities))
        confidence = max(0.0, min(1.0, similarities[nearest] + 0.1 * lead))
    return IndexHit(features.entry.id, score, features.texts[nearest], confidence * factor)
