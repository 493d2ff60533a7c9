"""Whether a question is a bank's business at all, learned from the bank's own points and from everyday.txt.

A customer may ask anything, and something is always nearest. Ridge regression tells vectors of a bank's questions from
those of others; the floor leaves out the share of others that `OTHERS_BELOW` says, by cross-validation.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowledge.search.embeddings import SIZE, Vectors

Floats = NDArray[np.float32]

EVERYDAY = Path(__file__).with_name("everyday.txt")
# Texts of points that are looked at: more change nothing.
MOST_TEXTS = 1500
RIDGE = 2.0
FOLDS = 5
# The share of other questions that are to lie below the floor, unless more than so many of the bank's own would.
OTHERS_BELOW, OWN_BELOW = 0.95, 0.03
# What the confidence of an answer is multiplied by for a question below the floor.
STRANGE = 0.3


class TopicFilter(NamedTuple):
    """`direction` and `middle` give a vector its place between other questions and a bank's; `floor` parts them."""

    direction: Floats
    middle: Floats
    floor: float

    def has(self, vector: Floats) -> bool:
        """Whether a question with this vector is a bank's business."""
        return float((vector - self.middle) @ self.direction) >= self.floor


def everyday_texts() -> tuple[list[str], list[str]]:
    """Questions that customers ask a bank, and others."""
    lines = EVERYDAY.read_text(encoding="utf-8").splitlines()
    return [line[2:] for line in lines if line[:1] == "+"], [line[2:] for line in lines if line[:1] == "-"]


def train_topic_filter(texts: Sequence[Vectors], encode: Callable[[Sequence[str]], Vectors]) -> TopicFilter:
    """`texts`: of each entry the vectors of its title and phrasings."""
    of_banks, of_others = everyday_texts()
    vectors = encode([*of_banks, *of_others]).floats()
    steps = np.concatenate([rows.steps for rows in texts])
    scale = np.concatenate([rows.scale for rows in texts])
    every = max(1, len(scale) // MOST_TEXTS)
    points = Vectors(steps[::every], scale[::every]).floats()
    groups = (points, vectors[: len(of_banks)], vectors[len(of_banks) :])
    held: list[list[Floats]] = [[], [], []]
    for fold in range(FOLDS):
        inside = [np.arange(len(group)) % FOLDS != fold for group in groups]
        direction, middle = _regression([group[rows] for group, rows in zip(groups, inside, strict=True)])
        for found, group, rows in zip(held, groups, inside, strict=True):
            found.append((group[~rows] - middle) @ direction)
    own, others = np.concatenate([*held[0], *held[1]]), np.concatenate(held[2])
    floor = min(float(np.quantile(others, OTHERS_BELOW)), float(np.quantile(own, OWN_BELOW)))
    return TopicFilter(*_regression(groups), floor)


def _regression(groups: Sequence[Floats]) -> tuple[Floats, Floats]:
    """The points and other banks' questions are to be 1, the rest -1; both sides weigh the same."""
    points, banks, others = groups
    rows = np.concatenate([points, banks, others]).astype(np.float64)
    sizes = [len(points), len(banks), len(others)]
    weights = np.repeat([0.25 / max(1, sizes[0]), 0.25 / sizes[1], 0.5 / sizes[2]], sizes)
    weights /= weights.sum()
    wanted = np.repeat([1.0, 1.0, -1.0], sizes)
    middle = weights @ rows
    apart = rows - middle
    square = (apart * weights[:, None]).T @ apart
    square += RIDGE * np.trace(square) / SIZE * np.eye(SIZE)
    direction = np.linalg.solve(square, (apart * weights[:, None]).T @ wanted)
    return direction.astype(np.float32), middle.astype(np.float32)
