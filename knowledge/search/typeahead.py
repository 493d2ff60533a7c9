"""What an agent has typed so far, against titles and phrasings: parts of them, pinyin and its initials, and slips."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from core.text.pinyin import without_tone_numbers, without_tones
from knowledge.search.pinyin_search import PinyinIndex
from knowledge.search.tokenizer import HAN, RUN, plain, simplified, stem

# How well an entry fits, by what of it fits.
BEGINS, INITIALS_BEGIN, IN_TITLE, INITIALS, PINYIN, SOUNDS, IN_PHRASING, ALL_WORDS = (
    2.0, 1.8, 1.5, 1.2, 1.1, 1.0, 0.8, 0.7,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TypeaheadIndex:
    """How an entry may be typed: its title and phrasings as they are compared; and its title without signs and blanks,
    by whose sound it is found."""

    title: str
    texts: tuple[str, ...]
    letters: str

    @classmethod
    def of(cls, texts: Sequence[str]) -> "TypeaheadIndex":
        """`texts`: title and phrasings."""
        lines = tuple(one_line(text) for text in texts)
        return cls(lines[0], lines, "".join(RUN.findall(lines[0])))


def one_line(text: str) -> str:
    return " ".join(plain(text).split())


class TypedQuery:
    """The forms of many entries, ready to be searched for what is typed."""

    def __init__(self, forms: Sequence[TypeaheadIndex]) -> None:
        self._titles = _Lines([each.title for each in forms])
        self._texts = _Lines(["\n".join(each.texts) for each in forms])
        self._spellings = PinyinIndex([each.letters for each in forms])

    def fits(self, typed: str) -> dict[int, float]:
        """Of each entry that it fits, by its place: how well, 0 to 2."""
        text = one_line(typed)
        if not text:
            return {}
        found: dict[int, float] = {}

        def note(lines: _Lines, part: str, begins: float, within: float) -> None:
            for place, is_beginning in lines.having(part):
                found[place] = max(found.get(place, 0.0), begins if is_beginning else within)

        note(self._titles, text, BEGINS, IN_TITLE)
        note(self._texts, text, IN_PHRASING, IN_PHRASING)
        for place, fit in self._by_sound(typed):
            found[place] = max(found.get(place, 0.0), fit)
        words = text.split()
        if len(words) > 1:
            having = [{place for place, _ in self._texts.having(word)} for word in words]
            for place in set.intersection(*having):
                found.setdefault(place, ALL_WORDS)
        return found

    def _by_sound(self, typed: str) -> Iterator[tuple[int, float]]:
        letters = "".join(RUN.findall(simplified(without_tones(typed))))
        if len(letters) < 2:
            return
        if len(HAN.findall(letters)) == len(letters):
            # 吞咔 sounds like 吞卡.
            yield from ((place, SOUNDS) for place in self._spellings.sounds_like(letters))
            return
        for place, is_beginning in self._spellings.with_initials(letters).items():
            yield place, INITIALS_BEGIN if is_beginning else INITIALS
        read = self._spellings.read_as(letters) or self._spellings.read_as(without_tone_numbers(letters))
        yield from ((place, PINYIN) for place in read)


class _Lines:
    """Texts in one, so that one pass finds those that have a part."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._all = "\0".join(texts)
        self._begins = list(accumulate((len(text) + 1 for text in texts), initial=0))

    def having(self, part: str) -> Iterator[tuple[int, bool]]:
        """The places of the texts that have it, and whether they begin with it."""
        at = self._all.find(part)
        while at >= 0:
            place = bisect_right(self._begins, at) - 1
            yield place, at == self._begins[place]
            at = self._all.find(part, self._begins[place + 1])


def correct_typos(typed: str, known_words: Callable[[], Iterable[str]]) -> str:
    """The text with each longer English word that is not known put right, where one letter makes it one that is."""
    words = {stem(word) for word in re.findall("[a-z]{4,}", plain(typed))}
    if not words:
        return typed
    known = [word for word in known_words() if word.isascii() and len(word) > 2]
    text = plain(typed)
    for word in words:
        if any(each.startswith(word) for each in known):
            # It is known, or still being typed.
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
