"""Views that explain an assignment: why an agent got a conversation, and who reassigned it last."""

from uuid import UUID

import msgspec
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import AuditEntry
from chat import access
from chat.models import Conversation
from chat.protocol import serializers
from console.gate import StaffRequest, staff_view
from routing.models import Offer

REASSIGNMENTS = ("conversation.assigned", "conversation.transferred", "conversation.returned")


@require_GET
@never_cache
@staff_view
def explanation(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Return a dialog that explains the open offer of the conversation, or otherwise its last assignment."""
    conversation = access.conversation_for(request.user, uuid)
    offered = Offer.objects.filter(conversation=conversation, outcome=Offer.Outcome.OPEN)
    offer = offered.select_related("agent").first()
    assignments = conversation.assignments.select_related("agent", "by").order_by("-id")
    assignment = None if offer else assignments.first()
    context = {"conversation": conversation, "offer": offer, "assignment": assignment}
    return render(request, "console/inbox/_explanation.html", context)


@require_GET
@never_cache
@staff_view
def reassignment(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Return a conversation's `Row`, and the person who last assigned or transferred it: null for the router."""
    conversation = access.conversation_for(request.user, uuid)
    entries = AuditEntry.objects.filter(object_id=str(uuid), verb__in=REASSIGNMENTS).select_related("actor")
    last = entries.order_by("-id").first()
    by = serializers.person_of(last.actor) if last and last.actor else None
    row = serializers.rows_in(Conversation.objects.filter(pk=conversation.pk))[0]
    return JsonResponse(msgspec.to_builtins({"row": row, "by": by}))
