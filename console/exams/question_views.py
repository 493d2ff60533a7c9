"""Views for editors who set exams: their questions, and the proposed questions that they judge."""

from collections.abc import Sequence
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import require
from chat.errors import BadRequest, Refusal
from console.exams.forms import QuestionFilterForm, QuestionForm
from console.exams.question_display import answer_lines
from console.gate import StaffRequest, knowledge_view
from exams import selectors
from exams.actions import questions
from exams.errors import ExamNotFound, QuestionIncomplete
from exams.models import Question
from knowledge.errors import PointNotFound
from knowledge.models import Point
from knowledge.selectors import category_paths
from knowledge.selectors_pages import PointFilter, points_for

ITEMS_PER_PAGE = 30


def _number(text: str | None) -> int | None:
    """Parse an id from a query or form. Returns None for a text that is not an id."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 16 else None


@require_GET
@never_cache
@knowledge_view
def question_list(request: StaffRequest) -> HttpResponse:
    require(request.user, "set_exams")
    paths = category_paths()
    form = QuestionFilterForm(request.GET, paths=paths)
    filters = form.cleaned_data if form.is_valid() else {}
    questions_found = selectors.questions_for_setting(
        state=filters.get("state", ""),
        category=filters.get("category"),
        kind=filters.get("kind", ""),
        words=filters.get("words", ""),
    )
    page = Paginator(questions_found, ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    query = {name: str(value) for name, value in request.GET.items() if name != "page" and value}
    context = {
        "tab": "questions",
        "form": form,
        "page": page,
        "query": urlencode(query),
        "paths": paths,
        "stock": selectors.question_counts(),
        "categories": sorted(paths.items(), key=lambda item: item[1]),
    }
    return render(request, "console/exams/questions.html", context)


@require_POST
@knowledge_view
def propose(request: StaffRequest) -> HttpResponse:
    """Generate proposed questions from the points of a category, and redirect to the page where editors judge them."""
    category = _number(request.POST.get("category"))
    questions.propose_questions(by=request.user, category=category)
    query = f"?{urlencode({'category': category})}" if category is not None else ""
    return redirect(reverse("console:question_judging") + query)


@require_GET
@never_cache
@knowledge_view
def judging(request: StaffRequest) -> HttpResponse:
    """Show the next proposed question and the current text of its point. The editor can accept, decline or change the
    question."""
    require(request.user, "set_exams")
    category, after = _number(request.GET.get("category")), _number(request.GET.get("after")) or 0
    waiting = selectors.proposed_questions(category)
    question = waiting.filter(pk__gt=after).first() or waiting.first()
    context: dict[str, Any] = {
        "tab": "questions",
        "question": question,
        "left": waiting.count(),
        "category": category,
        "paths": category_paths(),
        "last": _number(request.GET.get("last")),
    }
    if question is not None:
        context |= {
            "right": set(question.answer) if question.kind in ("single", "multiple") else set(),
            "answer": answer_lines(question.kind, question.options, question.answer),
            "is_outdated": question.version != question.point.published.number,  # type: ignore[union-attr]
        }
    return render(request, "console/exams/proposed_questions.html", context)


@require_POST
@knowledge_view
def judge(request: StaffRequest, pk: int) -> HttpResponse:
    match request.POST.get("verdict"):
        case "accept":
            questions.accept_question(by=request.user, question=pk)
        case "decline":
            questions.decline_question(by=request.user, question=pk)
        case "back":
            questions.return_to_proposed(by=request.user, question=pk)
        case _:
            raise BadRequest
    is_back = request.POST["verdict"] == "back"
    query = {"category": _number(request.POST.get("category")), "after": pk - 1 if is_back else pk}
    if not is_back:
        query["last"] = pk
    return redirect(f"{reverse('console:question_judging')}?{urlencode(_without_none(query))}")


def _without_none(values: dict[str, int | None]) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}


@require_GET
@never_cache
@knowledge_view
def question_new(request: StaffRequest) -> HttpResponse:
    """Show the form of a new question about a point, whose key is the query parameter `point`.

    Without that parameter, show a search for a point.
    """
    require(request.user, "set_exams")
    key, words = request.GET.get("point", ""), request.GET.get("words", "").strip()[:60]
    point = _point(key) if key else None
    points: Sequence[Point] = ()
    if point is None and words:
        points = list(
            points_for(request.user, PointFilter(words=words))
            .filter(published__isnull=False)
            .select_related("published")
            .annotate(asked=Count("questions"))[:ITEMS_PER_PAGE]
        )
    return _question_page(request, QuestionForm(), point, words=words, points=points)


@require_POST
@knowledge_view
def question_create(request: StaffRequest) -> HttpResponse:
    return _save_question(request, _point(request.POST.get("point", "")), None)


@require_GET
@never_cache
@knowledge_view
def question_edit(request: StaffRequest, pk: int) -> HttpResponse:
    require(request.user, "set_exams")
    question = _question(pk)
    return _question_page(request, QuestionForm(question=question), question.point, question)


@require_POST
@knowledge_view
def question_change(request: StaffRequest, pk: int) -> HttpResponse:
    question = _question(pk)
    return _save_question(request, question.point, question)


def _point(key: str) -> Point:
    point = Point.objects.select_related("published").filter(key=key, published__isnull=False).first()
    if point is None:
        raise PointNotFound
    return point


def _question(pk: int) -> Question:
    question = Question.objects.select_related("point__published").filter(pk=pk).first()
    if question is None:
        raise ExamNotFound
    return question


def _save_question(request: StaffRequest, point: Point, question: Question | None) -> HttpResponse:
    require(request.user, "set_exams")
    form = QuestionForm(request.POST)
    if form.is_valid():
        try:
            questions.save_question(
                by=request.user,
                point=point.pk,
                parsed=form.parsed(),
                question=question.pk if question else None,
            )
            is_judging = request.POST.get("then") == "judging"
            return redirect("console:question_judging" if is_judging else "console:questions")
        except QuestionIncomplete as refusal:
            for name, words in refusal.problems.items():
                form.add_error(name, words)
            return _question_page(request, form, point, question, status=422)
        except Refusal as refusal:
            form.add_error(None, str(refusal.text))
            return _question_page(request, form, point, question, status=refusal.http_status)
    return _question_page(request, form, point, question, status=422)


def _question_page(
    request: StaffRequest,
    form: QuestionForm,
    point: Point | None,
    question: Question | None = None,
    *,
    words: str = "",
    points: Sequence[Point] = (),
    status: int = 200,
) -> HttpResponse:
    context = {
        "tab": "questions",
        "form": form,
        "point": point,
        "question": question,
        "words": words,
        "points_found": points,
        "then": request.GET.get("then", "") or request.POST.get("then", ""),
    }
    return render(request, "console/exams/question.html", context, status=status)
