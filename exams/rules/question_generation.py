"""Generation of exam questions from knowledge points, for an editor to accept, change or decline.

Wrong options are sentences from sibling points, which are points of the same category. Such a sentence is true of
something else, so only a person who knows the point recognizes it as wrong. A wrong figure is a figure with the same
unit from a sibling. If there is none, it is a year near the right one, or two or three times the right figure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

# Sentence lengths in columns: a Chinese character takes two columns, a Latin letter one.
MIN_SENTENCE, MAX_SENTENCE = 12, 180
# Two sentences whose character pairs have at least this Jaccard similarity count as saying the same thing.
MIN_SIMILARITY = 0.45
# The maximum number of sibling points to search for wrong options, so that large categories do not take longer.
MAX_SIBLINGS = 40
_ENDS = re.compile(r"(?<=[。！？；])\s*|(?<=[.!?])\s+(?=[A-Z\"'“])|\n+")
_STEP = re.compile(r"^\s*(?:\d{1,2}[.、)）]|[①-⑨])\s*(.+)$", re.MULTILINE)
_LIST_MARK = re.compile(r"^\s*(?:\d{1,2}[.、)）](?!\d)|[①-⑨])\s*")
# Most numbered lines are lists of cases, not steps. They count as steps in three cases: the words before the list
# mention an order, the lines contain words such as "first" and "then", or each line is an action such as press, choose
# or type.
_IN_ORDER = re.compile(
    r"按(?:这个|以下|下面的)?(?:顺序|步骤)|依次|(?:步骤|流程)(?:如下|是)"
    r"|\bin (?:this|that|the following) order\b|\bstep by step\b|\bthese steps\b",
    re.IGNORECASE,
)
_FIRST = re.compile(r"(?:请?先|首先|第一步|first\b)", re.IGNORECASE)
_THEN = re.compile(
    r"(?:然后|接着|随后|之后|最后|再(?!次|有)|第[二三四五六]步|(?:then|next|finally|after that)\b)",
    re.IGNORECASE,
)
_ACT = re.compile(
    r"(?:打开|登录|进入|点击?|选择?|填写?|输入?|插入?|按下?|确认|刷脸|拍照|上传"
    r"|(?:open|log in|go to|tap|press|choose|select|type|enter|insert|scan|confirm|sign)\b)",
    re.IGNORECASE,
)
# A sentence that begins with one of these words continues the sentence before it, so it cannot be used alone.
_CONTINUES = re.compile(
    r"或|也|又|但|所以|否则|不然|并且|这|那|它|(?:or|and|but|so|it|it's|this|that|they)\b", re.IGNORECASE
)
_UNITS = (
    "个工作日|个自然日|working days?|business days?|万元|元|美元|天|日|小时|分钟|秒|个月|月|年|周岁|岁|次|张|位|倍|折|"
    "％|%|yuan|days?|hours?|minutes?|months?|years?"
)
_FIGURE = re.compile(rf"(?<![\d.,:\-])(\d+(?:[,.]\d+)*)(\s?)({_UNITS})")
_NO_LETTER = re.compile(r"[\W_]+")
_STEM_TEMPLATES = {
    "zh": {
        "single": "客户问“{title}”，下面哪一句是正确的答复？",
        "multiple": "关于“{title}”，下列哪些说法正确？",
        "true_false": "关于“{title}”：{fact}",
        "fill_in": "关于“{title}”，请填空：{fact}",
        "order": "客户问“{title}”，请把步骤排成正确的顺序。",
    },
    "en": {
        "single": "A customer asks: “{title}” Which sentence answers it?",
        "multiple": "“{title}” Which of these are right?",
        "true_false": "“{title}” True or false: {fact}",
        "fill_in": "“{title}” Fill in: {fact}",
        "order": "A customer asks: “{title}” Put the steps in order.",
    },
}


@dataclass(frozen=True)
class SourcePoint:
    """The fields of a published knowledge point from which questions are generated."""

    point: int
    version: int
    title: str
    answer: str
    language: str


@dataclass(frozen=True)
class ProposedQuestion:
    """A generated question. Its fields have the same names and meanings as in the model `Question`."""

    point: int
    version: int
    kind: str
    stem: str
    options: list[str] = field(default_factory=list)
    answer: list[Any] = field(default_factory=list)
    explanation: str = ""


def propose(source: SourcePoint, siblings: Sequence[SourcePoint], seed: int = 1) -> list[ProposedQuestion]:
    """Generate questions about a point, at most one of each kind.

    Wrong options come from those `siblings` that have the same language as the point.
    """
    rng = Random(f"{seed} {source.point} {source.version}")
    others = [
        sibling
        for sibling in siblings
        if sibling.point != source.point and sibling.language == source.language
    ]
    others = rng.sample(others, min(len(others), MAX_SIBLINGS))
    return list(_proposals(source, others, rng))


def _proposals(source: SourcePoint, others: Sequence[SourcePoint], rng: Random) -> Iterator[ProposedQuestion]:
    templates = _STEM_TEMPLATES["zh" if source.language == "zh" else "en"]
    facts = facts_of(source.answer)
    foreign = [fact for other in others for fact in facts_of(other.answer)[:2] if fact not in facts]
    # Leave out sentences that say nearly the same as the point: each would be a second right answer.
    foreign = [
        sentence
        for sentence in dict.fromkeys(foreign)
        if not any(is_similar(sentence, fact) for fact in facts)
    ]

    def proposal(kind: str, options: list[str], answer: list[Any], fact: str = "") -> ProposedQuestion:
        stem = templates[kind].format(title=source.title, fact=fact)
        return ProposedQuestion(
            source.point, source.version, kind, stem, options, answer, source.answer[:1000]
        )

    if facts and len(foreign) >= 3:
        right = max(facts, key=_information)
        yield proposal("single", [right, *rng.sample(foreign, 3)], [0])
    if len(facts) >= 2 and len(foreign) >= 2:
        right_ones = rng.sample(facts, min(3, len(facts)))
        wrong = [*(_falsified(fact, others, rng) for fact in facts if fact not in right_ones), *foreign]
        wrong_ones = [fact for fact in dict.fromkeys(wrong) if fact and fact not in facts]
        yield proposal(
            "multiple", right_ones + wrong_ones[: 4 - len(right_ones) or 1], list(range(len(right_ones)))
        )
    with_figure = [fact for fact in facts if _FIGURE.search(fact)]
    if with_figure:
        fact = rng.choice(with_figure)
        wrong_fact = _falsified(fact, others, rng) if rng.random() < 0.5 else ""
        yield proposal("true_false", [], [0 if wrong_fact else 1], wrong_fact or fact)
        fact = rng.choice(with_figure)
        figure = rng.choice(list(_FIGURE.finditer(fact)))
        gap = f"{fact[: figure.start(1)]}____{fact[figure.end(1) :]}"
        yield proposal("fill_in", [], _spellings(figure[1]), gap)
    if steps := steps_of(source.answer):
        yield proposal("order", [step[:200] for step in steps], list(range(len(steps))))


def facts_of(answer: str) -> list[str]:
    """Return the sentences of a point's answer that are complete on their own and of suitable length, without list
    numbers."""
    facts = []
    for part in _ENDS.split(answer):
        sentence = _LIST_MARK.sub("", part).strip().rstrip("；;")
        columns = sum(1 if letter.isascii() else 2 for letter in sentence)
        is_statement = not sentence.endswith(("：", ":", "?", "？", "!", "！")) and not _CONTINUES.match(
            sentence
        )
        if is_statement and MIN_SENTENCE <= columns <= MAX_SENTENCE:
            facts.append(sentence)
    return list(dict.fromkeys(facts))


def steps_of(answer: str) -> list[str]:
    """Return the numbered lines of a point's answer if they are steps in an order; otherwise an empty list."""
    first = _STEP.search(answer)
    steps = [step.strip() for step in _STEP.findall(answer)]
    if first is None or not 3 <= len(steps) <= 7 or len(set(steps)) < len(steps):
        return []
    says_then = _FIRST.match(steps[0]) and any(map(_THEN.match, steps[1:]))
    are_steps = _IN_ORDER.search(answer[: first.start()]) or says_then or all(map(_ACT.match, steps))
    return steps if are_steps else []


def is_similar(one: str, other: str) -> bool:
    """Return whether two sentences say nearly the same thing, by the Jaccard similarity of their character pairs."""
    first, second = _pairs(one), _pairs(other)
    return len(first & second) >= MIN_SIMILARITY * len(first | second)


@lru_cache(maxsize=10_000)
def _pairs(text: str) -> frozenset[str]:
    plain = _NO_LETTER.sub("", text.casefold())
    return frozenset(plain[start : start + 2] for start in range(max(1, len(plain) - 1)))


def _information(fact: str) -> tuple[int, int]:
    """Return a sort key that measures how informative a sentence is: the number of figures in it, then its length."""
    return len(_FIGURE.findall(fact)), len(fact)


def _falsified(fact: str, others: Sequence[SourcePoint], rng: Random) -> str:
    """Return a sentence made false by a change of one figure, or "" if it has no figure."""
    figures = list(_FIGURE.finditer(fact))
    if not figures:
        return ""
    figure = rng.choice(figures)
    elsewhere = [
        match[1]
        for other in others
        for match in _FIGURE.finditer(other.answer)
        if match[3] == figure[3] and match[1] != figure[1]
    ]
    wrong = rng.choice(elsewhere) if elsewhere else _near(figure[1], rng)
    return f"{fact[: figure.start(1)]}{wrong}{fact[figure.end(1) :]}"


def _near(figure: str, rng: Random) -> str:
    """Return a wrong figure near the right one: a year that is one or two years off, or the right number times two or
    three."""
    number = float(figure.replace(",", ""))
    if 1900 <= number < 2200 and number.is_integer():
        return str(int(number) + rng.choice((-2, -1, 1, 2)))
    wrong = number * rng.choice((2, 3)) if number else 1.0
    return f"{wrong:g}"


_NUMERALS = dict(zip("0123456789", "零一二三四五六七八九", strict=True)) | {"10": "十"}


def _spellings(figure: str) -> list[str]:
    """Return the spellings of a figure: with and without separators, and up to 10 also as a Chinese numeral."""
    plain = figure.replace(",", "")
    spellings = [figure, plain]
    if plain in _NUMERALS:
        spellings.append(_NUMERALS[plain])
    if plain == "2":
        spellings.append("两")
    return list(dict.fromkeys(spellings))
