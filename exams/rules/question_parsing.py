"""Parsing and validation of a question as an editor writes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from core.text.cleaning import clean_line, clean_text
from exams.errors import QuestionIncomplete
from exams.models import QuestionKind

GAP = "____"
RIGHT_MARK = "*"
STEM_CHARACTERS, EXPLANATION_CHARACTERS, OPTION_CHARACTERS = 500, 1000, 200
MAX_OPTIONS = 8


@dataclass(frozen=True)
class ParsedQuestion:
    """A question as an editor typed it into the form. Its fields have the same names and meanings as in the model
    `Question`."""

    kind: str
    stem: str
    options: list[str] = field(default_factory=list)
    answer: list[Any] = field(default_factory=list)
    explanation: str = ""

    def validated(self) -> dict[str, Any]:
        """Validate the question and return its field values. Raises QuestionIncomplete with all problems by field
        name."""
        values = {
            "kind": self.kind,
            "stem": clean_text(self.stem),
            "options": self.options,
            "answer": self.answer,
            "explanation": clean_text(self.explanation),
        }
        problems: dict[str, list[str]] = {}
        if not values["stem"]:
            problems["stem"] = [_("Write the question.")]
        elif len(values["stem"]) > STEM_CHARACTERS:
            problems["stem"] = [_("Use at most %(count)d characters.") % {"count": STEM_CHARACTERS}]
        elif self.kind == QuestionKind.FILL_IN and values["stem"].count(GAP) != 1:
            problems["stem"] = [_("Write ____ exactly once, where the gap is.")]
        if len(values["explanation"]) > EXPLANATION_CHARACTERS:
            problems["explanation"] = [
                _("Use at most %(count)d characters.") % {"count": EXPLANATION_CHARACTERS}
            ]
        if problem := self._problem_of_lines():
            problems["lines"] = [problem]
        if problems:
            raise QuestionIncomplete(problems)
        return values

    def _problem_of_lines(self) -> str:
        texts = self.answer if self.kind == QuestionKind.FILL_IN else self.options
        if any(len(str(text)) > OPTION_CHARACTERS for text in texts):
            return _("Use at most %(count)d characters per line.") % {"count": OPTION_CHARACTERS}
        if len(set(texts)) < len(texts):
            return _("Two lines are identical. Each line must be different.")
        if len(texts) > MAX_OPTIONS:
            return _("Use at most %(count)d lines.") % {"count": MAX_OPTIONS}
        match self.kind:
            case QuestionKind.SINGLE if len(texts) < 2 or len(self.answer) != 1:
                return _("Write at least two options, with a * before the correct one.")
            case QuestionKind.MULTIPLE if len(texts) < 3 or not 1 <= len(self.answer) < len(texts):
                return _(
                    "Write at least three options. Put a * before each correct one, but not before all of "
                    "them."
                )
            case QuestionKind.TRUE_FALSE if self.answer not in ([0], [1]):
                return _("Write one line: true or false.")
            case QuestionKind.FILL_IN if not texts:
                return _("Write every accepted answer, one per line.")
            case QuestionKind.ORDER if len(texts) < 3:
                return _("Write at least three steps in the correct order.")
        return ""


def parse_lines(kind: str, lines: str) -> tuple[list[str], list[Any]]:
    """Parse an editor's lines, and return the list of options and the answer.

    For a choice question, * marks each right option. For an ordering question, the lines are steps in the right order.
    For a fill-in question, each line is an accepted answer. A true-or-false question has one line, such as 对, 错, true
    or false.
    """
    texts = [text for line in lines.splitlines() if (text := clean_line(line, 1000))]
    if kind == QuestionKind.TRUE_FALSE:
        word = texts[0].strip(RIGHT_MARK + " ").casefold() if len(texts) == 1 else ""
        truth = {"对": 1, "正确": 1, "true": 1, "错": 0, "错误": 0, "false": 0}.get(word)
        return [], [] if truth is None else [truth]
    if kind == QuestionKind.FILL_IN:
        return [], texts
    if kind == QuestionKind.ORDER:
        return texts, list(range(len(texts)))
    right = [index for index, text in enumerate(texts) if text.startswith((RIGHT_MARK, "＊"))]
    return [text.lstrip(RIGHT_MARK + "＊").strip() for text in texts], right


def format_lines(kind: str, options: Sequence[str], answer: Sequence[Any]) -> str:
    """Return options and answer as lines of text; the reverse of `parse_lines`."""
    if kind == QuestionKind.TRUE_FALSE:
        return "true" if list(answer) == [1] else "false"
    if kind == QuestionKind.FILL_IN:
        return "\n".join(map(str, answer))
    if kind == QuestionKind.ORDER:
        return "\n".join(options)
    return "\n".join(
        f"{RIGHT_MARK} {text}" if index in answer else text for index, text in enumerate(options)
    )
