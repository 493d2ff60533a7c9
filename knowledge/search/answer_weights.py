"""Learns, for each bank, how much the text of answers should count in the search.

Short answers that repeat their topic improve the search: for points without phrasings, the right point is then first
for 40 % of our questions instead of 34 %. Long answers, which share many words with other answers, make it worse. To
find out which kind of answers a bank has, its phrasings are used as queries with several weights. The query itself and
every second other phrasing of its point are left out of the index, because visitors' messages differ from phrasings
more than phrasings differ from each other. If answers do not resemble their titles at all, their weight is 0.
"""

from collections.abc import Sequence
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from knowledge.search.embeddings import EmbeddingSpace, Floats
from knowledge.search.scorers import WORD_WEIGHT, AnswerWeights, HeldOutPhrasing, ScorerSet, standardize
from knowledge.search.tokenizer import without_courtesy

Item = TypeVar("Item")

# The weights if there are no phrasings to learn from. Higher weights improve the search for short answers, but make it
# worse for long ones.
SAFE_WEIGHTS = AnswerWeights(0.2, 0.2)
# `_resemblance` also counts this many imaginary points whose answers clearly resemble their titles, so that the text of
# answers keeps its weight when there is little evidence.
ASSUMED_RESEMBLANCES = 10
WEIGHT_STEPS = (0.0, 0.1, 0.2, 0.3, 0.4)
# The maximum number of phrasings used as queries, and the number of phrasings at which fitted and safe weights count
# equally.
MAX_SAMPLES, SHRINKAGE = 500, 60


def fit_weights(scorers: ScorerSet, space: EmbeddingSpace) -> AnswerWeights:
    """Return the answer weights with which held-out phrasings rank their own entries highest.

    The fewer phrasings there are, the closer the result is to SAFE_WEIGHTS. Answers that do not resemble their titles
    get weight 0. The result is deterministic. The computation takes two seconds on one core for 5,000 points.
    """
    queries = _sample(
        [
            HeldOutPhrasing(position, (row, *_alternate_rows(row, len(features.texts))))
            for position, features in enumerate(scorers.entries)
            if scorers.has_answer[position]
            for row in range(1, len(features.texts))
        ]
    )
    grid = np.array(list(product(WEIGHT_STEPS, WEIGHT_STEPS)), np.float32)
    gains = np.zeros(len(grid))
    for held_out in queries:
        gains += 1 / (1 + _ranks(scorers, space, held_out, grid))
    best = grid[int(np.argmax(gains))]
    share = len(queries) / (len(queries) + SHRINKAGE)
    weights = _resemblance(scorers, space) * (share * best + (1 - share) * np.array(SAFE_WEIGHTS))
    return AnswerWeights(*weights.tolist())


def _resemblance(scorers: ScorerSet, space: EmbeddingSpace) -> NDArray[np.float64]:
    """Return how much answers resemble their titles by words and by meaning: 0 if not at all, 1 if clearly.

    Each title is used as a query, and the standard score of its own answer is taken. The result is the mean of these
    scores, limited to the range 0 to 1.
    """
    positions = _sample(np.flatnonzero(scorers.has_answer).tolist())
    total = np.full(2, float(ASSUMED_RESEMBLANCES))
    for position in positions:
        total += _answer_scores(scorers, space, position, 0)[:, position]
    return np.clip(total / (ASSUMED_RESEMBLANCES + len(positions)), 0, 1)


def _sample(items: Sequence[Item]) -> Sequence[Item]:
    """Return at most `MAX_SAMPLES` of the items, at even distances."""
    return items[:: max(1, -(-len(items) // MAX_SAMPLES))]


def _alternate_rows(row: int, texts: int) -> list[int]:
    """Return every second row, counting from `row` in both directions. Leave out `row` itself, and row 0, which is the
    title."""
    return [other for other in range(1, texts) if other != row and (other - row) % 2 == 0]


def _ranks(
    scorers: ScorerSet, space: EmbeddingSpace, held_out: HeldOutPhrasing, grid: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Return, for each pair of weights in `grid`, how many entries rank before the one whose phrasing was held out."""
    position, row = held_out.position, held_out.rows[0]
    query, vector = _question(scorers, position, row)
    scores = WORD_WEIGHT * standardize(scorers.by_words(query, held_out))
    scores += scorers.by_meaning(space, vector, held_out)
    of_answers = _answer_scores(scorers, space, position, row)
    ahead = (scores - scores[position]) + grid @ (of_answers - of_answers[:, position, None])
    ranks: NDArray[np.int64] = (ahead > 0).sum(axis=1)
    return ranks


def _answer_scores(scorers: ScorerSet, space: EmbeddingSpace, position: int, row: int) -> Floats:
    """Return the scores of all answers, by words and by meaning, with text number `row` of an entry as the query."""
    query, vector = _question(scorers, position, row)
    return np.stack([standardize(scorers.by_answer_words(query)), scorers.by_answer_meaning(space, vector)])


def _question(scorers: ScorerSet, position: int, row: int) -> tuple[str, Floats]:
    """Return text number `row` of the entry at this position, without polite phrases, and the vector of that text."""
    features = scorers.entries[position]
    assert features.embeddings is not None
    vector = features.embeddings.texts.rows(row, row + 1).floats()[0]
    return without_courtesy(features.texts[row]), vector
