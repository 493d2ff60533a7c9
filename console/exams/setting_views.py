"""Views for editors who set exams."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import require
from chat.errors import Refusal
from console.exams.forms import ExamForm
from console.gate import StaffRequest, knowledge_view
from exams import question_pool, selectors
from exams.actions.exams import save_exam
from exams.errors import ExamNotFound
from exams.models import Exam


@require_GET
@never_cache
@knowledge_view
def setting(request: StaffRequest) -> HttpResponse:
    require(request.user, "set_exams")
    context = {
        "tab": "setting",
        "exams": selectors.exams_for_setting()[:60],
        "stock": selectors.question_counts(),
        "appeals": selectors.open_appeals().count(),
        "now": timezone.now(),
    }
    return render(request, "console/exams/setting.html", context)


@require_GET
@never_cache
@knowledge_view
def exam_new(request: StaffRequest) -> HttpResponse:
    require(request.user, "set_exams")
    return _exam_page(request, ExamForm(), None)


@require_POST
@knowledge_view
def exam_create(request: StaffRequest) -> HttpResponse:
    return _save_exam(request, None)


@require_GET
@never_cache
@knowledge_view
def exam_edit(request: StaffRequest, pk: int) -> HttpResponse:
    require(request.user, "set_exams")
    exam = _exam(pk)
    return _exam_page(request, ExamForm(exam=exam), exam)


@require_POST
@knowledge_view
def exam_change(request: StaffRequest, pk: int) -> HttpResponse:
    return _save_exam(request, _exam(pk))


def _exam(pk: int) -> Exam:
    exam = Exam.objects.filter(pk=pk).first()
    if exam is None:
        raise ExamNotFound
    return exam


def _save_exam(request: StaffRequest, exam: Exam | None) -> HttpResponse:
    require(request.user, "set_exams")
    form = ExamForm(request.POST)
    if form.is_valid():
        try:
            saved = save_exam(by=request.user, plan=form.plan(), exam=exam.pk if exam else None)
            return redirect("console:exam_edit", saved.pk)
        except Refusal as refusal:
            form.add_error(None, str(refusal.text))
            return _exam_page(request, form, exam, refusal.http_status)
    return _exam_page(request, form, exam, 422)


def _exam_page(request: StaffRequest, form: ExamForm, exam: Exam | None, status: int = 200) -> HttpResponse:
    points = len({candidate.point for candidate in question_pool.candidates_for(exam)[0]}) if exam else None
    context = {
        "tab": "setting",
        "form": form,
        "exam": exam,
        "points": points,
        "is_short": exam is not None and points is not None and points < exam.question_count,
    }
    return render(request, "console/exams/exam.html", context, status=status)
