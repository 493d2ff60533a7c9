"""Views of exam results for supervisors.

They show results by examinee, month and category, often missed points, and queue restrictions.
"""

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

DEFAULT_PERIOD = timedelta(days=180)
MAX_LATEST_PAPERS = 50


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
    papers, since, until = _filtered_papers(form)
    charts = [
        (_("By examinee"), _("lowest first"), bar_chart(selectors.by_examinee(papers)), _("papers")),
        (_("By month"), "", bar_chart(selectors.by_month(papers)), _("papers")),
        (_("By category"), _("lowest first"), bar_chart(selectors.by_category(papers)), _("answers")),
    ]
    query = {name: str(value) for name, value in request.GET.items() if value}
    context = {
        "tab": "results",
        "form": form,
        "since": since,
        "until": until,
        "charts": charts,
        "missed": selectors.most_missed(papers),
        "latest": papers.select_related("exam", "staff").order_by("-submitted_at")[:MAX_LATEST_PAPERS],
        "restrictions": list(selectors.active_restrictions()[:200]),
        "today": timezone.localdate(),
        "query": urlencode(query),
    }
    return render(request, "console/exams/results.html", context)


@require_GET
@never_cache
@knowledge_view
def results_table(request: StaffRequest) -> HttpResponse:
    """Return the filtered papers as a CSV file, with one row for each paper and at most MAX_ROWS rows. Values that a
    spreadsheet program could run as formulas are quoted."""
    require(request.user, "see_exam_results")
    papers, since, until = _filtered_papers(ResultsForm(request.GET))
    audit.record(request.user, "exam.results_exported", None, since=str(since), until=str(until))
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="exams-{since}-{until}.csv"'
    # Write a byte order mark, because Excel reads the file as UTF-8 only with it.
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
    """Lift a queue restriction, so that the agent may take conversations without having passed the exam."""
    lift_restriction(by=request.user, restriction=pk)
    return redirect("console:exam_results")


def _filtered_papers(form: ResultsForm) -> tuple[QuerySet[Paper], date, date]:
    """Return the papers that match the filters, and the first and last day of the period.

    Invalid filters are ignored.
    """
    form.is_valid()
    filters = getattr(form, "cleaned_data", {})
    until = filters.get("until") or timezone.localdate()
    since = filters.get("since") or max(until, date.min + DEFAULT_PERIOD) - DEFAULT_PERIOD
    department, exam = filters.get("department"), filters.get("exam")
    papers = selectors.marked_papers(
        since=since,
        until=until,
        department=department.pk if department else None,
        exam=exam.pk if exam else None,
    )
    return papers, since, until
