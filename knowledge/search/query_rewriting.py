"""A customer's words as the points have them: dialect in standard words, and pinyin in characters."""

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from itertools import islice, product
from math import log
from pathlib import Path

from core.text.pinyin import readings_of, without_tone_numbers, without_tones
from knowledge.search.tokenizer import HAN, simplified

DIALECT = Path(__file__).with_name("dialect.txt")
# Characters that written Mandarin does not use.
_CANTONESE = re.compile("[唔咗嘅喺冇佢哋啲嚟嗰㗎俾畀攞咁嘢揿㩒喎]")
_WORD = r"(?:[A-Za-z\u00c0-\u024f\u0300-\u036f'’]+[1-5]?)+"
_LATIN = re.compile(rf"{_WORD}(?:\s+{_WORD})*")
# Pinyin of fewer letters may be anything.
_FEWEST_LETTERS = 5
# What of the letters words of two characters and more must make up, for them to be pinyin.
_SHARE = 0.5
# Cost of a single character over that of a word, in nats; and of a syllable that no word has.
_SINGLE, _UNKNOWN = 3.0, 14.0
_MOST_READINGS, _LONGEST = 8, 30
_SYLLABLE = re.compile(
    "(?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw])?(?:iang|iong|uang|ang|eng|ing|ong|uai|uan|ian|iao|ai|an|ao|ei|en|er|ia|ie|in|iu"
    "|ou|ua|ue|ui|un|uo|ve|a|e|i|o|u|v)"
)


def to_standard_words(text: str) -> str:
    """The text, simplified where it has such words, with words of a dialect replaced by those of dialect.txt."""
    plain = simplified(text)
    pattern, words = _dialect(bool(_CANTONESE.search(plain)))
    found = pattern.sub(lambda match: words[match[0].lower()], plain)
    return found if found != plain else text


@cache
def _dialect(is_cantonese: bool) -> tuple[re.Pattern[str], dict[str, str]]:
    words = {}
    for line in DIALECT.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#") and (is_cantonese or not line.startswith("~")):
            word, standard = line.removeprefix("~").split()
            words[simplified(word)] = standard
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE), words


class PinyinConverter:
    """Chinese words by their pinyin, the most frequent where several sound alike."""

    def __init__(self, counts: Mapping[str, float]) -> None:
        """`counts`: how often each word is used; those that are not Chinese are left out."""
        chinese = {word: count for word, count in counts.items() if HAN.match(word)}
        total = sum(chinese.values()) or 1.0
        self._words: dict[str, tuple[float, str]] = {}
        for word, count in chinese.items():
            cost = log(total / count) + (_SINGLE if len(word) == 1 else 0.0)
            for spelling in _spellings(word):
                best = self._words.get(spelling)
                if best is None or (cost, word) < best:
                    self._words[spelling] = (cost, word)

    def in_characters(self, text: str) -> str:
        """The text with runs of pinyin in characters, as far as they are pinyin of these words."""
        return _LATIN.sub(lambda match: self._read(match[0]) or match[0], text)

    def _read(self, typed: str) -> str:
        """The characters of a run of Latin letters; empty where it is not pinyin."""
        letters = "".join(without_tone_numbers(without_tones(typed)).split())
        if not _FEWEST_LETTERS <= len(letters) <= 200 or not letters.isascii():
            return ""
        # The cheapest way to each letter: its cost, where its last part begins, and the word of that part.
        ways: list[tuple[float, int, str] | None] = [(0.0, 0, "")] + [None] * len(letters)
        for begin in range(len(letters)):
            way = ways[begin]
            if way is None:
                continue
            for end in range(begin + 1, min(len(letters), begin + _LONGEST) + 1):
                part = letters[begin:end]
                found = self._words.get(part)
                if found is None:
                    if not _SYLLABLE.fullmatch(part):
                        continue
                    found = (_UNKNOWN, "")
                there = ways[end]
                if there is None or way[0] + found[0] < there[0]:
                    ways[end] = (way[0] + found[0], begin, found[1])
        parts: list[str] = []
        known, end = 0, len(letters)
        while end:
            way = ways[end]
            if way is None:
                return ""
            parts.append(way[2])
            known += end - way[1] if len(way[2]) > 1 else 0
            end = way[1]
        return "".join(reversed(parts)) if known >= _SHARE * len(letters) else ""


@lru_cache(maxsize=100_000)
def _spellings(word: str) -> tuple[str, ...]:
    combined: Iterable[tuple[str, ...]] = product(*(readings_of(character) for character in word))
    return tuple(dict.fromkeys("".join(each) for each in islice(combined, _MOST_READINGS)))
