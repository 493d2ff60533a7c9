"""The confidence that a result answers the question; docs/decisions/008-finding-points.md has the measurements."""

from math import exp

from knowledge.search.tokenizer import normalize, tokens_of

# A result with a lower confidence does not answer the question.
NOT_ANSWERED = 0.3


def word_similarity(folded: str, text: str) -> float:
    """Return the similarity of two texts by their words, from 0 to 1. It is also 1 if `text` contains `folded`.

    `folded` is a normalised text; `text` is normalised here.
    """
    other = normalize(text)
    if folded in other:
        return 1.0
    words, other_words = set(tokens_of(folded)), set(tokens_of(other))
    if not words or not other_words:
        return 0.0
    size: float = (len(words) * len(other_words)) ** 0.5
    return len(words & other_words) / size


def confidence_of(closeness: float, lead: float) -> float:
    """Return the probability that an entry answers the question.

    `closeness`: the cosine between the question and the entry's nearest text. `lead`: the entry's score minus the score
    of the best other entry. The coefficients come from a logistic regression over questions with and without an answer:
    docs/decisions/008-finding-points.md.
    """
    return 1 / (1 + exp(3.3 - 6.2 * closeness - 0.5 * lead))
