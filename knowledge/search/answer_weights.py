"""Fits the weight of answers in the search of one bank to the bank's own phrasings.

Short answers that repeat their topic improve the search; long ones, which share much with other answers, worsen it.
To see which kind a bank has, its phrasings are used as queries with several weights. Each query leaves out itself and
every second other phrasing of its point, because visitors' messages differ more than phrasings do.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from knowledge.search.embeddings import EmbeddingSpace
from knowledge.search.scorers import WORD_WEIGHT, AnswerWeights, HeldOutPhrasing, ScorerSet, standardize
from knowledge.search.tokenizer import without_courtesy

# The weights without phrasings to learn from. Higher weights gain more with short answers but lose with long ones;
# these gain with both kinds, and cost one or two percentage points where answers say nothing at all.
SAFE_WEIGHTS = AnswerWeights(0.2, 0.2)
WEIGHT_STEPS = (0.0, 0.1, 0.2, 0.3, 0.4)
# Most phrasings used as queries; and the number of them with which fitted and safe weights count equally.
MAX_SAMPLES, SHRINKAGE = 500, 60
# Mean reciprocal rank that a weight of 1 must gain; a smaller gain may be chance.
MIN_GAIN = 0.01


def fit_weights(scorers: ScorerSet, space: EmbeddingSpace) -> AnswerWeights:
    """Return the weights with which held-out phrasings find their entries best.

    With few phrasings they are drawn to the safe weights. The result is deterministic. It takes two seconds of one
    core for 5,000 points.
    """
    samples = [
        HeldOutPhrasing(position, (row, *_alternate_rows(row, len(features.texts))))
        for position, features in enumerate(scorers.entries)
        if features.embeddings is not None and features.entry.answer
        for row in range(1, len(features.texts))
    ]
    if not samples:
        return SAFE_WEIGHTS
    queries = samples[:: -(-len(samples) // MAX_SAMPLES)]
    grid = np.array(list(product(WEIGHT_STEPS, WEIGHT_STEPS)), np.float32)
    gains = np.zeros(len(grid))
    for held_out in queries:
        gains += 1 / (1 + _ranks(scorers, space, held_out, grid))
    best = grid[int(np.argmax(gains / len(queries) - MIN_GAIN * grid.mean(axis=1)))]
    share = len(queries) / (len(queries) + SHRINKAGE)
    words, meaning = (share * best + (1 - share) * np.array(SAFE_WEIGHTS)).tolist()
    return AnswerWeights(words, meaning)


def _alternate_rows(row: int, texts: int) -> list[int]:
    """Return every second row counted from this one, without itself and without row 0, the title."""
    return [other for other in range(1, texts) if other != row and (other - row) % 2 == 0]


def _ranks(
    scorers: ScorerSet, space: EmbeddingSpace, held_out: HeldOutPhrasing, grid: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Return for each pair of weights the number of entries ranked before the one whose phrasing was held out."""
    features = scorers.entries[held_out.position]
    assert features.embeddings is not None
    query_row = held_out.rows[0]
    vector = features.embeddings.texts.rows(query_row, query_row + 1).floats()[0]
    query = without_courtesy(features.texts[query_row])
    scores = WORD_WEIGHT * standardize(scorers.by_words(query, held_out))
    scores += scorers.by_meaning(space, vector, held_out)
    of_answers = np.stack(
        [standardize(scorers.by_answer_words(query)), scorers.by_answer_meaning(space, vector)]
    )
    ahead = (scores - scores[held_out.position]) + grid @ (
        of_answers - of_answers[:, held_out.position, None]
    )
    ranks: NDArray[np.int64] = (ahead > 0).sum(axis=1)
    return ranks
