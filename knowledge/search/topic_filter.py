"""Detects questions that are not about banking, with a filter trained on the bank's own points and on everyday.txt.

A visitor may ask anything, and the search always finds some nearest entry. Ridge regression separates the vectors of
banking questions from the vectors of other questions. Cross-validation sets a floor for the score, so that the share
`OFF_TOPIC_BELOW` of the other questions is below it. With this filter, points are shown for only 4 % of the questions
that are not about banking.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowledge.search.embeddings import SIZE, Vectors

Floats = NDArray[np.float32]

EVERYDAY_FILE = Path(__file__).with_name("everyday.txt")
# A larger number of texts does not improve the training, so an even sample of about this size is used.
MAX_TEXTS = 1500
RIDGE = 2.0
FOLDS = 5
# The floor is set so that the share OFF_TOPIC_BELOW of the off-topic questions scores below it, but never so high that
# more than the share ON_TOPIC_BELOW of the banking questions does, too.
OFF_TOPIC_BELOW, ON_TOPIC_BELOW = 0.95, 0.03
# If the score of a question is below the floor, the confidence of its answers is multiplied by this factor.
OFF_TOPIC_FACTOR = 0.3


class TopicFilter(NamedTuple):
    """A linear classifier. `direction` and `middle` give the score of a vector.

    A question is about banking if its score is at least `floor`.
    """

    direction: Floats
    middle: Floats
    floor: float

    def accepts(self, vector: Floats) -> bool:
        """Return whether a question with this vector is about banking."""
        return float((vector - self.middle) @ self.direction) >= self.floor


def everyday_texts() -> tuple[list[str], list[str]]:
    """Return the banking questions and the other questions of everyday.txt."""
    lines = EVERYDAY_FILE.read_text(encoding="utf-8").splitlines()
    return [line[2:] for line in lines if line[:1] == "+"], [line[2:] for line in lines if line[:1] == "-"]


def train_topic_filter(texts: Sequence[Vectors], encode: Callable[[Sequence[str]], Vectors]) -> TopicFilter:
    """Train the filter. `texts` has, for each entry, the vectors of its title and phrasings."""
    banking, other = everyday_texts()
    vectors = encode([*banking, *other]).floats()
    steps = np.concatenate([rows.steps for rows in texts])
    scale = np.concatenate([rows.scale for rows in texts])
    step = max(1, len(scale) // MAX_TEXTS)
    points = Vectors(steps[::step], scale[::step]).floats()
    groups = (points, vectors[: len(banking)], vectors[len(banking) :])
    scores: list[list[Floats]] = [[], [], []]
    for fold in range(FOLDS):
        in_training = [np.arange(len(group)) % FOLDS != fold for group in groups]
        direction, middle = _regression(
            [group[rows] for group, rows in zip(groups, in_training, strict=True)]
        )
        for group_scores, group, rows in zip(scores, groups, in_training, strict=True):
            group_scores.append((group[~rows] - middle) @ direction)
    own, others = np.concatenate([*scores[0], *scores[1]]), np.concatenate(scores[2])
    floor = min(float(np.quantile(others, OFF_TOPIC_BELOW)), float(np.quantile(own, ON_TOPIC_BELOW)))
    return TopicFilter(*_regression(groups), floor)


def _regression(groups: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Fit a ridge regression. The target is 1 for vectors about banking (points and banking questions) and -1 for the
    vectors of other questions. Both targets have equal weight in total.

    Returns the direction of the regression and the weighted mean of the vectors.
    """
    points, banks, others = groups
    rows = np.concatenate([points, banks, others]).astype(np.float64)
    sizes = [len(points), len(banks), len(others)]
    weights = np.repeat([0.25 / max(1, sizes[0]), 0.25 / sizes[1], 0.5 / sizes[2]], sizes)
    weights /= weights.sum()
    targets = np.repeat([1.0, 1.0, -1.0], sizes)
    middle = weights @ rows
    deviations = rows - middle
    square = (deviations * weights[:, None]).T @ deviations
    square += RIDGE * np.trace(square) / SIZE * np.eye(SIZE)
    direction = np.linalg.solve(square, (deviations * weights[:, None]).T @ targets)
    return direction.astype(np.float32), middle.astype(np.float32)
