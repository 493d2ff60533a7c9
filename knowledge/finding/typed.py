"""What an agent has typed so far, against titles and phrasings: parts of them, pinyin and its initials, and slips."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pypinyin import Style, lazy_pinyin

from knowledge.finding.words import HAN, RUN, Entry, plain, stem

# How well an entry fits, by what of it fits.
BEGINS, INITIALS_BEGIN, IN_TITLE, INITIALS, PINYIN, SOUNDS, IN_PHRASING, ALL_WORDS = (
    2.0, 1.8, 1.5, 1.2, 1.1, 1.0, 0.8, 0.7,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Forms:
    """How an entry may be typed: its title and phrasings as they are compared; its title's pinyin and initials."""

    title: str
    all: str
    pinyin: str
    initials: str

    @classmethod
    def of(cls, entry: Entry) -> "Forms":
        title = plain(entry.title).strip()
        texts = "\n".join([title, *(plain(phrasing) for phrasing in entry.phrasings)])
        bare = "".join(RUN.findall(title))
        return cls(title, texts, "".join(_syllables(bare)), "".join(lazy_pinyin(bare, style=Style.FIRST_LETTER)))


@lru_cache(maxsize=4096)
def _syllables(bare: str) -> tuple[str, ...]:
    return tuple(lazy_pinyin(bare))


class Typed:
    """What was typed, ready to be held against thousands of entries."""

    def __init__(self, typed: str) -> None:
        self.text = plain(typed).strip()
        self._words = self.text.split()
        self._bare = "".join(RUN.findall(self.text))
        self._is_latin = len(self._bare) > 1 and self._bare.isascii()
        # 吞咔 sounds like 吞卡.
        has_han = len(self._bare) > 1 and HAN.search(self._bare)
        self._sound = "".join(_syllables(self._bare)) if has_han else ""

    def fits(self, forms: Forms) -> float:
        """How well, 0 to 2."""
        if forms.title.startswith(self.text):
            return BEGINS
        if self.text in forms.title:
            return IN_TITLE
        if self._is_latin:
            if forms.initials.startswith(self._bare):
                return INITIALS_BEGIN
            if self._bare in forms.initials:
                return INITIALS
            if len(self._bare) > 3 and self._bare in forms.pinyin:
                return PINYIN
        elif self._sound and self._sound in forms.pinyin:
            return SOUNDS
        if self.text in forms.all:
            return IN_PHRASING
        if len(self._words) > 1 and all(word in forms.all for word in self._words):
            return ALL_WORDS
        return 0.0


def without_slips(typed: str, known: Iterable[str]) -> str:
    """The text with each longer English word that nobody knows put right, where one letter makes it one that is known."""
    words = {stem(word) for word in re.findall("[a-z]{4,}", plain(typed))}
    if not words:
        return typed
    known = {word for word in known if word.isascii() and len(word) > 2}
    text = plain(typed)
    for word in words - known:
        if any(each.startswith(word) for each in known):
            # It is still being typed.
            continue
        near = min((each for each in known if _is_one_slip(word, each)), default=None)
        if near:
            text = re.sub(rf"\b{word}", near, text)
    return text


def _is_one_slip(one: str, other: str) -> bool:
    """One letter too many, too few or wrong, or two the wrong way round."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    begin = 0
    while begin < min(len(one), len(other)) and one[begin] == other[begin]:
        begin += 1
    rest, others = one[begin:], other[begin:]
    return (
        rest[1:] == others[1:]
        or rest[1:] == others
        or rest == others[1:]
        or (len(rest) == len(others) and rest[:2] == others[1::-1] and rest[2:] == others[2:])
    )
