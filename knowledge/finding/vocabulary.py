"""Numbers for features, and entries read once."""

from collections.abc import Iterable
from dataclasses import dataclass

from knowledge.finding.postings import Counts
from knowledge.finding.words import Entry, features_of, plain, typed_forms, words_of

# What each kind of feature weighs.
GROUPS = (("words", 1.0), ("characters", 1.0), ("meanings", 0.7))


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry, read once: an index that follows on another one does not read again what has not changed."""

    entry: Entry
    texts: tuple[str, ...]
    # Three for each text: one of each group.
    rows: tuple[Counts, ...]
    words: Counts
    answer: Counts
    typed: tuple[tuple[str, str], list[str]]


class Vocabulary:
    """Numbers of features, in the order in which they were first met. It only grows, so that indexes may share it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: dict[str, int] = {}

    def sizes(self) -> tuple[int, int]:
        return len(self._numbers), len(self._words)

    def prepare(self, entry: Entry) -> Prepared:
        texts = tuple(dict.fromkeys((entry.title, *entry.phrasings)))
        return Prepared(
            entry,
            texts,
            tuple(counts for text in texts for counts in self.count(text, grow=True)),
            self.count_words((word for text in texts for word in words_of(text)), grow=True),
            self.count_words(words_of(entry.answer), grow=True),
            (typed_forms(entry.title), [plain(text) for text in texts]),
        )

    def count(self, text: str, *, grow: bool = False) -> list[Counts]:
        """One for each group. What was never met is left out, unless it is to `grow`."""
        found = features_of(text)
        return [
            Counts.of(_numbered((name[0] + feature for feature in getattr(found, name)), self._numbers, grow))
            for name, _weight in GROUPS
        ]

    def count_words(self, words: Iterable[str], *, grow: bool = False) -> Counts:
        return Counts.of(_numbered(words, self._words, grow))


def _numbered(features: Iterable[str], numbers: dict[str, int], grow: bool) -> Iterable[int]:
    if grow:
        return (numbers.setdefault(feature, len(numbers)) for feature in features)
    return (number for feature in features if (number := numbers.get(feature)) is not None)
