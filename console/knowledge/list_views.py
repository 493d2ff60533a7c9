"""Views of the list of knowledge points: filters, search, and the editor's to-do list."""

from typing import Any, cast

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import may
from console.gate import StaffRequest, open_to
from console.knowledge.forms import PointsForm
from knowledge.models import Point
from knowledge.published_index import published
from knowledge.selectors_pages import editor_tasks, list_rows, points_for

POINTS_PER_PAGE = 40


@require_GET
@never_cache
@open_to("use_knowledge")
def points(request: StaffRequest) -> HttpResponse:
    """Show the list of knowledge points, filtered by query parameters.

    Search words are sent by POST, never in an address, because they may be a customer's words.
    """
    parameters = request.GET.copy()
    parameters.pop("q", None)
    context = _list_context(request, parameters)
    if may(request.user, "edit_points"):
        context["tasks"] = editor_tasks(request.user)
    return render(request, "console/knowledge/points.html", context)


@require_POST
@never_cache
@open_to("use_knowledge")
def search(request: StaffRequest) -> HttpResponse:
    context = _list_context(request, request.POST)
    if request.htmx:
        return render(request, "console/knowledge/points.html#found", context)
    if may(request.user, "edit_points"):
        context["tasks"] = editor_tasks(request.user)
    return render(request, "console/knowledge/points.html", context)


def _list_context(request: StaffRequest, parameters: QueryDict) -> dict[str, Any]:
    is_editor = may(request.user, "edit_points")
    form = PointsForm(parameters, staff=request.user)
    context: dict[str, Any] = {"form": form, "is_editor": is_editor}
    if is_editor and settings.LEARNING:
        context["learning"] = published.current().unlearned()
    if form.is_valid():
        pages = Paginator(points_for(request.user, form.wanted()), POINTS_PER_PAGE)
        page = pages.get_page(form.cleaned_data["page"])
        context |= {
            "page": page,
            "rows": list_rows(cast("QuerySet[Point]", page.object_list), is_editor),
            "count": pages.count,
        }
        context["numbers"] = pages.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return context
