"""Selects the questions of a paper at random, and shuffles questions and options."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from random import Random
from typing import Any

# The largest fraction of a paper's questions that may also be on one other examinee's paper, if there are enough
# questions.
MAX_SHARED = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that may be selected for a paper.

    A candidate with a higher `weight` is selected more often; the weight is above 0.
    """

    question: int
    point: int
    share: int
    weight: float = 1.0


def weight_of(*, is_changed: bool, asked: int, missed: int, uses: int) -> float:
    """Return the weight of a question in the selection.

    The weight is higher if the point has changed, if the question is often missed, or if agents often use the point.
    """
    missed_share = (missed + 1) / (asked + 2)
    return 1.0 + (2.0 if is_changed else 0.0) + 2.0 * missed_share + min(2.0, uses / 50)


def draw(
    candidates: Sequence[Candidate],
    *,
    count: int,
    shares: Mapping[int, int],
    seed: int,
    neighbours: Sequence[Set[int]] = (),
) -> list[int]:
    """Select at most `count` questions for a paper, and return their ids in the order of the paper.

    There is at most one question about each point. `shares` holds the weight of each share; if a share has too few
    questions, the other shares supply the rest. `neighbours` holds one set of question ids for each other paper,
    including earlier papers of the same examinee; the new paper should share few questions with any of them. Equal
    arguments give equal papers.
    """
    rng = Random(seed)
    # Weighted sampling without replacement (Efraimidis and Spirakis): the candidates with the highest keys u^(1/w).
    keyed = [
        (rng.random() ** (1 / candidate.weight), candidate)
        for candidate in sorted(candidates, key=lambda candidate: candidate.question)
    ]
    ordered = [candidate for _, candidate in sorted(keyed, key=lambda pair: (-pair[0], pair[1].question))]
    selection = _Selection(count, neighbours)
    for share, quota in _quotas(count, shares).items():
        selection.take([candidate for candidate in ordered if candidate.share == share], quota)
    in_shares = [candidate for candidate in ordered if candidate.share in shares]
    selection.take(in_shares, count - len(selection.questions))
    # There are still too few questions: ignore the overlap limit, and prefer questions that are on the fewest other
    # papers.
    selection.limit = count
    selection.take(sorted(in_shares, key=selection.paper_count), count - len(selection.questions))
    rng.shuffle(selection.questions)
    return selection.questions


class _Selection:
    """The questions selected so far. At most `limit` of them may also be on any one other paper."""

    def __init__(self, count: int, neighbours: Sequence[Set[int]]) -> None:
        self.questions: list[int] = []
        self.limit = int(count * MAX_SHARED)
        self._points: set[int] = set()
        self._neighbours = neighbours
        self._shared = [0] * len(neighbours)

    def paper_count(self, candidate: Candidate) -> int:
        """Return the number of other papers that contain this question."""
        return sum(candidate.question in paper for paper in self._neighbours)

    def take(self, ordered: Sequence[Candidate], quota: int) -> None:
        """Select at most `quota` of the candidates, in the given order.

        Skip a candidate if its point is already used, or if another paper would have too many questions in common.
        """
        for candidate in ordered:
            if quota <= 0:
                return
            if candidate.point in self._points:
                continue
            papers = [index for index, paper in enumerate(self._neighbours) if candidate.question in paper]
            if any(self._shared[index] >= self.limit for index in papers):
                continue
            for index in papers:
                self._shared[index] += 1
            self._points.add(candidate.point)
            self.questions.append(candidate.question)
            quota -= 1


def _quotas(count: int, shares: Mapping[int, int]) -> dict[int, int]:
    """Return the number of questions for each share. They add up to `count` by the largest-remainder method."""
    total = sum(shares.values())
    if not total:
        return {}
    exact = {share: count * weight / total for share, weight in shares.items()}
    quotas = {share: int(value) for share, value in exact.items()}
    rest = count - sum(quotas.values())
    for share in sorted(exact, key=lambda pk: (quotas[pk] - exact[pk], pk))[:rest]:
        quotas[share] += 1
    return quotas


def shuffled_options(
    kind: str, options: Sequence[str], answer: Sequence[Any], seed: int
) -> tuple[list[str], list[Any]]:
    """Return the shuffled options, and the right answer in terms of the new order.

    For a paper, the options are stored in `PaperItem.shown`, and the right answer in `PaperItem.right`.
    """
    if kind in ("true_false", "fill_in"):
        return [], list(answer)
    order = list(range(len(options)))
    Random(seed).shuffle(order)
    if kind == "order" and order == sorted(order) and len(order) > 1:
        # Change the shuffled order if it happens to be right, because examinees would then not need to move anything.
        order = order[1:] + order[:1]
    shown = [options[index] for index in order]
    if kind == "order":
        return shown, [order.index(index) for index in range(len(options))]
    return shown, sorted(order.index(index) for index in answer)
