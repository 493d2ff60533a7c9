"""How likely what was found is what was asked for: docs/decisions/008-finding-points.md has the measurements."""

from math import exp

from knowledge.search.tokenizer import plain, tokens_of

# Below this confidence no entry answers the question.
NOT_ANSWERED = 0.3


def shared(folded: str, text: str) -> float:
    """How alike two texts are by their words: 0 to 1; 1 too where one holds the other."""
    other = plain(text)
    if folded in other:
        return 1.0
    one, two = set(tokens_of(folded)), set(tokens_of(other))
    return len(one & two) / (len(one) * len(two)) ** 0.5 if one and two else 0.0


def confidence_of(closeness: float, lead: float) -> float:
    """How likely the entry is the right one, by logistic regression over questions that the entries answer and others:
    docs/decisions/008-finding-points.md. `closeness`: the cosine to the nearest text; `lead`: to the next best."""
    return 1 / (1 + exp(3.4 - 6.2 * closeness - 0.5 * lead))
