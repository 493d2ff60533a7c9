"""Views of the search in conversations and their messages."""

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from chat import access
from chat.archive.search import search_messages
from chat.models import Conversation
from console.gate import StaffRequest, staff_view
from console.search.forms import SearchForm
from core.date_ranges import end_of, start_of

HITS_PER_PAGE = 30


@require_GET
@never_cache
@staff_view
def search(request: StaffRequest) -> HttpResponse:
    """Show the empty search form.

    Search words may be a customer's name or number, so they are sent by POST, never in an address.
    """
    return render(request, "console/search/search.html", {"form": SearchForm()})


@require_POST
@never_cache
@staff_view
def results(request: StaffRequest) -> HttpResponse:
    """Show search results, newest first.

    With search words, the results are messages that contain the words. Without words, they are the conversations that
    match the filters.
    """
    form = SearchForm(request.POST)
    context: dict[str, object] = {"form": form, "is_asked": True}
    if form.is_valid():
        conversations = _filtered(request, form)
        words, before = form.cleaned_data["q"].strip(), form.cleaned_data["before"]
        if words:
            page = search_messages(conversations, words, before, HITS_PER_PAGE)
            context["hits"], context["next"] = page.hits, page.before
        else:
            page_rows = _newest(conversations, before)
            context["conversations"] = page_rows[:HITS_PER_PAGE]
            context["next"] = page_rows[HITS_PER_PAGE - 1].pk if len(page_rows) > HITS_PER_PAGE else None
        filters = sorted(
            name for name, value in form.cleaned_data.items() if value and name not in ("q", "before")
        )
        audit.record(request.user, "conversations.searched", None, length=len(words), filters=filters)
    template = "console/search/search.html#results" if request.htmx else "console/search/search.html"
    return render(request, template, context, status=200 if form.is_valid() else 422)


def _filtered(request: StaffRequest, form: SearchForm) -> QuerySet[Conversation]:
    conversations = access.visible_to(request.user)
    chosen = form.cleaned_data
    if chosen["mine"]:
        conversations = conversations.filter(
            Q(agent=request.user) | Q(pk__in=request.user.assignments.values("conversation"))
        )
    if chosen["department"]:
        conversations = conversations.filter(department=chosen["department"])
    if chosen["agent"]:
        conversations = conversations.filter(agent=chosen["agent"])
    if chosen["since"]:
        conversations = conversations.filter(started_at__gte=start_of(chosen["since"]))
    if chosen["until"]:
        conversations = conversations.filter(started_at__lt=end_of(chosen["until"]))
    return conversations


def _newest(conversations: QuerySet[Conversation], before: int | None) -> list[Conversation]:
    if before is not None:
        conversations = conversations.filter(pk__lt=before)
    return list(
        conversations.select_related("visitor", "agent", "department", "wrap_up_code", "rating").order_by(
            "-id"
        )[: HITS_PER_PAGE + 1]
    )
