"""Pinyin of Chinese text, with every reading of a character that has several: 还款 is huankuan, 还有 is haiyou.

The dictionary is read when it is first asked for: a third of a process's start otherwise.
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
# Characters of one text whose other readings are combined.
_MOST_OTHERS = 2


@lru_cache(maxsize=30_000)
def readings_of(character: str) -> tuple[str, ...]:
    """The syllables a character is read as, without tones and with v for ü; itself when it is not Chinese.

    ü also counts as u and yu, which people type for it: lvka, luka and lyuka are 绿卡.
    """
    if not _HAN.match(character):
        return (character,)
    from pypinyin import Style, pinyin

    (found,) = pinyin(character, heteronym=True, style=Style.NORMAL)
    return tuple(dict.fromkeys(form for reading in found for form in _typed_forms(reading)))


def _typed_forms(reading: str) -> Iterator[str]:
    yield reading
    if "v" in reading:
        yield reading.replace("v", "u")
        yield reading.replace("v", "yu")


def without_tones(typed: str) -> str:
    """Pinyin as it is compared: lower case, without apostrophes and tone marks, v for ü; blanks and numbers stay."""
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", typed).casefold())
    text = unicodedata.normalize("NFC", _TONES.sub("", _UMLAUT.sub("v", text)))
    return re.sub("(?<=[jqxy])v", "u", re.sub("['’‘`]", "", text))


def without_tone_numbers(typed: str) -> str:
    """`yin2hang2` as `yinhang`."""
    return _TONE_NUMBER.sub("", typed)


def without_similar_sounds(syllable: str) -> str:
    """The syllable without what many do not tell apart: zh and z, ch and c, sh and s; ang, eng, ing and an, en, in."""
    return re.sub("^([zcs])h", r"\1", re.sub("(?<=[aei])ng$", "n", syllable))


def spellings_of(text: str, most: int) -> list[str]:
    """How the letters, digits and Chinese characters of a text may be typed: first letters, then whole syllables.

    At most `most` of each. The likeliest readings in these words come first, then those that differ in one character,
    and in two.
    """
    from pypinyin import Style, lazy_pinyin

    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(character for character in folded if character.isalnum())
    likeliest = lazy_pinyin(kept, style=Style.NORMAL, errors=list)  # type: ignore[arg-type]
    readings = [(first, *readings_of(own)) for first, own in zip(likeliest, kept, strict=True)]
    letters = [tuple(dict.fromkeys(reading[0] for reading in each)) for each in readings]
    syllables = [tuple(dict.fromkeys(each)) for each in readings]
    return [*islice(_combined(letters), most), *islice(_combined(syllables), most)] if kept else []


def _combined(choices: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The first choice of each, then with other choices in one place, and in two."""
    first = [each[0] for each in choices]
    open_places = [place for place, each in enumerate(choices) if len(each) > 1]
    for count in range(_MOST_OTHERS + 1):
        for places in combinations(open_places, count):
            for others in product(*(choices[place][1:] for place in places)):
                changed = dict(zip(places, others, strict=True))
                yield "".join(changed.get(place, own) for place, own in enumerate(first))
