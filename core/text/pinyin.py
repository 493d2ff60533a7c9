"""Pinyin of Chinese text, with every reading of a character that has several: 还款 is huankuan, 还有 is haiyou.

The dictionary is loaded at its first use, because loading it at start-up would add a third to a process's start time.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, islice, product

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
# ü with or without a tone, decomposed.
_UMLAUT = re.compile("u([\u0300\u0301\u0304\u030c]?)\u0308([\u0300\u0301\u0304\u030c]?)")
_TONES = re.compile("[\u0300\u0301\u0304\u030c]")
_TONE_NUMBER = re.compile("(?<=[a-z])[1-5](?![0-9])")
# At most this many characters of a text take a less likely reading at the same time.
_MAX_OTHER_READINGS = 2


@lru_cache(maxsize=30_000)
def readings_of(character: str) -> tuple[str, ...]:
    """Return the readings of a character without tones, with v for ü; the character itself if it is not Chinese.

    Readings with ü are also returned with u and yu, because people type those too: lvka, luka and lyuka are 绿卡.
    """
    if not _HAN.match(character):
        return (character,)
    from pypinyin import Style, pinyin

    (readings,) = pinyin(character, heteronym=True, style=Style.NORMAL)
    return tuple(dict.fromkeys(form for reading in readings for form in _typed_forms(reading)))


def _typed_forms(reading: str) -> Iterator[str]:
    yield reading
    if "v" in reading:
        yield reading.replace("v", "u")
        yield reading.replace("v", "yu")


def without_tones(typed: str) -> str:
    """Return typed pinyin in the form used for comparison: lower case, without apostrophes and tone marks, v for ü.

    Spaces and numbers stay.
    """
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", typed).casefold())
    text = unicodedata.normalize("NFC", _TONES.sub("", _UMLAUT.sub("v", text)))
    return re.sub("(?<=[jqxy])v", "u", re.sub("['’‘`]", "", text))


def without_tone_numbers(typed: str) -> str:
    """Return pinyin without tone numbers: `yin2hang2` becomes `yinhang`."""
    return _TONE_NUMBER.sub("", typed)


def without_similar_sounds(syllable: str) -> str:
    """Return a syllable with sounds merged that many speakers do not distinguish: zh, ch, sh become z, c, s, and ang,
    eng, ing become an, en, in."""
    return re.sub("^([zcs])h", r"\1", re.sub("(?<=[aei])ng$", "n", syllable))


def spellings_of(text: str, most: int) -> list[str]:
    """Return the ways to type the letters, digits and Chinese characters of a text: by initials, then by syllables.

    It returns at most `most` of each. The most likely reading of the whole text comes first, then those that differ in
    one character, then in two.
    """
    from pypinyin import Style, lazy_pinyin

    folded = unicodedata.normalize("NFKC", text).casefold()
    characters = "".join(character for character in folded if character.isalnum())
    likeliest = lazy_pinyin(characters, style=Style.NORMAL, errors=list)  # type: ignore[arg-type]
    readings = [(first, *readings_of(own)) for first, own in zip(likeliest, characters, strict=True)]
    initials = [tuple(dict.fromkeys(reading[0] for reading in choices)) for choices in readings]
    syllables = [tuple(dict.fromkeys(choices)) for choices in readings]
    if not characters:
        return []
    return [*islice(_combinations(initials), most), *islice(_combinations(syllables), most)]


def _combinations(choices: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the first choice of every position, then texts with another choice in one position, then in two."""
    first = [options[0] for options in choices]
    ambiguous = [position for position, options in enumerate(choices) if len(options) > 1]
    for count in range(_MAX_OTHER_READINGS + 1):
        for positions in combinations(ambiguous, count):
            for others in product(*(choices[position][1:] for position in positions)):
                changed = dict(zip(positions, others, strict=True))
                yield "".join(changed.get(position, own) for position, own in enumerate(first))
