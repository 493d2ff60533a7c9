"""What answers weigh in the search of one bank, fitted to its own phrasings.

Short answers that repeat what they are about help; long ones, full of what other answers say too, take points away.
Which of the two a bank's are is seen by asking its phrasings with several weights, each as if it and every second one
of its point were not there: customers write less alike than phrasings are.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from knowledge.search.embeddings import EmbeddingSpace
from knowledge.search.scorers import WORDS, AnswerWeights, HeldOutPhrasing, ScorerSet, spread_of
from knowledge.search.tokenizer import bare

# The weight of both where there are no phrasings to learn from. More gains more with short answers, and loses with
# long ones; this much gains with both, and costs a point or two where answers say nothing at all.
SAFE_WEIGHTS = AnswerWeights(0.2, 0.2)
STEPS = (0.0, 0.1, 0.2, 0.3, 0.4)
# Phrasings that are asked at most; and as many as make the fitted weights count as much as the safe ones.
ASKED, SHRINKAGE = 500, 60
# What weights of 1 must gain, in mean reciprocal rank: less may be chance.
PRICE = 0.01


def fit_weights(judges: ScorerSet, space: EmbeddingSpace) -> AnswerWeights:
    """The weights with which left-out phrasings find their entries best, drawn to the safe ones where they are few.
    The same entries give the same weights. Two seconds of one core for 5,000 points."""
    places = [
        HeldOutPhrasing(place, (row, *_every_second(row, len(each.texts))))
        for place, each in enumerate(judges.known)
        if each.sense is not None and each.entry.answer
        for row in range(1, len(each.texts))
    ]
    if not places:
        return SAFE_WEIGHTS
    asked = places[:: -(-len(places) // ASKED)]
    grid = np.array(list(product(STEPS, STEPS)), np.float32)
    gains = np.zeros(len(grid))
    for left_out in asked:
        gains += 1 / (1 + _ranks(judges, space, left_out, grid))
    best = grid[int(np.argmax(gains / len(asked) - PRICE * grid.mean(axis=1)))]
    share = len(asked) / (len(asked) + SHRINKAGE)
    words, meaning = (share * best + (1 - share) * np.array(SAFE_WEIGHTS)).tolist()
    return AnswerWeights(words, meaning)


def _every_second(row: int, texts: int) -> list[int]:
    """Every second phrasing counted from this one, without it; the title, row 0, stays."""
    return [other for other in range(1, texts) if other != row and (other - row) % 2 == 0]


def _ranks(
    judges: ScorerSet, space: EmbeddingSpace, left_out: HeldOutPhrasing, grid: NDArray[np.float32]
) -> NDArray[np.int64]:
    """For each pair of weights, how many entries come before the one whose phrasing was left out."""
    known = judges.known[left_out.place]
    assert known.sense is not None
    asked = left_out.rows[0]
    vector = known.sense.texts.rows(asked, asked + 1).floats()[0]
    asks = bare(known.texts[asked])
    scores = WORDS * spread_of(judges.by_words(asks, left_out))
    scores += judges.by_meaning(space, vector, left_out)
    of_answers = np.stack([spread_of(judges.by_answer_words(asks)), judges.by_answer_meaning(space, vector)])
    ahead = (scores - scores[left_out.place]) + grid @ (of_answers - of_answers[:, left_out.place, None])
    found: NDArray[np.int64] = (ahead > 0).sum(axis=1)
    return found
