"""Views with which editors review suggested phrasings and unanswered questions."""

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
from knowledge.actions.phrasings import review_phrasing
from knowledge.selectors import suggested_phrasings
from knowledge.selectors_pages import open_unanswered

ITEMS_PER_PAGE = 30
MAX_SUGGESTIONS = 8


@require_GET
@never_cache
@open_to("edit_points")
def phrasings(request: StaffRequest) -> HttpResponse:
    """Show the suggested phrasings, most frequent first.

    The query parameter `point` limits the list to one point.
    """
    suggested = suggested_phrasings()
    key = request.GET.get("point", "")
    if key:
        suggested = suggested.filter(point=access.point_for(request.user, key))
    page = Paginator(suggested, ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "console/knowledge/phrasings.html", {"page": page, "key": key})


@require_POST
@open_to("edit_points")
def judge(request: StaffRequest, pk: int) -> HttpResponse:
    """Accept or decline a suggested phrasing.

    With the form field `accept`, the phrasing is accepted and helps to find the point. Otherwise it is declined and not
    suggested again.
    """
    review_phrasing(by=request.user, phrasing=pk, is_accepted="accept" in request.POST)
    return HttpResponse() if request.htmx else redirect("console:phrasings")


@require_GET
@never_cache
@open_to("edit_points")
def unanswered_questions(request: StaffRequest) -> HttpResponse:
    """Show the unanswered questions, most frequent first, with links to the conversations that the editor may read."""
    page = Paginator(open_unanswered(), ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "readable": access.readable_examples(request.user, page.object_list)}
    return render(request, "console/knowledge/unanswered_questions.html", context)


@require_POST
@never_cache
@open_to("edit_points")
def suggested_points(request: StaffRequest, pk: int) -> HttpResponse:
    """Return the points that may answer an unanswered question.

    The search words are sent by POST, because they are a customer's words.
    """
    words, language = request.POST.get("q", "")[:200], request.POST.get("language", "zh")
    points, _places = suggestions.search_for_agent(words, language=language, limit=MAX_SUGGESTIONS)
    context: dict[str, Any] = {"suggestions": points, "unanswered_id": pk}
    return render(request, "console/knowledge/unanswered_questions.html#offered", context)


@require_POST
@open_to("edit_points")
def settle_question(request: StaffRequest, pk: int) -> HttpResponse:
    """Settle an unanswered question.

    With the form field `point`, the texts of the question become phrasings of that point. Otherwise the question is
    dismissed.
    """
    key = request.POST.get("point", "")
    if key:
        answer_unanswered(
            by=request.user, gap=pk, point=access.point_for(request.user, key), with_questions=True
        )
    else:
        dismiss_unanswered(by=request.user, gap=pk)
    if request.htmx:
        return HttpResponse()
    return redirect(reverse("console:unanswered_questions"))
