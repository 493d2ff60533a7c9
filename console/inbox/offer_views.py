"""Views with which agents read, accept and decline the offers that the router makes to them."""

from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from chat import access
from console.gate import StaffRequest, staff_view
from routing.actions import offers
from routing.models import Offer


@require_GET
@never_cache
@staff_view
def offer(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Return the rule by which the router offers a conversation to the agent, or "" if it does not."""
    conversation = access.conversation_for(request.user, uuid)
    open_offers = Offer.objects.filter(
        conversation=conversation, agent=request.user, outcome=Offer.Outcome.OPEN
    )
    explanation = open_offers.values_list("explanation", flat=True).first() or {}
    return JsonResponse({"rule": explanation.get("rule", "")})


@require_POST
@staff_view
def accept(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Assign an offered conversation to the agent. A repeat returns the same conversation."""
    accepted = offers.accept(staff=request.user, uuid=uuid)
    return JsonResponse({"conversation": str(accepted.uuid)})


@require_POST
@staff_view
def decline(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Decline an offer, so that the router offers the conversation to the next agent. A repeat does nothing."""
    offers.decline(staff=request.user, uuid=uuid)
    return HttpResponse(status=204)
