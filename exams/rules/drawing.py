"""A paper per agent: which questions, and in which order they and their options stand."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from random import Random
from typing import Any

# At most so much of a paper may stand on another one beside it, where there are enough questions.
MAX_SHARED = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that may be drawn. `weight`: how much sooner than another, above 0."""

    question: int
    point: int
    share: int
    weight: float = 1.0


def weight_of(*, is_changed: bool, asked: int, missed: int, uses: int) -> float:
    """What has changed lately, what is often missed and what customers often ask comes sooner."""
    missed_share = (missed + 1) / (asked + 2)
    return 1.0 + (2.0 if is_changed else 0.0) + 2.0 * missed_share + min(2.0, uses / 50)


def draw(
    candidates: Sequence[Candidate],
    *,
    count: int,
    shares: Mapping[int, int],
    seed: int,
    beside: Sequence[Set[int]] = (),
) -> list[int]:
    """The ids of up to `count` questions, in the paper's order; no two of one point.

    `shares`: the weight of each share; what is missing in one is filled from the others. `beside`: the questions of the
    papers beside this one. The same arguments give the same paper.
    """
    dice = Random(seed)
    # Weighted, without putting back (Efraimidis and Spirakis): each one's key is u^(1/w), the highest are drawn.
    keyed = [
        (dice.random() ** (1 / each.weight), each) for each in sorted(candidates, key=lambda c: c.question)
    ]
    line = [each for _, each in sorted(keyed, key=lambda pair: (-pair[0], pair[1].question))]
    drawn = _Drawn(count, beside)
    for share, quota in _quotas(count, shares).items():
        drawn.take([each for each in line if each.share == share], quota)
    known = [each for each in line if each.share in shares]
    drawn.take(known, count - len(drawn.questions))
    # Not enough of others: then what stands on the papers beside may stand here too, what is on the fewest first.
    drawn.limit = count
    drawn.take(sorted(known, key=drawn.on_papers), count - len(drawn.questions))
    dice.shuffle(drawn.questions)
    return drawn.questions


class _Drawn:
    def __init__(self, count: int, beside: Sequence[Set[int]]) -> None:
        self.questions: list[int] = []
        self.limit = int(count * MAX_SHARED)
        self._points: set[int] = set()
        self._beside = beside
        self._shared = [0] * len(beside)

    def on_papers(self, each: Candidate) -> int:
        return sum(each.question in paper for paper in self._beside)

    def take(self, line: Sequence[Candidate], quota: int) -> None:
        for each in line:
            if quota <= 0:
                return
            if each.point in self._points:
                continue
            on = [index for index, paper in enumerate(self._beside) if each.question in paper]
            if any(self._shared[index] >= self.limit for index in on):
                continue
            for index in on:
                self._shared[index] += 1
            self._points.add(each.point)
            self.questions.append(each.question)
            quota -= 1


def _quotas(count: int, shares: Mapping[int, int]) -> dict[int, int]:
    """So many of each share; by largest remainders, so that they add up."""
    whole = sum(shares.values())
    if not whole:
        return {}
    exact = {share: count * weight / whole for share, weight in shares.items()}
    quotas = {share: int(value) for share, value in exact.items()}
    rest = count - sum(quotas.values())
    for share in sorted(exact, key=lambda each: (quotas[each] - exact[each], each))[:rest]:
        quotas[share] += 1
    return quotas


def shuffled_options(
    kind: str, options: Sequence[str], answer: Sequence[Any], seed: int
) -> tuple[list[str], list[Any]]:
    """The options in this paper's order, and the right answer in its terms (`PaperItem.shown`, `.right`)."""
    if kind in ("true_false", "fill_in"):
        return [], list(answer)
    order = list(range(len(options)))
    Random(seed).shuffle(order)
    if kind == "order" and order == sorted(order) and len(order) > 1:
        # Steps that stand in order already are no question.
        order = order[1:] + order[:1]
    shown = [options[index] for index in order]
    if kind == "order":
        return shown, [order.index(index) for index in range(len(options))]
    return shown, sorted(order.index(index) for index in answer)
