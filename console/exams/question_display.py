"""Prepares exam questions and answers for display on pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from exams.models import QuestionKind


@dataclass(frozen=True)
class Option:
    """An option of a question. `number` is the digit key that selects it, and `value` is sent to the server."""

    number: int
    value: int
    text: str
    is_chosen: bool


@dataclass(frozen=True)
class QuestionDisplay:
    """A question to be answered, for display. It contains nothing about the right answer."""

    place: int
    kind: str
    kind_words: str
    stem: str
    before_gap: str
    after_gap: str
    options: list[Option]
    given: Any
    revision: int

    @property
    def filling(self) -> str:
        return str(self.given[0]) if self.kind == "fill_in" and self.given else ""


def question_display(
    *, place: int, kind: str, stem: str, shown: Sequence[str], given: Any, revision: int = 0
) -> QuestionDisplay:
    before, _gap, after = stem.partition("____")
    return QuestionDisplay(
        place=place,
        kind=kind,
        kind_words=str(QuestionKind(kind).label),
        stem=stem,
        before_gap=before,
        after_gap=after,
        options=_options(kind, shown, given or []),
        given=given,
        revision=revision,
    )


def _options(kind: str, shown: Sequence[str], given: Sequence[Any]) -> list[Option]:
    if kind == "true_false":
        values = [(1, _("True")), (0, _("False"))]
    elif kind == "order" and len(given) == len(shown):
        values = [(index, shown[index]) for index in given]
    else:
        values = list(enumerate(shown))
    return [
        Option(number, value, text, value in given) for number, (value, text) in enumerate(values, start=1)
    ]


def answer_lines(kind: str, shown: Sequence[str], answer: Any) -> list[str]:
    """Return an answer to a question as lines of text, or [] if there is none.

    `answer` is either the examinee's answer or the right answer.
    """
    if not answer:
        return []
    if kind == "true_false":
        return [_("True") if answer[0] == 1 else _("False")]
    if kind == "fill_in":
        return [str(answer[0])]
    texts = [shown[index] for index in answer]
    return [f"{number}. {text}" for number, text in enumerate(texts, start=1)] if kind == "order" else texts
