"""Views of the daily drill, in which staff practise exam questions: the next question, and the result of an answer."""

from typing import Annotated, Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from msgspec import Meta, Struct

from chat.json_bodies import decode_body
from console.exams.question_display import answer_lines, question_display
from console.gate import StaffRequest, staff_view
from exams.actions.drill import answer_question, exams_to_sit_first, next_question
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
    """Return an HTML fragment with the next drill question, or with the reason why there is none."""
    drill_question = next_question(staff=request.user)
    if drill_question is None:
        to_sit = exams_to_sit_first(staff=request.user)
        return render(request, "console/exams/_drill.html", {"question": None, "exams_to_sit": to_sit})
    question = drill_question.question
    display = question_display(
        place=question.pk, kind=question.kind, stem=question.stem, shown=drill_question.shown, given=None
    )
    return render(
        request, "console/exams/_drill.html", {"question": display, "review": drill_question.review}
    )


@require_POST
@staff_view
def drill_answer(request: StaffRequest) -> HttpResponse:
    """Mark the answer to a drill question and return the result.

    The request body is JSON `{question, review, given}`. The response is JSON `{marks, right, why, left}`: the marks
    (full, part or none), the right answer, its explanation, and the number of questions left today.
    """
    answer = decode_body(request.body, DrillAnswerForm)
    result = answer_question(
        by=request.user, question=answer.question, review=answer.review, given=answer.given
    )
    question = result.drill_question.question
    return JsonResponse(
        {
            "marks": "full" if result.credit == FULL else "part" if result.credit else "none",
            "right": answer_lines(question.kind, result.drill_question.shown, result.drill_question.right),
            "why": question.explanation,
            "left": result.left_today,
        }
    )
