"""Marking of an answer with a credit from 0 to 100, by kind of question.

- single, true_false, fill_in: 0 or 100.
- multiple: each right choice adds an equal part of 100, and each wrong choice subtracts as much, down to 0.
- order: the percentage of adjacent pairs that are in the right order.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from exams.rules.gap_answers import is_same_filling, without_separators

FULL = 100


def credit_of(kind: str, right: Sequence[Any], given: Any, stem: str = "") -> int:
    """Return the credit of an answer, from 0 to 100. A missing or malformed answer gets 0.

    `stem` is the text of the question. Fill-in questions need it, because a unit may follow the gap.
    """
    if not is_answer(kind, given):
        return 0
    if kind == "fill_in":
        return FULL if any(is_same_filling(str(filling), given[0], stem) for filling in right) else 0
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
    """Return whether `given` has the format of an answer to this kind of question.

    The format is a list of option indices, or for a fill-in question a list with one text.
    """
    if not isinstance(given, list) or not given:
        return False
    if kind == "fill_in":
        return len(given) == 1 and isinstance(given[0], str) and bool(without_separators(given[0]))
    if not all(type(index) is int and 0 <= index < 50 for index in given) or len(set(given)) < len(given):
        return False
    return len(given) == 1 if kind in ("single", "true_false") else True


def percent_of(credits: Sequence[int]) -> int:
    """Return the mean credit as a whole percentage. It is rounded down, so that rounding never turns a fail into a
    pass."""
    return sum(credits) // len(credits) if credits else 0
