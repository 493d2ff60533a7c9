"""Views of the supervisor's board: the page, its live part, the dialogs, and the actions of a supervisor."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import actions
from accounts.models import PresenceStatus, Staff
from chat.actions.presence import set_presence_of
from chat.errors import BadRequest, Refusal
from console.board import selectors
from console.board.forms import AgentForm
from console.gate import StaffRequest, open_to
from console.ui_strings import board_strings

board_view = open_to("see_all_conversations")


@require_GET
@never_cache
@board_view
def board(request: StaffRequest) -> HttpResponse:
    context = {"board": selectors.board(), "ui_strings": board_strings()}
    return render(request, "console/board/board.html", context)


@require_GET
@never_cache
@board_view
def now(request: StaffRequest) -> HttpResponse:
    """Return the live part of the board as an HTML fragment."""
    return render(request, "console/board/board.html#now", {"board": selectors.board()})


@require_GET
@never_cache
@board_view
def department(request: StaffRequest, pk: int) -> HttpResponse:
    """Return a dialog with the first waiting conversations of a department."""
    shown = selectors.department_by_id(pk)
    context = {"department": shown, "waiting": selectors.waiting_in(shown), "now": timezone.now()}
    return render(request, "console/board/_department.html", context)


@require_GET
@never_cache
@board_view
def agent(request: StaffRequest, pk: int) -> HttpResponse:
    """Return a dialog with an agent's state, settings and conversations."""
    staff = selectors.agent_by_id(pk)
    return _agent_dialog(request, staff, AgentForm(staff=staff))


@require_POST
@board_view
def set_presence(request: StaffRequest, pk: int) -> HttpResponse:
    status = request.POST.get("status", "")
    if status not in PresenceStatus.values:
        raise BadRequest
    staff = selectors.agent_by_id(pk)
    try:
        set_presence_of(by=request.user, staff=staff, status=PresenceStatus(status))
    except Refusal as refusal:
        return _agent_dialog(request, staff, AgentForm(staff=staff), refusal)
    return _done()


@require_POST
@board_view
def change_agent(request: StaffRequest, pk: int) -> HttpResponse:
    """Store an agent's capacity, departments and skills."""
    staff = selectors.agent_by_id(pk)
    form = AgentForm(request.POST, staff=staff)
    if not form.is_valid():
        return _agent_dialog(request, staff, form)
    staff.capacity = form.cleaned_data["capacity"]
    # Keep the departments that are out of use, because the form does not offer them.
    unlisted = staff.departments.filter(is_active=False)
    departments = [*form.cleaned_data["departments"], *unlisted]
    actions.change_agent(by=request.user, staff=staff, departments=departments, levels=form.levels())
    return _done()


def _agent_dialog(
    request: StaffRequest, staff: Staff, form: AgentForm, refusal: Refusal | None = None
) -> HttpResponse:
    status, since = selectors.state_of(staff)
    context: dict[str, Any] = {
        "agent": staff,
        "status": status,
        "since": since,
        "states": selectors.STATES,
        "conversations": selectors.conversations_of(staff),
        "form": form,
        "refusal": refusal,
    }
    code = refusal.http_status if refusal else 422 if form.is_bound else 200
    return render(request, "console/board/_agent.html", context, status=code)


def _done() -> HttpResponse:
    """Return an empty response. Its HX-Trigger header closes the dialog and draws the board again."""
    response = HttpResponse(status=204)
    response["HX-Trigger"] = '{"console:done": {"what": "board"}}'
    return response
