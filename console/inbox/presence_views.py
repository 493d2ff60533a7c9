"""The view with which staff set their presence: online, busy, on a break, away or offline."""

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from accounts.models import PresenceStatus
from chat.actions.presence import set_presence
from chat.errors import BadRequest
from console.gate import StaffRequest, staff_view
from console.inbox.forms import PresenceForm


@require_POST
@staff_view
def presence(request: StaffRequest) -> HttpResponse:
    form = PresenceForm(request.POST)
    if not form.is_valid():
        raise BadRequest
    status = PresenceStatus(form.cleaned_data["status"])
    set_presence(staff=request.user, status=status)
    return JsonResponse({"presence": status})
