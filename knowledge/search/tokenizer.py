"""From text to words: Chinese ones and their characters, stemmed English ones, and the meanings of synonyms.txt."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import rjieba
from opencc import OpenCC

# Of a long text the beginning decides.
MAX_CHARACTERS = 400
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
RUN = re.compile(f"[{_HAN}]+|[^\\W_{_HAN}]+")
HAN = re.compile(f"[{_HAN}]")
_LATIN = re.compile("[a-z0-9]+")
_SUFFIXES = ("ing", "edly", "ed", "es", "s")
_ALIKE = str.maketrans("帐", "账")
SYNONYMS = Path(__file__).with_name("synonyms.txt")


# A message of more words or Chinese characters may hold a question among other things.
LONG = 30
SENTENCE = re.compile(r"[^。！？!?.;；\n]+")
# What is said for the sake of politeness, and asks nothing.
COURTESY = re.compile(
    "[你您]们?好|(早上|上午|中午|下午|晚上)好|在吗|有人吗|打扰(一下|了)?|不好意思|请[问教](一?下)?"
    "|我?[想要](请教|咨询|请问|问|了解)(一?下)?|(咨询|问)一?下|麻烦[你您]?(帮我|帮忙)?|谢谢[你您]?们?|感谢[你您]?|辛苦了"
    r"|\b(hello|hi|hey|good (morning|afternoon|evening)|please|sorry"
    r"|(many )?thanks( a lot| (very|so) much)?|thank you( (very|so) much)?)\b",
    re.IGNORECASE,
)
CLAUSE = re.compile("[^，,]+")
# Shorter sentences ask nothing; and so many are looked at, the last, since stories come before questions.
ASKING, LAST = 4, 6


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What can be found. `id` is the caller's; title and phrasings are how it is asked for, `answer` helps a little."""

    id: int
    title: str
    phrasings: tuple[str, ...] = ()
    answer: str = ""
    language: str = "zh"


def plain(text: str) -> str:
    """The text as it is compared: compatibility forms unified, cases folded, Chinese simplified; its beginning."""
    return simplified(unicodedata.normalize("NFKC", text[: MAX_CHARACTERS * 2]).casefold()[:MAX_CHARACTERS])


def simplified(text: str) -> str:
    """Traditional characters as simplified ones, of which encoder and points know more; and one 账 for both."""
    return _simplified().convert(text).translate(_ALIKE) if HAN.search(text) else text


def bare(text: str) -> str:
    """The text without what is said for the sake of politeness, unless nothing would be left that asks."""
    found = COURTESY.sub(" ", text).strip(" ,，。.!！~～")
    return found if _asks(found) else text


def parts_of(text: str) -> list[str]:
    """What of a message may be the question: all of it, and each of its sentences where it is long."""
    text = text[:MAX_CHARACTERS]
    if _length(text) <= LONG:
        return [text]
    # Many write commas where others end a sentence.
    sentences = [
        part.strip()
        for each in SENTENCE.findall(text)
        for part in (CLAUSE.findall(each) if _length(each) > LONG else [each])
    ]
    asking = [each for each in sentences if _asks(COURTESY.sub("", plain(each)))]
    return [text, *asking[-LAST:]] if len(sentences) > 1 else [text]


def _asks(text: str) -> bool:
    return sum(map(len, RUN.findall(text))) >= ASKING


def _length(text: str) -> int:
    """In words, and Chinese characters."""
    return sum(len(run) if HAN.match(run) else 1 for run in RUN.findall(text))


def tokens_of(folded: str) -> list[str]:
    """The words of a text that is `plain`: "cards" gives card; "卡丢失" gives 卡, 丢失 and, since not all cut
    words alike, 丢 and 失."""
    found: list[str] = []
    for run in RUN.findall(folded):
        if HAN.match(run):
            words = rjieba.cut(run)
            found += words
            found += [character for word in words if len(word) > 1 for character in word]
        else:
            found.append(stem(run))
    return found


def pairs_of(folded: str) -> list[str]:
    """As `words_of`, with pairs of Chinese characters in place of words: "丢失卡" gives 丢失, 失卡. Answers are
    compared by these."""
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
    return tokens_of(folded) + [f"&{name}" for name in meanings_in(folded)]


def stem(word: str) -> str:
    """An English word without its ending, roughly."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


@cache
def _simplified() -> OpenCC:
    return OpenCC("t2s")


@cache
def _synonyms() -> tuple[dict[str, list[str]], dict[str, list[int]]]:
    """The names of meanings by phrase, Latin phrases as stemmed words; and how long phrases are that begin with a word
    or a Chinese character: in words, or in characters."""
    names: dict[str, list[str]] = {}
    lengths: dict[str, set[int]] = {}
    for line in SYNONYMS.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, phrases = line.partition(":")
        for phrase in (each.strip().casefold() for each in phrases.split(",")):
            parts = list(phrase) if HAN.search(phrase) else _latin_words(phrase)
            if parts:
                names.setdefault(phrase if HAN.search(phrase) else " ".join(parts), []).append(name)
                lengths.setdefault(parts[0], set()).add(len(parts))
    return names, {begin: sorted(found) for begin, found in lengths.items()}


def _latin_words(folded: str) -> list[str]:
    return [stem(word) for word in _LATIN.findall(folded.replace("’", "'").replace("'", ""))]


def meanings_in(folded: str) -> list[str]:
    """The names of the lines of synonyms.txt of which a phrase stands in the text, in the order of the alphabet."""
    names, lengths = _synonyms()
    found: set[str] = set()
    words = _latin_words(folded)
    for begin, word in enumerate(words):
        for length in lengths.get(word, ()):
            found.update(names.get(" ".join(words[begin : begin + length]), ()))
    if HAN.search(folded):
        for begin, character in enumerate(folded):
            for length in lengths.get(character, ()):
                found.update(names.get(folded[begin : begin + length], ()))
    return sorted(found)
