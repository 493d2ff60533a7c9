"""A question in a quiet minute, and what the answer came to."""

from typing import Annotated, Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from msgspec import Meta, Struct

from chat.json_bodies import decode_body
from console.exams.question_display import in_words, question_display
from console.gate import StaffRequest, staff_view
from exams.actions.drill import answer_question, exams_first, next_question
from exams.rules.marking import FULL

Id = Annotated[int, Meta(ge=0, lt=2**53)]


class DrillAnswerForm(Struct):
    question: Id
    review: Id
    given: Any


@require_GET
@never_cache
@staff_view
def drill(request: StaffRequest) -> HttpResponse:
    """The next question, or the words that there is none."""
    asked = next_question(staff=request.user)
    if asked is None:
        first = exams_first(staff=request.user)
        return render(request, "console/exams/_drill.html", {"sheet": None, "first": first})
    question = asked.question
    sheet = question_display(
        place=question.pk, kind=question.kind, stem=question.stem, shown=asked.shown, given=None
    )
    return render(request, "console/exams/_drill.html", {"sheet": sheet, "review": asked.review})


@require_POST
@staff_view
def drill_answer(request: StaffRequest) -> HttpResponse:
    """JSON `{question, review, given}`: how it was answered, what is right, how many the day still has."""
    answer = decode_body(request.body, DrillAnswerForm)
    done = answer_question(
        by=request.user, question=answer.question, review=answer.review, given=answer.given
    )
    question = done.asked.question
    return JsonResponse(
        {
            "marks": "full" if done.credit == FULL else "part" if done.credit else "none",
            "right": in_words(question.kind, done.asked.shown, done.asked.right),
            "why": question.explanation,
            "left": done.left,
        }
    )
