"""What tells entries apart that come near each other: learned from the phrasings, where vectors alone do not say it.

Multinomial logistic regression over the vectors of the phrasings: each is to be likelier its own entry's than that of
the entries it comes near to. The more phrasings entries have, the more it knows; with a dozen it knows nothing new.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

# Entries that a phrasing is compared with.
NEAR = 16
# Phrasings that are compared with the same entries, for the sake of large products.
TOGETHER = 128
ROUNDS = 30
STEP = 0.4
# How much a phrasing counts against the wish for small weights, and how far apart vectors are for it.
STRENGTH, SCALE = 1.0, 3.0


def learned(rows: Floats, owner: Ints, centres: Floats) -> Floats:
    """Weights for each entry: their product with a question says how likely it is the entry's.

    `rows`: the vectors of phrasings, of length 1; `owner`: whose each is; `centres`: of each entry.
    """
    weights = np.zeros_like(centres)
    blocks = list(_blocks(rows, owner, centres))
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for number in range(1, ROUNDS + 1):
        slope = weights.copy()
        for texts, entries, own in blocks:
            scores = (rows[texts] @ weights[entries].T) * np.float32(SCALE)
            scores -= scores.max(axis=1, keepdims=True)
            likely = np.exp(scores, out=scores)
            likely /= likely.sum(axis=1, keepdims=True)
            likely[np.arange(len(texts)), own] -= 1
            slope[entries] += (likely.T @ rows[texts]) * np.float32(STRENGTH * SCALE)
        # Adam, with a step that fades.
        first += (slope - first) * np.float32(0.1)
        second += (slope * slope - second) * np.float32(0.05)
        step = STEP * (1 - (number - 1) / ROUNDS)
        steady = np.sqrt(second / np.float32(1 - 0.95**number)) + np.float32(1e-6)
        weights -= np.float32(step / (1 - 0.9**number)) * first / steady
    return weights


def _blocks(rows: Floats, owner: Ints, centres: Floats) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Phrasings of entries that are alike, the entries that any of them is near to, and which of these is whose."""
    direction = np.linalg.svd(centres[:: max(1, len(centres) // 500)], full_matrices=False)[2][0]
    order = np.argsort((centres @ direction)[owner], kind="stable")
    near = min(NEAR, len(centres))
    for begin in range(0, len(order), TOGETHER):
        texts = order[begin : begin + TOGETHER]
        closest = np.argpartition(-(rows[texts] @ centres.T), near - 1, axis=1)[:, :near]
        entries = np.union1d(closest, owner[texts])
        yield texts, entries, np.searchsorted(entries, owner[texts])
