"""What an editor writes of a question, and what has to be true of it before it may be drawn."""

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
MOST_OPTIONS = 8


@dataclass(frozen=True)
class ParsedQuestion:
    """By the names of `Question`; `checked` says what is wrong."""

    kind: str
    stem: str
    options: list[str] = field(default_factory=list)
    answer: list[Any] = field(default_factory=list)
    explanation: str = ""

    def checked(self) -> dict[str, Any]:
        """The same, as it is stored. Raises QuestionIncomplete with every problem, by the name of the field."""
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
            problems["stem"] = [_("At most %(count)d characters.") % {"count": STEM_CHARACTERS}]
        elif self.kind == QuestionKind.FILL_IN and values["stem"].count(GAP) != 1:
            problems["stem"] = [_("Put ____ once where the gap is.")]
        if len(values["explanation"]) > EXPLANATION_CHARACTERS:
            problems["explanation"] = [_("At most %(count)d characters.") % {"count": EXPLANATION_CHARACTERS}]
        if words := self._problem_of_lines():
            problems["lines"] = [words]
        if problems:
            raise QuestionIncomplete(problems)
        return values

    def _problem_of_lines(self) -> str:
        texts = self.answer if self.kind == QuestionKind.FILL_IN else self.options
        if any(len(str(each)) > OPTION_CHARACTERS for each in texts):
            return _("At most %(count)d characters in a line.") % {"count": OPTION_CHARACTERS}
        if len(set(texts)) < len(texts):
            return _("Two lines are the same.")
        if len(texts) > MOST_OPTIONS:
            return _("At most %(count)d lines.") % {"count": MOST_OPTIONS}
        match self.kind:
            case QuestionKind.SINGLE if len(texts) < 2 or len(self.answer) != 1:
                return _("At least two options, and a * before the one that is right.")
            case QuestionKind.MULTIPLE if len(texts) < 3 or not 1 <= len(self.answer) < len(texts):
                return _("At least three options, and a * before each that is right, but not before all.")
            case QuestionKind.TRUE_FALSE if self.answer not in ([0], [1]):
                return _("One line: true, or false.")
            case QuestionKind.FILL_IN if not texts:
                return _("Every filling that is right, one a line.")
            case QuestionKind.ORDER if len(texts) < 3:
                return _("At least three steps, in their right order.")
        return ""


def parse_lines(kind: str, lines: str) -> tuple[list[str], list[Any]]:
    """Options and answer as an editor writes them, one a line: a * before what is right, steps in their order,
    fillings, or 对/错 (true/false)."""
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
    """The other way round: what the editor finds in the form."""
    if kind == QuestionKind.TRUE_FALSE:
        return "true" if list(answer) == [1] else "false"
    if kind == QuestionKind.FILL_IN:
        return "\n".join(map(str, answer))
    if kind == QuestionKind.ORDER:
        return "\n".join(options)
    return "\n".join(
        f"{RIGHT_MARK} {text}" if index in answer else text for index, text in enumerate(options)
    )
