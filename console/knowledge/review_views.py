"""What use has taught: phrasings that wait for an editor's word, and questions that no point answers."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from console.gate import StaffRequest, open_to
from knowledge import access, suggestions
from knowledge.actions.editing import answer_unanswered, dismiss_unanswered
from knowledge.actions.phrasings import judge_phrasing
from knowledge.selectors import suggested_phrasings
from knowledge.selectors_pages import open_unanswered

ITEMS_PER_PAGE = 30
MAX_SUGGESTIONS = 8


@require_GET
@never_cache
@open_to("edit_points")
def phrasings(request: StaffRequest) -> HttpResponse:
    """The suggested ones, most frequent first; `point` in the query: of this one."""
    found = suggested_phrasings()
    key = request.GET.get("point", "")
    if key:
        found = found.filter(point=access.point_for(request.user, key))
    page = Paginator(found, ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "console/knowledge/phrasings.html", {"page": page, "key": key})


@require_POST
@open_to("edit_points")
def judge(request: StaffRequest, pk: int) -> HttpResponse:
    """`accept` in the form, or not: the phrasing helps to find the point from now on, or is not offered again."""
    judge_phrasing(by=request.user, phrasing=pk, is_accepted="accept" in request.POST)
    return HttpResponse() if request.htmx else redirect("console:phrasings")


@require_GET
@never_cache
@open_to("edit_points")
def unanswered_questions(request: StaffRequest) -> HttpResponse:
    """The open questions, those asked most first, each with examples and the way to the conversations I may read."""
    page = Paginator(open_unanswered(), ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "readable": access.readable_examples(request.user, page.object_list)}
    return render(request, "console/knowledge/unanswered_questions.html", context)


@require_POST
@never_cache
@open_to("edit_points")
def suggested_points(request: StaffRequest, pk: int) -> HttpResponse:
    """Points that may answer the gap, by words. By a POST: they are a customer's."""
    words, language = request.POST.get("q", "")[:200], request.POST.get("language", "zh")
    found, _places = suggestions.search_for_agent(words, language=language, limit=MAX_SUGGESTIONS)
    context: dict[str, Any] = {"offers": found, "gap": pk}
    return render(request, "console/knowledge/unanswered_questions.html#offered", context)


@require_POST
@open_to("edit_points")
def settle_question(request: StaffRequest, pk: int) -> HttpResponse:
    """With a `point`'s key: it belongs to that one, and its questions become phrasings; without: it needs none."""
    key = request.POST.get("point", "")
    if key:
        answer_unanswered(
            by=request.user, gap=pk, point=access.point_for(request.user, key), with_questions=True
        )
    else:
        dismiss_unanswered(by=request.user, gap=pk)
    if request.htmx:
        return HttpResponse()
    return redirect(reverse("console:gaps"))
