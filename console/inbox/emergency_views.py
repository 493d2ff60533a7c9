"""Views with which agents raise an emergency, and supervisors confirm or lower one."""

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from console.gate import StaffRequest, staff_view
from routing.actions import emergencies


@require_POST
@staff_view
def raise_emergency(request: StaffRequest, uuid: UUID) -> HttpResponse:
    emergencies.raise_by_hand(staff=request.user, uuid=uuid)
    return HttpResponse(status=204)


@require_POST
@staff_view
def confirm_emergency(request: StaffRequest, uuid: UUID) -> HttpResponse:
    emergencies.confirm(staff=request.user, uuid=uuid)
    return HttpResponse(status=204)


@require_POST
@staff_view
def lower_emergency(request: StaffRequest, uuid: UUID) -> HttpResponse:
    emergencies.lower(staff=request.user, uuid=uuid)
    return HttpResponse(status=204)
