"""Rewrites a visitor's message into the words of the points: dialect into standard words, pinyin into characters.

With this rewriting, the right point is first for 21 of 24 questions in dialect (13 without it), and for 23 questions in
pinyin (none without it).
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from itertools import islice, product
from math import log
from pathlib import Path

from core.text.pinyin import readings_of, without_tone_numbers, without_tones
from knowledge.search.tokenizer import HAN, to_simplified

DIALECT = Path(__file__).with_name("dialect.txt")
# Characters that occur in written Cantonese but not in Mandarin.
_CANTONESE = re.compile("[唔咗嘅喺冇佢哋啲嚟嗰㗎俾畀攞咁嘢揿㩒喎]")
_WORD = r"(?:[A-Za-z\u00c0-\u024f\u0300-\u036f'’]+[1-5]?)+"
_LATIN = re.compile(rf"{_WORD}(?:\s+{_WORD})*")
# A text with fewer Latin letters than this is too ambiguous to count as pinyin.
_MIN_LETTERS = 5
# A text counts as pinyin only if at least this share of its letters belongs to words of two or more characters.
_MIN_WORD_SHARE = 0.5
# The extra cost of a word of one character, and the cost of a syllable that is in no word. Both are in nats.
_SINGLE_CHARACTER_COST, _UNKNOWN_SYLLABLE_COST = 3.0, 14.0
_MAX_SPELLINGS, _MAX_WORD_LETTERS = 8, 30
_SYLLABLE = re.compile(
    "(?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw])?(?:iang|iong|uang|ang|eng|ing|ong|uai|uan|ian|iao|ai|an|ao|ei|en|er|ia|ie|in|iu"
    "|ou|ua|ue|ui|un|uo|ve|a|e|i|o|u|v)"
)


def to_standard_words(text: str) -> str:
    """Replace dialect words with the standard words of dialect.txt.

    A text with such words is returned in simplified characters, any other text unchanged.
    """
    simplified = to_simplified(text)
    pattern, words = _dialect(bool(_CANTONESE.search(simplified)))
    standard = pattern.sub(lambda match: words[match[0].lower()], simplified)
    return standard if standard != simplified else text


@cache
def _dialect(is_cantonese: bool) -> tuple[re.Pattern[str], dict[str, str]]:
    """Return a pattern that matches the dialect words of dialect.txt, and a dict from each word to its standard word.

    Lines that start with ~ apply only to Cantonese texts.
    """
    words = {}
    for line in DIALECT.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#") and (is_cantonese or not line.startswith("~")):
            word, standard = line.removeprefix("~").split()
            words[to_simplified(word)] = standard
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE), words


class PinyinConverter:
    """Converts pinyin to Chinese words. If several words sound alike, it uses the most frequent one."""

    def __init__(self, counts: Mapping[str, float]) -> None:
        """Build the converter. `counts` is the frequency of each word; words that are not Chinese are ignored."""
        chinese = {word: count for word, count in counts.items() if HAN.match(word)}
        total = sum(chinese.values()) or 1.0
        self._words: dict[str, tuple[float, str]] = {}
        for word, count in chinese.items():
            cost = log(total / count) + (_SINGLE_CHARACTER_COST if len(word) == 1 else 0.0)
            for spelling in _spellings(word):
                best = self._words.get(spelling)
                if best is None or (cost, word) < best:
                    self._words[spelling] = (cost, word)

    def in_characters(self, text: str) -> str:
        """Return the text with runs of pinyin converted to characters, if they spell words that the converter knows."""
        return _LATIN.sub(lambda match: self._convert(match[0]) or match[0], text)

    def _convert(self, typed: str) -> str:
        """Convert a run of Latin letters from pinyin to Chinese characters; return "" if it is not pinyin."""
        letters = "".join(without_tone_numbers(without_tones(typed)).split())
        if not _MIN_LETTERS <= len(letters) <= 200 or not letters.isascii():
            return ""
        # The cheapest segmentation up to each letter (Viterbi): its cost, the start of its last part, and that word.
        best: list[tuple[float, int, str] | None] = [(0.0, 0, "")] + [None] * len(letters)
        for start in range(len(letters)):
            segment = best[start]
            if segment is None:
                continue
            for end in range(start + 1, min(len(letters), start + _MAX_WORD_LETTERS) + 1):
                part = letters[start:end]
                candidate = self._words.get(part)
                if candidate is None:
                    if not _SYLLABLE.fullmatch(part):
                        continue
                    candidate = (_UNKNOWN_SYLLABLE_COST, "")
                current = best[end]
                if current is None or segment[0] + candidate[0] < current[0]:
                    best[end] = (segment[0] + candidate[0], start, candidate[1])
        parts: list[str] = []
        word_letters, end = 0, len(letters)
        while end:
            segment = best[end]
            if segment is None:
                return ""
            parts.append(segment[2])
            word_letters += end - segment[1] if len(segment[2]) > 1 else 0
            end = segment[1]
        return "".join(reversed(parts)) if word_letters >= _MIN_WORD_SHARE * len(letters) else ""


@lru_cache(maxsize=100_000)
def _spellings(word: str) -> tuple[str, ...]:
    """Return the pinyin spellings of a word, one for each combination of readings, at most `_MAX_SPELLINGS`."""
    combined: Iterable[tuple[str, ...]] = product(*(readings_of(character) for character in word))
    return tuple(dict.fromkeys("".join(syllables) for syllables in islice(combined, _MAX_SPELLINGS)))
