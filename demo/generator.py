"""Generates thousands of knowledge points, to test search with as many points as a real bank has.

A point combines an action, a product and a circumstance, for example "lost", "savings card" and "abroad". Every action,
product and circumstance has several wordings in `generated_words.json`. Many points differ from others by a few words
only, as in a real bank, so finding the right one among five thousand is a realistic test. The last wordings of every
action are not used in points, but only in queries.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

WORDS_FILE = Path(__file__).resolve().parent / "generated_words.json"
PLAIN = "plain"  # The key of the circumstance that adds no words.
HELD_BACK = 2  # The number of wordings of each action kept for queries. About half of the queries use one.
PHRASINGS = (6, 12)  # Minimum and maximum number of phrasings for each point.
ENGLISH_EVERY = 10  # Every tenth point is English.
TYPO_CHANCE = 0.12
MAX_ATTEMPTS = 1000  # The maximum number of attempts to find an unused wording.

Point = dict[str, Any]
# The keys of product, action and circumstance in `generated_words.json`.
Subject = tuple[str, str, str]


def generated_points(count: int = 5000, seed: int = 1) -> Iterator[Point]:
    """Yield `count` generated points in the format of the demo's files.

    Nine in ten are Chinese, and all titles differ. Equal seeds give equal points. Points with the same product and
    action follow each other, so that even a small number of points contains similar ones. Raises ValueError when there
    are not enough words for `count` points.
    """
    random = Random(seed)
    subjects = {language: _subjects(language, random) for language in ("zh", "en")}
    used: set[str] = set()
    for number in range(1, count + 1):
        language = "zh" if number % ENGLISH_EVERY else "en"
        subject = next(subjects[language], None)
        if subject is None:
            raise ValueError(f"the word lists suffice for {number - 1} points only")
        yield _point(language, subject, random, used)


def generated_queries(points: Iterable[Point], count: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Yield `count` pairs: a customer's question, and the key of the generated point that answers the question.

    All questions differ from each other and from the titles and phrasings of the points. Raises ValueError when there
    are no points, or when a point has no unused wording left.
    """
    random = Random(seed)
    points = list(points)
    if not points:
        raise ValueError("cannot generate queries without points")
    used = {text for point in points for text in (point["title"], *point["phrasings"])}
    for _ in range(count):
        key = random.choice(points)["key"]
        _, language, *subject = key.split("-")
        yield _new_wording(language, (*subject,), random, used, is_query=True), key


@cache
def _words(language: str) -> Mapping[str, Any]:
    words: Mapping[str, Any] = json.loads(WORDS_FILE.read_text(encoding="utf-8"))[language]
    return words


def _subjects(language: str, random: Random) -> Iterator[Subject]:
    words = _words(language)
    pairs = [
        (product, action)
        for product, product_entry in words["products"].items()
        for action, action_entry in words["actions"].items()
        if product_entry["kind"] in action_entry["kinds"]
    ]
    random.shuffle(pairs)
    return ((*pair, circumstance) for pair in pairs for circumstance in words["circumstances"])


def _point(language: str, subject: Subject, random: Random, used: set[str]) -> Point:
    product, action, circumstance = _entries(language, subject)
    title = action["title"].format(p=product["title"])
    if circumstance["title"]:
        title = (
            f"{circumstance['title']}，{title}" if language == "zh" else f"{title} ({circumstance['title']})"
        )
    used.add(title)
    return {
        "key": "-".join(("made", language, *subject)),
        "language": language,
        "title": title,
        "phrasings": [
            _new_wording(language, subject, random, used) for _ in range(random.randint(*PHRASINGS))
        ],
        "answer": _answer(language, subject, random),
        "note": circumstance["answer"] if random.random() < 0.3 else "",
        "category": f"{product['category']}/{action['category']}",
        "department": product["department"],
        "links": [],
        "public": random.random() < 0.5,
    }


def _entries(
    language: str, subject: Subject
) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    words, (product, action, circumstance) = _words(language), subject
    return (
        words["products"][product],
        words["actions"][action],
        words["circumstances"][circumstance],
    )


def _answer(language: str, subject: Subject, random: Random) -> str:
    product, action, circumstance = _entries(language, subject)
    figures = {
        "p": product["title"],
        "where": product["where"],
        "days": random.randint(2, 15),
        "minutes": random.randrange(5, 65, 5),
        "fee": random.choice((5, 10, 15, 20, 25, 30, 50, 80)),
    }
    lead = _words(language)["lead"].format(**figures)
    steps = [f"{number}. {step.format(**figures)}" for number, step in enumerate(action["steps"], 1)]
    return "\n".join([lead, *([circumstance["answer"]] if circumstance["answer"] else []), *steps])


def _new_wording(
    language: str, subject: Subject, random: Random, used: set[str], *, is_query: bool = False
) -> str:
    """Return a new wording for a subject, and add it to `used`.

    The function tries random wordings until one is not in `used`. Later attempts add openings and endings more often.
    """
    for attempt in range(MAX_ATTEMPTS):
        text = _wording(language, subject, random, is_query=is_query, chattiness=0.4 + attempt / 20)
        if text not in used:
            used.add(text)
            return text
    raise ValueError(f"no unused wording is left for {'-'.join(subject)}")


def _wording(language: str, subject: Subject, random: Random, *, is_query: bool, chattiness: float) -> str:
    words = _words(language)
    product, action, circumstance = _entries(language, subject)
    unseen = is_query and random.random() < 0.5
    wordings = action["says"][-HELD_BACK:] if unseen else action["says"][:-HELD_BACK]
    parts = [random.choice(wordings).format(p=random.choice(product["names"]))]
    if subject[2] != PLAIN:
        parts.insert(random.randint(0, 1), random.choice(circumstance["says"]))
    text = random.choice(("，", " ") if language == "zh" else (", ", " ", "; ")).join(parts)
    if random.random() < chattiness:
        text = random.choice(words["openings"]) + text
    if random.random() < chattiness:
        text += random.choice(words["endings"])
    if random.random() < TYPO_CHANCE:
        text = _with_typo(text, words["slips"], random)
    return text


def _with_typo(text: str, typos: list[list[str]], random: Random) -> str:
    """Return the text with a typo in place of one word, or unchanged if no word of it is in `typos`."""
    possible = [(right, wrong) for right, wrong in typos if right in text]
    return text.replace(*random.choice(possible), 1) if possible else text
