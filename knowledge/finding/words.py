"""From text to features: words, runs of characters, and meanings; and how a title is typed in pinyin."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import combinations, pairwise
from pathlib import Path

import rjieba
from pypinyin import Style, lazy_pinyin

MAX_CHARACTERS = 400
_RUN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+|[a-z0-9]+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_SUFFIXES = ("ing", "edly", "ed", "es", "s")
# Characters of a Chinese run, letters of a word in Latin script with a blank on each side.
_HAN_LENGTHS, _LATIN_LENGTHS = (1, 2, 3), (3, 4, 5)
SYNONYMS = Path(__file__).with_name("synonyms.txt")


@dataclass(frozen=True, slots=True)
class Entry:
    """What can be found. `id` is the caller's; title and phrasings are how it is asked for, `answer` helps a little."""

    id: int
    title: str
    phrasings: tuple[str, ...] = ()
    answer: str = ""
    language: str = "zh"


@dataclass(frozen=True, slots=True)
class Features:
    """The same text three ways. A feature that stands twice is there twice."""

    words: list[str] = field(default_factory=list)
    characters: list[str] = field(default_factory=list)
    meanings: list[str] = field(default_factory=list)


def plain(text: str) -> str:
    """The text as it is compared: compatibility forms unified, case folded."""
    return unicodedata.normalize("NFKC", text[: MAX_CHARACTERS * 2]).casefold()[:MAX_CHARACTERS]


def features_of(text: str) -> Features:
    """Words and their neighbours, runs of characters within them, and the meanings of synonyms.txt with their pairs."""
    folded = plain(text)
    words: list[str] = []
    characters: list[str] = []
    for match in _RUN.finditer(folded):
        run = match[0]
        if _HAN.match(run):
            # Cut into words, and into pairs, because no dictionary has every word.
            words += rjieba.cut(run)
            words += [run[index : index + 2] for index in range(len(run) - 1)]
            lengths, spaced = _HAN_LENGTHS, run
        else:
            words.append(stem(run))
            lengths, spaced = _LATIN_LENGTHS, f" {run} "
        for length in lengths:
            characters += [spaced[at : at + length] for at in range(len(spaced) - length + 1)]
    found = meanings_in(folded)
    meanings = found + [f"{one}&{other}" for one, other in combinations(found, 2)]
    return Features(words + [f"{one}_{other}" for one, other in pairwise(words)], characters, meanings)


def words_of(text: str) -> list[str]:
    """The words alone, for what is compared by words: answers."""
    found: list[str] = []
    for match in _RUN.finditer(unicodedata.normalize("NFKC", text).casefold()):
        run = match[0]
        if _HAN.match(run):
            found += [run[index : index + 2] for index in range(len(run) - 1)] or [run]
        else:
            found.append(stem(run))
    return found


def stem(word: str) -> str:
    """An English word without its ending, roughly."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


@cache
def _synonyms() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Meanings by phrase: Latin ones stemmed with a blank on each side, Chinese ones as they are."""
    latin: dict[str, list[str]] = {}
    han: dict[str, list[str]] = {}
    for line in SYNONYMS.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, phrases = line.partition(":")
        for phrase in (each.strip().casefold() for each in phrases.split(",")):
            if _HAN.search(phrase):
                han.setdefault(phrase, []).append(name)
            elif phrase:
                latin.setdefault(_spaced(phrase), []).append(name)
    return latin, han


def _spaced(text: str) -> str:
    return f" {' '.join(stem(word) for word in re.findall('[a-z0-9]+', text.replace(chr(39), '')))} "


def meanings_in(folded: str) -> list[str]:
    """The names of the lines of synonyms.txt of which a phrase stands in the text."""
    latin, han = _synonyms()
    found: set[str] = set()
    if re.search("[a-z]", folded):
        spaced = _spaced(folded.replace("’", "'"))
        for phrase, names in latin.items():
            if phrase in spaced:
                found.update(names)
    if _HAN.search(folded):
        for phrase, names in han.items():
            if phrase in folded:
                found.update(names)
    return sorted(found)


@lru_cache(maxsize=50_000)
def typed_forms(title: str) -> tuple[str, str]:
    """How a title is typed without an input method: pinyin initials and whole pinyin; Latin letters as they are."""
    folded = "".join(_RUN.findall(plain(title)))
    initials = "".join(lazy_pinyin(folded, style=Style.FIRST_LETTER))
    return initials, "".join(lazy_pinyin(folded))
