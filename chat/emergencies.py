"""Find out from a visitor's words whether the conversation is an emergency."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from chat.models import Emergency, EmergencyRule
from chat.queue_order import queue_time

# Seconds for which a process uses the rules that it has read.
RULES_SECONDS = 15


class WordMatcher:
    """Finds the first emergency word in a text. Each rule is a word and its exceptions, separated by spaces."""

    def __init__(self, rules: Sequence[tuple[str, str]]) -> None:
        words = {_normalized(word): word for word, _ in rules}
        exceptions = {_normalized(other) for _, others in rules for other in others.split()}
        # Longer alternatives first, so that an exception is found in place of the word that it contains.
        alternatives = sorted({*words, *exceptions}, key=lambda text: (-len(text), text))
        self._words = words.keys() - exceptions
        self._names = words
        self._pattern = re.compile("|".join(map(_bounded, alternatives))) if words else None

    def find(self, text: str) -> str | None:
        """Return the word that makes this text an emergency, as the rule spells it, or None."""
        if self._pattern is None:
            return None
        found = (match.group() for match in self._pattern.finditer(_normalized(text)))
        return next((self._names[word] for word in found if word in self._words), None)


def _normalized(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _bounded(word: str) -> str:
    """Return a pattern for the word. ASCII letters at its ends must not continue a longer English word."""
    start = r"(?<![a-z0-9])" if word[:1].isascii() else ""
    end = r"(?![a-z0-9])" if word[-1:].isascii() else ""
    return start + re.escape(word) + end


def stored_matcher() -> WordMatcher:
    """Return the matcher for the rules that are stored and in use now. One query."""
    rules = EmergencyRule.objects.filter(is_active=True).values_list("word", "exceptions")
    return WordMatcher(list(rules))


class _RuleCache:
    def __init__(self) -> None:
        self._read_at = -float("inf")
        self._matcher = WordMatcher([])

    def matcher(self) -> WordMatcher:
        if monotonic() - self._read_at > RULES_SECONDS:
            self._matcher = stored_matcher()
            self._read_at = monotonic()
        return self._matcher

    def forget(self) -> None:
        self._read_at = -float("inf")


_rules = _RuleCache()
forget_rules = _rules.forget


def raised_by(text: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of a conversation whose visitor writes `text`: none, unless the text raises an emergency.

    `row` has the ROW_FIELDS of the conversation. An emergency that a supervisor has lowered is not raised again.
    """
    if row["emergency"] != Emergency.NONE or (word := _rules.matcher().find(text)) is None:
        return {}
    return raised_because(word, row)


def raised_because(reason: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes that make a conversation an unconfirmed emergency."""
    emergency = Emergency.RAISED
    return {
        "emergency": emergency.value,
        "emergency_reason": reason,
        "queue_time": queue_time(row["waiting_since"], row["priority"], emergency),
    }
