"""The examinee's pages: which exams there are, the paper, what came of it, an appeal."""

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
from console.exams.question_display import in_words, question_display
from console.gate import StaffRequest, knowledge_view, staff_view
from console.ui_strings import exam_strings
from exams import access, selectors
from exams.actions import appeals
from exams.actions import exams as actions
from exams.models import Paper, PaperItem
from exams.rules.marking import FULL

Step = Annotated[int, Meta(ge=0, lt=2**53)]


class AnswersForm(Struct):
    """`page`, `step`, `seen`: see `Writing`."""

    place: Step
    given: Any
    step: Step
    page: Annotated[str, Meta(max_length=36)] = ""
    seen: Step = 0

    @property
    def writing(self) -> actions.PaperInProgress:
        return actions.PaperInProgress(self.page, self.step, self.seen)


class HandInForm(Struct):
    answers: list[AnswersForm]
    is_by_clock: bool = False


@require_GET
@never_cache
@knowledge_view
def exams(request: StaffRequest) -> HttpResponse:
    """What I may sit, have begun and have done; who only sets exams goes on to that."""
    if not may(request.user, "take_exams"):
        return redirect("console:exam_setting")
    actions.settle_overdue(of=request.user)
    standings = selectors.standings_of(request.user)
    context = {
        "tab": "mine",
        "standings": standings,
        "may_sit": any(each.writing or (each.is_open and each.left) for each in standings),
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
    """While it is written, the questions; when it is marked, the result."""
    actions.settle_overdue(of=request.user)
    found = access.paper_for(request.user, pk)
    if found.submitted_at is not None:
        return _result(request, found)
    sheets = [
        question_display(
            place=item.place,
            kind=item.kind,
            stem=item.stem,
            shown=item.shown,
            given=item.given,
            revision=item.revision,
        )
        for item in found.items.order_by("place").defer("right", "explanation")
    ]
    context = {
        "tab": "mine",
        "paper": found,
        "sheets": sheets,
        "words": exam_strings(),
        "left_ms": _milliseconds(max(timedelta(), found.due_at - timezone.now())),
    }
    return render(request, "console/exams/paper.html", context)


@require_POST
@staff_view
def answer(request: StaffRequest, pk: int) -> HttpResponse:
    """JSON `{place, given, page, step, seen}`: keeps one answer; says what is kept now and how much time is left."""
    asked = decode_body(request.body, AnswersForm)
    kept = actions.save_answer(
        by=request.user, paper=pk, place=asked.place, given=asked.given, writing=asked.writing
    )
    return JsonResponse(
        {
            "given": kept.given,
            "revision": kept.revision,
            "is_newer": kept.is_newer,
            "left_ms": _milliseconds(kept.left),
        }
    )


@require_GET
@never_cache
@staff_view
def clock(request: StaffRequest, pk: int) -> HttpResponse:
    """JSON `{left_ms, is_over}` by the server's clock: the examinee's own may be wrong, or set while they write."""
    found = access.paper_for(request.user, pk)
    left = max(timedelta(), found.due_at - timezone.now())
    is_over = found.submitted_at is not None or not left
    return JsonResponse({"left_ms": _milliseconds(left), "is_over": is_over})


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


@require_POST
@staff_view
def hand_in(request: StaffRequest, pk: int) -> HttpResponse:
    """JSON `{answers: [...], is_by_clock}`: what the page holds, in case the last of it was not kept yet."""
    asked = decode_body(request.body, HandInForm)
    marked = actions.hand_in(
        by=request.user,
        paper=pk,
        answers={each.place: each.given for each in asked.answers},
        writings={each.place: each.writing for each in asked.answers},
        is_by_clock=asked.is_by_clock,
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
    # What is right stays hidden from those who may sit exams as long as a colleague is writing about it.
    secret = selectors.on_open_papers(item.question_id for item in items) if is_own else set()
    context = {
        "tab": "mine" if is_own else "results",
        "paper": paper,
        "is_own": is_own,
        "answers": [_marked(item, is_secret=item.question_id in secret) for item in items],
        "missed": sum(item.credit != FULL for item in items),
        "may_appeal": is_own and timezone.now() <= paper.submitted_at + appeals.WITHIN,
    }
    return render(request, "console/exams/result.html", context)


def _marked(item: PaperItem, *, is_secret: bool) -> dict[str, Any]:
    return {
        "item": item,
        "is_secret": is_secret,
        "given": in_words(item.kind, item.shown, item.given),
        "right": [] if is_secret else in_words(item.kind, item.shown, item.right),
        "marks": "full" if item.credit == FULL else "part" if item.credit else "none",
        "point": None if is_secret else item.question.point,
        "appeal": getattr(item, "appeal", None),
    }
