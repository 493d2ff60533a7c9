"""How an answer is marked: in hundredths, 100 for a right one.

single, true_false, fill_in: all or nothing. multiple: each right choice is its share of 100, each wrong one takes as
much away, never below 0. order: the share of neighbours that follow each other as they should.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from exams.rules.gap_answers import bare, is_same

FULL = 100


def credit_of(kind: str, right: Sequence[Any], given: Any, stem: str = "") -> int:
    """The credit of an answer as `PaperItem` keeps it; none for no answer, or one of another shape.

    `stem`: of a gap, because the unit may stand after it.
    """
    if not is_answer(kind, given):
        return 0
    if kind == "fill_in":
        return FULL if any(is_same(str(each), given[0], stem) for each in right) else 0
    if kind == "multiple":
        chosen, wanted = set(given), set(right)
        share = (len(chosen & wanted) - len(chosen - wanted)) / len(wanted)
        return max(0, round(FULL * share))
    if kind == "order":
        if sorted(given) != sorted(right):
            return 0
        pairs = set(pairwise(right))
        kept = sum(pair in pairs for pair in pairwise(given))
        return round(FULL * kept / max(1, len(right) - 1))
    return FULL if list(given) == list(right) else 0


def is_answer(kind: str, given: Any) -> bool:
    """Whether this has the shape of an answer to a question of this kind: a list of indices, or of one filling."""
    if not isinstance(given, list) or not given:
        return False
    if kind == "fill_in":
        return len(given) == 1 and isinstance(given[0], str) and bool(bare(given[0]))
    if not all(type(each) is int and 0 <= each < 50 for each in given) or len(set(given)) < len(given):
        return False
    return len(given) == 1 if kind in ("single", "true_false") else True


def percent_of(credits: Sequence[int]) -> int:
    """Rounded down: a pass is not given by rounding."""
    return sum(credits) // len(credits) if credits else 0
