"""Views of the inbox page. Scripts draw the lists and threads from state that the HTML of the page contains."""

from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET

from accounts.access import may
from accounts.models import PresenceStatus
from chat import access
from console.gate import StaffRequest, open_to, staff_view
from console.inbox.initial_state import initial_state, settings_of
from console.inbox.selectors import today_of
from console.ui_strings import inbox_strings
from exams.selectors import warnings_of


# The BREACH attack does not threaten the CSRF token in this compressed page, because Django masks the token differently
# in every response.
@require_GET
@never_cache
@gzip_page
@open_to("use_console", "use_knowledge")
def inbox(request: StaffRequest) -> HttpResponse:
    """Show the inbox. Staff who do not talk with customers are redirected to the knowledge pages."""
    if not may(request.user, "use_console"):
        return redirect("console:points")
    return _screen(request, "")


@require_GET
@never_cache
@gzip_page
@staff_view
def conversation(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Show the inbox with a conversation open, so that every conversation has its own URL."""
    access.conversation_for(request.user, uuid)
    return _screen(request, str(uuid))


@require_GET
@never_cache
@staff_view
def today(request: StaffRequest) -> HttpResponse:
    """Return an HTML fragment for the top bar with the agent's statistics of today."""
    return render(request, "console/inbox/inbox.html#today", {"today": today_of(request.user)})


@require_GET
@never_cache
@staff_view
def agent_settings(request: StaffRequest) -> HttpResponse:
    """Return the agent's capacity and departments, and the routing policies: they may change while a page is open."""
    return JsonResponse(settings_of(request.user))


def _screen(request: StaffRequest, open_conversation: str) -> HttpResponse:
    state = initial_state(request.user)
    context = {
        "state": state | {"open": open_conversation},
        "ui_strings": inbox_strings(),
        "presences": PresenceStatus.choices,
        "presence": state["presence"],
        "today": today_of(request.user),
        "drills": settings.DRILL_A_DAY > 0,
        "warnings": warnings_of(request.user),
        "day": timezone.localdate(),
    }
    return render(request, "console/inbox/inbox.html", context)
