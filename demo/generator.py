"""Thousands of made-up knowledge points, for trying the library at a bank's size where no bank's points are at hand.

A point is a product, something done with it and a circumstance ("lost", "savings card", "abroad"), each with
several wordings in `generated_words.json`. Points that share two of the three differ by a few words only, as a
bank's own do, so finding the right one of five thousand is a real test. The last wordings of every action are
kept back: queries alone use them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

WORDS = Path(__file__).resolve().parent / "generated_words.json"
PLAIN = "plain"  # The circumstance of having none.
HELD_BACK = 2  # So many wordings of an action are for queries alone: every second query uses one.
PHRASINGS = (6, 12)  # At least and at most.
ENGLISH_EVERY = 10  # Each tenth point is English.
SLIP_CHANCE = 0.12
ATTEMPTS = 1000  # So often a new wording is looked for.

Point = dict[str, Any]
# Product, action and circumstance: keys in the words of a language.
Subject = tuple[str, str, str]


def generated_points(count: int = 5000, seed: int = 1) -> Iterator[Point]:
    """Points as the demo's files hold them, nine in ten Chinese; the same for the same seed, titles all different.

    Those of one product and action come one after another, so that a small number has neighbours too.
    Raises ValueError when the words don't suffice for that many.
    """
    random = Random(seed)
    subjects = {language: _subjects(language, random) for language in ("zh", "en")}
    said: set[str] = set()
    for number in range(1, count + 1):
        language = "zh" if number % ENGLISH_EVERY else "en"
        subject = next(subjects[language], None)
        if subject is None:
            raise ValueError(f"the words suffice for {number - 1} points only")
        yield _point(language, subject, random, said)


def generated_queries(points: Iterable[Point], count: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """What customers might ask, with the key of the generated point that answers: (text, key).

    No text is a phrasing or a title of these points, or comes twice. Raises ValueError when there are no points, or
    no more wordings for one of them.
    """
    random = Random(seed)
    points = list(points)
    if not points:
        raise ValueError("queries need points to ask for")
    said = {text for point in points for text in (point["title"], *point["phrasings"])}
    for _ in range(count):
        key = random.choice(points)["key"]
        _, language, *subject = key.split("-")
        yield _new_wording(language, (*subject,), random, said, is_query=True), key


@cache
def _words(language: str) -> Mapping[str, Any]:
    words: Mapping[str, Any] = json.loads(WORDS.read_text(encoding="utf-8"))[language]
    return words


def _subjects(language: str, random: Random) -> Iterator[Subject]:
    words = _words(language)
    pairs = [
        (product, action)
        for product, about in words["products"].items()
        for action, what in words["actions"].items()
        if about["kind"] in what["kinds"]
    ]
    random.shuffle(pairs)
    return ((*pair, circumstance) for pair in pairs for circumstance in words["circumstances"])


def _point(language: str, subject: Subject, random: Random, said: set[str]) -> Point:
    product, action, circumstance = _found(language, subject)
    title = action["title"].format(p=product["title"])
    if circumstance["title"]:
        title = (
            f"{circumstance['title']}，{title}" if language == "zh" else f"{title} ({circumstance['title']})"
        )
    said.add(title)
    return {
        "key": "-".join(("made", language, *subject)),
        "language": language,
        "title": title,
        "phrasings": [
            _new_wording(language, subject, random, said) for _ in range(random.randint(*PHRASINGS))
        ],
        "answer": _answer(language, subject, random),
        "note": circumstance["answer"] if random.random() < 0.3 else "",
        "category": f"{product['category']}/{action['category']}",
        "department": product["department"],
        "links": [],
        "public": random.random() < 0.5,
    }


def _found(language: str, subject: Subject) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    words, (product, action, circumstance) = _words(language), subject
    return (
        words["products"][product],
        words["actions"][action],
        words["circumstances"][circumstance],
    )


def _answer(language: str, subject: Subject, random: Random) -> str:
    product, action, circumstance = _found(language, subject)
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
    language: str, subject: Subject, random: Random, said: set[str], *, is_query: bool = False
) -> str:
    """One that nobody has said so far; a second and later attempt may add more around it."""
    for attempt in range(ATTEMPTS):
        text = _wording(language, subject, random, is_query=is_query, chattiness=0.4 + attempt / 20)
        if text not in said:
            said.add(text)
            return text
    raise ValueError(f"no new wording is left for {'-'.join(subject)}")


def _wording(language: str, subject: Subject, random: Random, *, is_query: bool, chattiness: float) -> str:
    words = _words(language)
    product, action, circumstance = _found(language, subject)
    unseen = is_query and random.random() < 0.5
    says = action["says"][-HELD_BACK:] if unseen else action["says"][:-HELD_BACK]
    parts = [random.choice(says).format(p=random.choice(product["names"]))]
    if subject[2] != PLAIN:
        parts.insert(random.randint(0, 1), random.choice(circumstance["says"]))
    text = random.choice(("，", " ") if language == "zh" else (", ", " ", "; ")).join(parts)
    if random.random() < chattiness:
        text = random.choice(words["openings"]) + text
    if random.random() < chattiness:
        text += random.choice(words["endings"])
    if random.random() < SLIP_CHANCE:
        text = _slipped(text, words["slips"], random)
    return text


def _slipped(text: str, slips: list[list[str]], random: Random) -> str:
    """As somebody types in a hurry: one word of those that are often mistyped."""
    possible = [(right, wrong) for right, wrong in slips if right in text]
    return text.replace(*random.choice(possible), 1) if possible else text
