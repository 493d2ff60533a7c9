"""Views of recipients: the customers who were sent an answer made from a knowledge point.

If the point changes, the bank can inform these customers.
"""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import content_disposition_header, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.access import may
from chat.archive.exports import TooManyRows
from console.gate import StaffRequest, open_to
from console.knowledge.forms import RecipientsForm
from knowledge import access
from knowledge.models import Point
from knowledge.recipients import RECIPIENT_COLUMNS, recipients_file
from knowledge.selectors import recipient_counts
from knowledge.selectors_pages import history_of
from knowledge.selectors_recipients import RecipientFilter, recipient_count, recipient_rows, recipients_of

RECIPIENTS_PER_PAGE = 50


@require_GET
@never_cache
@open_to("see_who_was_told")
def recipients(request: StaffRequest, key: str) -> HttpResponse:
    """Show the recipients of a knowledge point. Each request is audited."""
    point = access.recipients_point_for(request.user, key)
    context = _page(request, point)
    audit.record(request.user, "point.told_read", point)
    history = history_of(point)
    context |= {"counts": recipient_counts(point), "history": history, "newest": history[0]}
    return render(request, "console/knowledge/recipients.html", context)


@require_GET
@never_cache
@open_to("see_who_was_told")
def rows(request: StaffRequest, key: str) -> HttpResponse:
    """Return an HTML fragment with more rows of the list of recipients."""
    point = access.recipients_point_for(request.user, key)
    audit.record_once_a_day(request.user, "point.told_read", point)
    return render(request, "console/knowledge/recipients.html#rows", _page(request, point))


@require_GET
@never_cache
@open_to("see_who_was_told")
def export(request: StaffRequest, key: str) -> HttpResponse:
    """Return the filtered recipients as a CSV file. Each export is audited."""
    point = access.recipients_point_for(request.user, key)
    form = _form(request, point)
    if not form.is_valid():
        return render(request, "console/knowledge/recipients.html", _page(request, point), status=422)
    try:
        data, count = recipients_file(point, _filter(form))
    except TooManyRows as error:
        context = _page(request, point) | {"problem": str(error), "counts": {}, "history": []}
        return render(request, "console/knowledge/recipients.html", context, status=422)
    audit.record(request.user, "point.told_exported", point, count=count)
    response = HttpResponse(data, content_type="text/csv; charset=utf-8")
    name = f"{point.key}-{timezone.localtime():%Y%m%d-%H%M}.csv"
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _form(request: StaffRequest, point: Point) -> RecipientsForm:
    return RecipientsForm(
        request.GET, numbers=point.versions.order_by("-number").values_list("number", flat=True)
    )


def _filter(form: RecipientsForm) -> RecipientFilter:
    return RecipientFilter(**form.cleaned_data)


def _page(request: StaffRequest, point: Point) -> dict[str, Any]:
    form = _form(request, point)
    context: dict[str, Any] = {
        "point": point,
        "form": form,
        "columns": RECIPIENT_COLUMNS,
        # Staff who cannot use the console, such as auditors, get links to the records in admin instead.
        "in_console": may(request.user, "use_console"),
    }
    if form.is_valid():
        filters = _filter(form)
        messages = list(recipients_of(point, filters)[: RECIPIENTS_PER_PAGE + 1])
        context["rows"] = recipient_rows(messages[:RECIPIENTS_PER_PAGE])
        before = messages[RECIPIENTS_PER_PAGE - 1].pk if len(messages) > RECIPIENTS_PER_PAGE else None
        context["next"], context["next_query"] = before, _next_query(form, before)
        context["people"] = recipient_count(point, filters)
    return context


def _next_query(form: RecipientsForm, before: int | None) -> str:
    """Return the query string of the next page: the filters as they were sent, and the id of the last message shown."""
    values = {name: form[name].value() or "" for name in ("version", "since", "until")}
    if form["known"].value():
        values["known"] = "on"
    return urlencode(values | {"before": before or ""})
