"""Views of one conversation: its thread of messages, and the card with data about the customer."""

from uuid import UUID

import msgspec
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from chat import access, canned_replies
from chat.archive.reading_audit import audit_first_glance, audit_reading
from chat.models import Conversation, Status
from chat.protocol import serializers
from chat.selectors import page_of, parse_seq
from console.gate import StaffRequest, staff_view
from console.inbox import selectors
from knowledge.selectors import shown_in

TRANSCRIPT_PAGE = 500


@require_GET
@never_cache
@staff_view
def thread(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Return a conversation as JSON: its `Row`, its notes, and the values for placeholders in canned replies.

    The messages are included only if the conversation is closed; otherwise they arrive over the socket. The query
    parameter `after` requests the page of messages after that seq. `chat.archive.reading_audit` decides whether the
    reading is audited.
    """
    conversation = access.conversation_for(request.user, uuid)
    answer = {
        "row": serializers.rows_in(Conversation.objects.filter(pk=conversation.pk))[0],
        "notes": selectors.notes_of(conversation),
        "values": canned_replies.values_for(conversation, request.user),
        "messages": None,
    }
    audit_reading(request.user, conversation, where="console")
    if conversation.status == Status.CLOSED:
        after = parse_seq(request.GET.get("after", ""))
        answer["messages"] = page_of(conversation, after, TRANSCRIPT_PAGE)
    return JsonResponse(msgspec.to_builtins(answer))


@require_GET
@never_cache
@staff_view
def card(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Return the customer's card: name, level of identification, form answers and earlier conversations."""
    conversation = access.conversation_for(request.user, uuid)
    audit_first_glance(request.user, conversation, where="card")
    context = {
        "conversation": conversation,
        "answers": selectors.answers_of(conversation),
        "earlier": selectors.earlier_of(request.user, conversation),
        "shown": shown_in(conversation),
    }
    return render(request, "console/inbox/_customer_card.html", context)
