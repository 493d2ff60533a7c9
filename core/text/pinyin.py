"""Pinyin of Chinese text. A character may have several readings: 还 is huan in 还款 and hai in 还有.

The pinyin dictionary is loaded at first use, because loading it would make the start of a process a third slower.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, islice, product

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
# ü with or without a tone mark, in decomposed form.
_UMLAUT = re.compile("u([\u0300\u0301\u0304\u030c]?)\u0308([\u0300\u0301\u0304\u030c]?)")
_TONES = re.compile("[\u0300\u0301\u0304\u030c]")
_TONE_NUMBER = re.compile("(?<=[a-z])[1-5](?![0-9])")
# The maximum number of characters for which one spelling of a text uses a less likely reading.
_MAX_OTHER_READINGS = 2


@lru_cache(maxsize=30_000)
def readings_of(character: str) -> tuple[str, ...]:
    """Return the pinyin readings of a Chinese character, without tones and with v for ü.

    For each reading with ü there are also readings with u and yu, because people type all three: lvka, luka and lyuka
    for 绿卡. If the character is not Chinese, the result contains only the character itself.
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
    """Return typed pinyin in lower case, without apostrophes and tone marks.

    The letter ü becomes u after j, q, x and y, and otherwise v. Spaces and numbers stay.
    """
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", typed).casefold())
    text = unicodedata.normalize("NFC", _TONES.sub("", _UMLAUT.sub("v", text)))
    return re.sub("(?<=[jqxy])v", "u", re.sub("['’‘`]", "", text))


def without_tone_numbers(typed: str) -> str:
    """Return pinyin without tone numbers: `yin2hang2` becomes `yinhang`."""
    return _TONE_NUMBER.sub("", typed)


def without_similar_sounds(syllable: str) -> str:
    """Return a pinyin syllable with similar sounds merged, because many speakers do not distinguish them.

    zh, ch and sh become z, c and s; ang, eng and ing become an, en and in.
    """
    return re.sub("^([zcs])h", r"\1", re.sub("(?<=[aei])ng$", "n", syllable))


def spellings_of(text: str, most: int) -> list[str]:
    """Return the ways to type a text in pinyin: first by the initials of its syllables, then by whole syllables.

    Letters and digits are typed as they are. At most `most` spellings of each sort are returned: the most likely
    reading of the text first, then readings that differ from it in one character, then in two.
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
    """Yield texts made of one choice for each position.

    The first text has the first choice everywhere. Then come texts with another choice in one position, then in two.
    """
    first = [options[0] for options in choices]
    ambiguous = [position for position, options in enumerate(choices) if len(options) > 1]
    for count in range(_MAX_OTHER_READINGS + 1):
        for positions in combinations(ambiguous, count):
            for others in product(*(choices[position][1:] for position in positions)):
                changed = dict(zip(positions, others, strict=True))
                yield "".join(changed.get(position, own) for position, own in enumerate(first))
