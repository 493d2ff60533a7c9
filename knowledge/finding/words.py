"""From text to words: pairs of Chinese characters, stemmed English words, and the meanings of synonyms.txt."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Of a long text the beginning decides.
MAX_CHARACTERS = 400
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
RUN = re.compile(f"[{_HAN}]+|[^\\W_{_HAN}]+")
HAN = re.compile(f"[{_HAN}]")
_LATIN = re.compile("[a-z0-9]+")
_SUFFIXES = ("ing", "edly", "ed", "es", "s")
SYNONYMS = Path(__file__).with_name("synonyms.txt")


@dataclass(frozen=True, slots=True)
class Entry:
    """What can be found. `id` is the caller's; title and phrasings are how it is asked for, `answer` helps a little."""

    id: int
    title: str
    phrasings: tuple[str, ...] = ()
    answer: str = ""
    language: str = "zh"


def plain(text: str) -> str:
    """The text as it is compared: compatibility forms unified, case folded, no longer than counts."""
    return unicodedata.normalize("NFKC", text[: MAX_CHARACTERS * 2]).casefold()[:MAX_CHARACTERS]


def words_of(folded: str) -> list[str]:
    """The words of a text that is `plain`, in its order: "银行卡" gives 银行 and 行卡, "cards" gives card."""
    found: list[str] = []
    for run in RUN.findall(folded):
        if HAN.match(run):
            found += [run[at : at + 2] for at in range(len(run) - 1)] or [run]
        else:
            found.append(stem(run))
    return found


def features_of(text: str) -> list[str]:
    """Words and, marked by &, meanings."""
    folded = plain(text)
    return words_of(folded) + [f"&{name}" for name in meanings_in(folded)]


def stem(word: str) -> str:
    """An English word without its ending, roughly."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


@cache
def _synonyms() -> tuple[dict[str, list[str]], int, int]:
    """The names of meanings by phrase, Latin ones as stemmed words; the most words and the most Chinese characters that
    a phrase has."""
    names: dict[str, list[str]] = {}
    for line in SYNONYMS.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, phrases = line.partition(":")
        for phrase in (each.strip().casefold() for each in phrases.split(",")):
            if phrase:
                key = phrase if HAN.search(phrase) else " ".join(_latin_words(phrase))
                names.setdefault(key, []).append(name)
    most = max(len(key.split()) for key in names)
    return names, most, max(len(key) for key in names if HAN.search(key))


def _latin_words(folded: str) -> list[str]:
    return [stem(word) for word in _LATIN.findall(folded.replace("’", "'").replace("'", ""))]


def meanings_in(folded: str) -> list[str]:
    """The names of the lines of synonyms.txt of which a phrase stands in the text, in the order of the alphabet."""
    names, most_words, most_characters = _synonyms()
    found: set[str] = set()
    words = _latin_words(folded)
    for begin in range(len(words)):
        for end in range(begin + 1, min(begin + most_words, len(words)) + 1):
            found.update(names.get(" ".join(words[begin:end]), ()))
    if HAN.search(folded):
        for begin in range(len(folded)):
            for end in range(begin + 1, min(begin + most_characters, len(folded)) + 1):
                found.update(names.get(folded[begin:end], ()))
    return sorted(found)
