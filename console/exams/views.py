"""Views for examinees: the list of exams, the exam paper, its result, and appeals."""

from datetime import timedelta
from typing import Annotated, Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from msgspec import Meta, Struct

from accounts import audit
from accounts.access import may
from chat.errors import BadRequest
from chat.json_bodies import decode_body
from console.exams.question_display import answer_lines, question_display
from console.gate import StaffRequest, knowledge_view, staff_view
from console.ui_strings import exam_strings
from exams import access, selectors
from exams.actions import appeals
from exams.actions import exams as actions
from exams.models import Paper, PaperItem
from exams.rules.marking import FULL

Step = Annotated[int, Meta(ge=0, lt=2**53)]


class AnswersForm(Struct):
    """The JSON of one answer. `exams.actions.exams.AnswerOrigin` explains `page`, `step` and `seen`."""

    place: Step
    given: Any
    step: Step
    page: Annotated[str, Meta(max_length=36)] = ""
    seen: Step = 0

    @property
    def origin(self) -> actions.AnswerOrigin:
        return actions.AnswerOrigin(self.page, self.step, self.seen)


class HandInForm(Struct):
    answers: list[AnswersForm]
    is_by_clock: bool = False


@require_GET
@never_cache
@knowledge_view
def exams(request: StaffRequest) -> HttpResponse:
    """Show the examinee's exams. Staff who set exams, and thus cannot sit them, are redirected to their own page."""
    if not may(request.user, "take_exams"):
        return redirect("console:exam_setting")
    actions.settle_overdue(of=request.user)
    standings = selectors.standings_of(request.user)
    context = {
        "tab": "mine",
        "standings": standings,
        "may_sit": any(
            standing.open_paper or (standing.is_open and standing.attempts_left) for standing in standings
        ),
        "warnings": selectors.warnings_of(request.user),
        "day": timezone.localdate(),
    }
    return render(request, "console/exams/mine.html", context)


@require_POST
@staff_view
def begin(request: StaffRequest, pk: int) -> HttpResponse:
    paper = actions.begin_paper(by=request.user, exam=pk)
    return redirect("console:exam_paper", paper.pk)


@require_GET
@never_cache
@staff_view
def paper(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the questions of an open paper, or the result of a marked one."""
    actions.settle_overdue(of=request.user)
    paper_shown = access.paper_for(request.user, pk)
    if paper_shown.submitted_at is not None:
        return _result(request, paper_shown)
    questions = [
        question_display(
            place=item.place,
            kind=item.kind,
            stem=item.stem,
            shown=item.shown,
            given=item.given,
            revision=item.revision,
        )
        for item in paper_shown.items.order_by("place").defer("right", "explanation")
    ]
    context = {
        "tab": "mine",
        "paper": paper_shown,
        "questions": questions,
        "ui_strings": exam_strings(),
        "left_ms": _milliseconds(max(timedelta(), paper_shown.due_at - timezone.now())),
    }
    return render(request, "console/exams/paper.html", context)


@require_POST
@staff_view
def answer(request: StaffRequest, pk: int) -> HttpResponse:
    """Save the answer to one question and return the stored answer and the time left.

    The request body is JSON `{place, given, page, step, seen}`. The response is JSON `{given, revision, is_newer,
    left_ms}`.
    """
    form = decode_body(request.body, AnswersForm)
    saved = actions.save_answer(
        by=request.user, paper=pk, place=form.place, given=form.given, origin=form.origin
    )
    return JsonResponse(
        {
            "given": saved.given,
            "revision": saved.revision,
            "is_newer": saved.is_newer,
            "left_ms": _milliseconds(saved.time_left),
        }
    )


@require_GET
@never_cache
@staff_view
def clock(request: StaffRequest, pk: int) -> HttpResponse:
    """Return the time left for a paper by the server's clock, as JSON `{left_ms, is_over}`.

    The clock of the examinee's computer may be wrong.
    """
    paper = access.paper_for(request.user, pk)
    left = max(timedelta(), paper.due_at - timezone.now())
    is_over = paper.submitted_at is not None or not left
    return JsonResponse({"left_ms": _milliseconds(left), "is_over": is_over})


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


@require_POST
@staff_view
def hand_in(request: StaffRequest, pk: int) -> HttpResponse:
    """Hand in the paper and return the address of its result, as JSON `{result}`.

    The request body is JSON `{answers: [...], is_by_clock}`. It repeats the answers on the page, because the last ones
    might not be saved yet.
    """
    form = decode_body(request.body, HandInForm)
    marked = actions.hand_in(
        by=request.user,
        paper=pk,
        answers={answer.place: answer.given for answer in form.answers},
        origins={answer.place: answer.origin for answer in form.answers},
        is_by_clock=form.is_by_clock,
    )
    return JsonResponse({"result": reverse("console:exam_paper", args=[marked.pk])})


@require_POST
@staff_view
def appeal(request: StaffRequest, pk: int) -> HttpResponse:
    place = request.POST.get("place", "")
    if not (place.isascii() and place.isdecimal() and len(place) < 6):
        raise BadRequest
    appeals.make_appeal(by=request.user, paper=pk, place=int(place), reason=request.POST.get("reason", ""))
    return redirect(f"{reverse('console:exam_paper', args=[pk])}#question-{place}")


def _result(request: StaffRequest, paper: Paper) -> HttpResponse:
    assert paper.submitted_at is not None
    is_own = paper.staff_id == request.user.pk
    if not is_own:
        audit.record_once_a_day(request.user, "exam.paper_read", paper)
    items = selectors.items_of(paper)
    # An examinee does not see the right answer to a question that is also on a colleague's open paper.
    secret_questions = selectors.on_open_papers(item.question_id for item in items) if is_own else set()
    context = {
        "tab": "mine" if is_own else "results",
        "paper": paper,
        "is_own": is_own,
        "answers": [_answer_context(item, is_secret=item.question_id in secret_questions) for item in items],
        "missed": sum(item.credit != FULL for item in items),
        "may_appeal": is_own and timezone.now() <= paper.submitted_at + appeals.APPEAL_PERIOD,
    }
    return render(request, "console/exams/result.html", context)


def _answer_context(item: PaperItem, *, is_secret: bool) -> dict[str, Any]:
    return {
        "item": item,
        "is_secret": is_secret,
        "given": answer_lines(item.kind, item.shown, item.given),
        "right": [] if is_secret else answer_lines(item.kind, item.shown, item.right),
        "marks": "full" if item.credit == FULL else "part" if item.credit else "none",
        "point": None if is_secret else item.question.point,
        "appeal": getattr(item, "appeal", None),
    }
