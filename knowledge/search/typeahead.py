"""Finds the titles and phrasings that match what an agent has typed so far: a part of them, pinyin, initials, or a text
with typos."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from core.text.pinyin import without_tone_numbers, without_tones
from knowledge.search.pinyin_search import PinyinIndex
from knowledge.search.tokenizer import HAN, RUN, normalize, stem, to_simplified

# Scores of an entry by the kind of match.
BEGINS, INITIALS_BEGIN, IN_TITLE, INITIALS, PINYIN, SOUNDS, IN_PHRASING, ALL_WORDS = (
    2.0, 1.8, 1.5, 1.2, 1.1, 1.0, 0.8, 0.7,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TypeaheadForms:
    """The forms of an entry with which typed text is compared.

    `title` and `texts` (title and phrasings) are normalised. `letters` is the title without punctuation and spaces,
    which is searched by sound.
    """

    title: str
    texts: tuple[str, ...]
    letters: str

    @classmethod
    def of(cls, texts: Sequence[str]) -> "TypeaheadForms":
        """Return the forms of an entry with these texts, the title first."""
        normalized = tuple(normalized_line(text) for text in texts)
        return cls(normalized[0], normalized, "".join(RUN.findall(normalized[0])))


def normalized_line(text: str) -> str:
    return " ".join(normalize(text).split())


class TypeaheadIndex:
    """The forms of many entries, to be searched for typed text."""

    def __init__(self, entries: Sequence[TypeaheadForms]) -> None:
        self._titles = _TextSearch([forms.title for forms in entries])
        self._texts = _TextSearch(["\n".join(forms.texts) for forms in entries])
        self._spellings = PinyinIndex([forms.letters for forms in entries])

    def fits(self, typed: str) -> dict[int, float]:
        """Return a dict from the positions of the matching entries to their match scores, from 0 to 2."""
        text = normalized_line(typed)
        if not text:
            return {}
        scores: dict[int, float] = {}

        def add(texts: _TextSearch, part: str, at_start: float, inside: float) -> None:
            for position, is_at_start in texts.containing(part):
                scores[position] = max(scores.get(position, 0.0), at_start if is_at_start else inside)

        add(self._titles, text, BEGINS, IN_TITLE)
        add(self._texts, text, IN_PHRASING, IN_PHRASING)
        for position, score in self._by_sound(typed):
            scores[position] = max(scores.get(position, 0.0), score)
        words = text.split()
        if len(words) > 1:
            matches = [{position for position, _ in self._texts.containing(word)} for word in words]
            for position in set.intersection(*matches):
                scores.setdefault(position, ALL_WORDS)
        return scores

    def _by_sound(self, typed: str) -> Iterator[tuple[int, float]]:
        letters = "".join(RUN.findall(to_simplified(without_tones(typed))))
        if len(letters) < 2:
            return
        if len(HAN.findall(letters)) == len(letters):
            # Also search by sound, because people may type 吞咔 for 吞卡.
            yield from ((position, SOUNDS) for position in self._spellings.sounds_like(letters))
            return
        for position, is_at_start in self._spellings.with_initials(letters).items():
            yield position, INITIALS_BEGIN if is_at_start else INITIALS
        spelled = self._spellings.read_as(letters) or self._spellings.read_as(without_tone_numbers(letters))
        yield from ((position, PINYIN) for position in spelled)


class _TextSearch:
    """Many texts joined into one, so that a single pass finds the texts that contain a given part."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._joined = "\0".join(texts)
        self._starts = list(accumulate((len(text) + 1 for text in texts), initial=0))

    def containing(self, part: str) -> Iterator[tuple[int, bool]]:
        """Yield the positions of the texts that contain the part, and whether they start with it."""
        offset = self._joined.find(part)
        while offset >= 0:
            position = bisect_right(self._starts, offset) - 1
            yield position, offset == self._starts[position]
            offset = self._joined.find(part, self._starts[position + 1])


def correct_typos(typed: str, known_words: Callable[[], Iterable[str]]) -> str:
    """Return the text with typos corrected in English words of at least four letters.

    An unknown word is replaced if it differs from a known word by one typo.

    A text with a word of that length is returned normalised. `known_words` is called only for such a text.
    """
    words = {stem(word) for word in re.findall("[a-z]{4,}", normalize(typed))}
    if not words:
        return typed
    known = [word for word in known_words() if word.isascii() and len(word) > 2]
    text = normalize(typed)
    for word in words:
        if any(other.startswith(word) for other in known):
            # The word is known or not yet typed to its end, so it needs no correction.
            continue
        correction = min((other for other in known if _is_one_typo(word, other)), default=None)
        if correction:
            text = re.sub(rf"\b{word}", correction, text)
    return text


def _is_one_typo(one: str, other: str) -> bool:
    """Return whether the words differ by one inserted, missing or wrong letter, or by two swapped letters."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, others = one[start:], other[start:]
    return (
        rest[1:] == others[1:]
        or rest[1:] == others
        or rest == others[1:]
        or (len(rest) == len(others) and rest[:2] == others[1::-1] and rest[2:] == others[2:])
    )
