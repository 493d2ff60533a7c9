"""The examinee's pages: which exams there are, the paper, what came of it, an appeal."""

from typing import Annotated, Any

import msgspec
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
from console.exam_sheets import in_words, sheet_of
from console.gate import StaffRequest, knowledge_view, staff_view
from console.words import exam_words
from knowledge import access, selectors_exams
from knowledge.actions import appeals
from knowledge.actions import exams as actions
from knowledge.exams.marking import FULL
from knowledge.models import Paper, PaperItem

Step = Annotated[int, Meta(ge=0, lt=2**53)]


class Answered(Struct):
    place: int
    given: Any
    step: Step


class HandedIn(Struct):
    answers: dict[str, Any]
    step: Step


def _asked(request: StaffRequest, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(request.body, type=kind)
    except msgspec.MsgspecError as error:
        raise BadRequest from error


@require_GET
@never_cache
@knowledge_view
def exams(request: StaffRequest) -> HttpResponse:
    """What I may sit, have begun and have done; who only sets exams goes on to that."""
    if not may(request.user, "take_exams"):
        return redirect("console:exam_setting")
    actions.settle_overdue(of=request.user)
    standings = selectors_exams.standings_of(request.user)
    context = {
        "tab": "mine",
        "standings": standings,
        "may_sit": any(each.writing or (each.is_open and each.left) for each in standings),
        "warnings": selectors_exams.warnings_of(request.user),
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
    """While it is written, the questions; when it is marked, the result."""
    actions.settle_overdue(of=request.user)
    found = access.paper_for(request.user, pk)
    if found.submitted_at is not None:
        return _result(request, found)
    sheets = [
        sheet_of(place=item.place, kind=item.kind, stem=item.stem, shown=item.shown, given=item.given)
        for item in found.items.order_by("place").defer("right", "explanation")
    ]
    now = timezone.now()
    context = {
        "tab": "mine",
        "paper": found,
        "sheets": sheets,
        "words": exam_words(),
        "due_ms": int(found.due_at.timestamp() * 1000),
        "now_ms": int(now.timestamp() * 1000),
    }
    return render(request, "console/exams/paper.html", context)


@require_POST
@staff_view
def answer(request: StaffRequest, pk: int) -> HttpResponse:
    """JSON `{place, given, step}`: keeps one answer."""
    asked = _asked(request, Answered)
    actions.save_answer(by=request.user, paper=pk, place=asked.place, given=asked.given, step=asked.step)
    return JsonResponse({"saved": asked.place, "step": asked.step})


@require_POST
@staff_view
def hand_in(request: StaffRequest, pk: int) -> HttpResponse:
    """JSON `{answers: {place: given}, step}`: what the page holds, in case the last of it was not kept yet."""
    asked = _asked(request, HandedIn)
    try:
        answers = {int(place): given for place, given in asked.answers.items()}
    except ValueError as error:
        raise BadRequest from error
    marked = actions.hand_in(by=request.user, paper=pk, answers=answers, step=asked.step)
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
    items = selectors_exams.items_of(paper)
    context = {
        "tab": "mine" if is_own else "results",
        "paper": paper,
        "is_own": is_own,
        "answers": [_marked(item) for item in items],
        "missed": sum(item.credit != FULL for item in items),
        "may_appeal": is_own and timezone.now() <= paper.submitted_at + appeals.WITHIN,
    }
    return render(request, "console/exams/result.html", context)


def _marked(item: PaperItem) -> dict[str, Any]:
    return {
        "item": item,
        "given": in_words(item.kind, item.shown, item.given),
        "right": in_words(item.kind, item.shown, item.right),
        "marks": "full" if item.credit == FULL else "part" if item.credit else "none",
        "point": item.question.point,
        "appeal": getattr(item, "appeal", None),
    }
