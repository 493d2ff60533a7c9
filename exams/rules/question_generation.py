"""Questions proposed from the points themselves, for an editor to accept, change or decline.

Wrong options come from the points beside (the same category): they are true of something else, so that only who knows
tells them apart. A wrong figure is another point's figure of the same unit, or near the right one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

# In columns: a Chinese character takes two of them, a Latin letter one.
MIN_SENTENCE, MAX_SENTENCE = 12, 180
# Two sentences with so many of their pairs of characters in common say the same.
ALIKE = 0.45
# Of the points beside, so many are looked through: a branch of thousands takes no longer than one of dozens.
MOST_BESIDE = 40
_ENDS = re.compile(r"(?<=[。！？；])\s*|(?<=[.!?])\s+(?=[A-Z\"'“])|\n+")
_STEP = re.compile(r"^\s*(?:\d{1,2}[.、)）]|[①-⑨])\s*(.+)$", re.MULTILINE)
_LIST_MARK = re.compile(r"^\s*(?:\d{1,2}[.、)）](?!\d)|[①-⑨])\s*")
# Numbered lines are mostly a list of cases. They are steps where the words before them say so, where they say first and
# then, or where each is something to press, choose or type.
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
# What only goes on from the sentence before says nothing by itself.
_GOES_ON = re.compile(
    r"或|也|又|但|所以|否则|不然|并且|这|那|它|(?:or|and|but|so|it|it's|this|that|they)\b", re.IGNORECASE
)
_UNITS = (
    "个工作日|个自然日|working days?|business days?|万元|元|美元|天|日|小时|分钟|秒|个月|月|年|周岁|岁|次|张|位|倍|折|"
    "％|%|yuan|days?|hours?|minutes?|months?|years?"
)
_FIGURE = re.compile(rf"(?<![\d.,:\-])(\d+(?:[,.]\d+)*)(\s?)({_UNITS})")
_NO_LETTER = re.compile(r"[\W_]+")
_WORDS = {
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
class Source:
    """A published point as questions are made of it."""

    point: int
    version: int
    title: str
    answer: str
    language: str


@dataclass(frozen=True)
class ProposedQuestion:
    """By the names of `Question`."""

    point: int
    version: int
    kind: str
    stem: str
    options: list[str] = field(default_factory=list)
    answer: list[Any] = field(default_factory=list)
    explanation: str = ""


def propose(source: Source, siblings: Sequence[Source], seed: int = 1) -> list[ProposedQuestion]:
    """What can be asked about a point, at most one of each kind; `siblings`: the points beside it, of its language."""
    dice = Random(f"{seed} {source.point} {source.version}")
    others = [each for each in siblings if each.point != source.point and each.language == source.language]
    others = dice.sample(others, min(len(others), MOST_BESIDE))
    return list(_proposals(source, others, dice))


def _proposals(source: Source, others: Sequence[Source], dice: Random) -> Iterator[ProposedQuestion]:
    words = _WORDS["zh" if source.language == "zh" else "en"]
    facts = facts_of(source.answer)
    foreign = [fact for each in others for fact in facts_of(each.answer)[:2] if fact not in facts]
    # A sentence that says nearly what the point says would be a second right answer.
    foreign = [each for each in dict.fromkeys(foreign) if not any(is_alike(each, fact) for fact in facts)]

    def made(kind: str, options: list[str], answer: list[Any], fact: str = "") -> ProposedQuestion:
        stem = words[kind].format(title=source.title, fact=fact)
        return ProposedQuestion(
            source.point, source.version, kind, stem, options, answer, source.answer[:1000]
        )

    if facts and len(foreign) >= 3:
        right = max(facts, key=_says_much)
        yield made("single", [right, *dice.sample(foreign, 3)], [0])
    if len(facts) >= 2 and len(foreign) >= 2:
        right_ones = dice.sample(facts, min(3, len(facts)))
        wrong = [*(_falsified(fact, others, dice) for fact in facts if fact not in right_ones), *foreign]
        wrong_ones = [fact for fact in dict.fromkeys(wrong) if fact and fact not in facts]
        yield made(
            "multiple", right_ones + wrong_ones[: 4 - len(right_ones) or 1], list(range(len(right_ones)))
        )
    with_figure = [fact for fact in facts if _FIGURE.search(fact)]
    if with_figure:
        fact = dice.choice(with_figure)
        wrong_fact = _falsified(fact, others, dice) if dice.random() < 0.5 else ""
        yield made("true_false", [], [0 if wrong_fact else 1], wrong_fact or fact)
        fact = dice.choice(with_figure)
        figure = dice.choice(list(_FIGURE.finditer(fact)))
        gap = f"{fact[: figure.start(1)]}____{fact[figure.end(1) :]}"
        yield made("fill_in", [], _spellings(figure[1]), gap)
    if steps := steps_of(source.answer):
        yield made("order", [step[:200] for step in steps], list(range(len(steps))))


def facts_of(answer: str) -> list[str]:
    """The sentences of an answer that say something by themselves, without the marks of a list."""
    found = []
    for part in _ENDS.split(answer):
        sentence = _LIST_MARK.sub("", part).strip().rstrip("；;")
        columns = sum(1 if letter.isascii() else 2 for letter in sentence)
        is_statement = not sentence.endswith(("：", ":", "?", "？", "!", "！")) and not _GOES_ON.match(
            sentence
        )
        if is_statement and MIN_SENTENCE <= columns <= MAX_SENTENCE:
            found.append(sentence)
    return list(dict.fromkeys(found))


def steps_of(answer: str) -> list[str]:
    """The numbered lines of an answer where one has to come after the other; [] where they are only a list."""
    first = _STEP.search(answer)
    steps = [step.strip() for step in _STEP.findall(answer)]
    if first is None or not 3 <= len(steps) <= 7 or len(set(steps)) < len(steps):
        return []
    says_then = _FIRST.match(steps[0]) and any(map(_THEN.match, steps[1:]))
    are_steps = _IN_ORDER.search(answer[: first.start()]) or says_then or all(map(_ACT.match, steps))
    return steps if are_steps else []


def is_alike(one: str, other: str) -> bool:
    """Whether two sentences say nearly the same, by their pairs of characters (Jaccard)."""
    first, second = _pairs(one), _pairs(other)
    return len(first & second) >= ALIKE * len(first | second)


@lru_cache(maxsize=10_000)
def _pairs(text: str) -> frozenset[str]:
    plain = _NO_LETTER.sub("", text.casefold())
    return frozenset(plain[at : at + 2] for at in range(max(1, len(plain) - 1)))


def _says_much(fact: str) -> tuple[int, int]:
    return len(_FIGURE.findall(fact)), len(fact)


def _falsified(fact: str, others: Sequence[Source], dice: Random) -> str:
    """The fact with one figure changed, or "" where it has none."""
    figures = list(_FIGURE.finditer(fact))
    if not figures:
        return ""
    figure = dice.choice(figures)
    elsewhere = [
        match[1]
        for each in others
        for match in _FIGURE.finditer(each.answer)
        if match[3] == figure[3] and match[1] != figure[1]
    ]
    wrong = dice.choice(elsewhere) if elsewhere else _near(figure[1], dice)
    return f"{fact[: figure.start(1)]}{wrong}{fact[figure.end(1) :]}"


def _near(figure: str, dice: Random) -> str:
    number = float(figure.replace(",", ""))
    if 1900 <= number < 2200 and number.is_integer():
        return str(int(number) + dice.choice((-2, -1, 1, 2)))
    wrong = number * dice.choice((2, 3)) if number else 1.0
    return f"{wrong:g}"


_NUMERALS = dict(zip("0123456789", "零一二三四五六七八九", strict=True)) | {"10": "十"}


def _spellings(figure: str) -> list[str]:
    """A figure as people write it: with and without separators, and a small one as a character."""
    plain = figure.replace(",", "")
    found = [figure, plain]
    if plain in _NUMERALS:
        found.append(_NUMERALS[plain])
    if plain == "2":
        found.append("两")
    return list(dict.fromkeys(found))
