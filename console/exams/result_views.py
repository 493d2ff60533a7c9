"""The supervisor's view: results by examinee, category and month, what is missed most, who is barred."""

import csv
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.access import require
from chat.archive.exports import MAX_ROWS, quote_formula
from console.exams.charts import bar_chart
from console.exams.forms import ResultsForm
from console.gate import StaffRequest, knowledge_view
from exams import selectors
from exams.actions import exams as actions
from exams.actions.pass_requirements import lift_restriction
from exams.models import Paper

BACK = timedelta(days=180)
LATEST = 50


@require_GET
@never_cache
@knowledge_view
def results(request: StaffRequest) -> HttpResponse:
    require(request.user, "see_exam_results")
    actions.settle_overdue()
    audit.record(
        request.user,
        "exam.results_read",
        None,
        filters=sorted(ResultsForm.base_fields.keys() & request.GET.keys()),
    )
    form = ResultsForm(request.GET or None)
    papers, since, until = _asked(form)
    plots = [
        (_("By examinee"), _("lowest first"), bar_chart(selectors.by_examinee(papers)), _("papers")),
        (_("By month"), "", bar_chart(selectors.by_month(papers)), _("papers")),
        (_("By category"), _("lowest first"), bar_chart(selectors.by_category(papers)), _("answers")),
    ]
    kept = {name: str(value) for name, value in request.GET.items() if value}
    context = {
        "tab": "results",
        "form": form,
        "since": since,
        "until": until,
        "plots": plots,
        "missed": selectors.most_missed(papers),
        "latest": papers.select_related("exam", "staff").order_by("-submitted_at")[:LATEST],
        "bars": list(selectors.active_restrictions()[:200]),
        "today": timezone.localdate(),
        "kept": urlencode(kept),
    }
    return render(request, "console/exams/results.html", context)


@require_GET
@never_cache
@knowledge_view
def results_table(request: StaffRequest) -> HttpResponse:
    """The same papers as CSV, one a row; what begins like a formula is quoted."""
    require(request.user, "see_exam_results")
    papers, since, until = _asked(ResultsForm(request.GET))
    audit.record(request.user, "exam.results_exported", None, since=str(since), until=str(until))
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="exams-{since}-{until}.csv"'
    # With a mark of the byte order Excel reads it as UTF-8.
    response.write("\ufeff")
    writer = csv.writer(response)
    writer.writerow(
        [_("handed in"), _("exam"), _("staff number"), _("name"), _("attempt"), _("result, %"), _("passed")]
    )
    for paper in papers.select_related("exam", "staff").order_by("submitted_at", "pk")[:MAX_ROWS]:
        assert paper.submitted_at is not None
        row: list[Any] = [
            f"{timezone.localtime(paper.submitted_at):%Y-%m-%d %H:%M}",
            quote_formula(paper.exam.name),
        ]
        row += [
            quote_formula(paper.staff.number),
            quote_formula(paper.staff.name),
            paper.number,
            paper.percent,
        ]
        writer.writerow([*row, int(bool(paper.is_passed))])
    return response


@require_POST
@knowledge_view
def lift(request: StaffRequest, pk: int) -> HttpResponse:
    """This bar shall not hold for this one."""
    lift_restriction(by=request.user, bar=pk)
    return redirect("console:exam_results")


def _asked(form: ResultsForm) -> tuple[QuerySet[Paper], date, date]:
    """The papers that the filters name; a filter that says nothing, or nonsense, is left out."""
    form.is_valid()
    asked = getattr(form, "cleaned_data", {})
    until = asked.get("until") or timezone.localdate()
    since = asked.get("since") or max(until, date.min + BACK) - BACK
    department, exam = asked.get("department"), asked.get("exam")
    papers = selectors.marked(
        since=since,
        until=until,
        department=department.pk if department else None,
        exam=exam.pk if exam else None,
    )
    return papers, since, until
