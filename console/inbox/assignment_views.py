"""Views with which agents take, transfer, end and close conversations, and add notes."""

from typing import Any
from uuid import UUID, uuid4

from django.forms import Form
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from msgspec import Struct

from accounts.models import Staff
from chat import access
from chat.actions import agents
from chat.errors import ClientIdReused, Refusal
from chat.json_bodies import decode_body
from chat.models import Conversation
from console.gate import StaffRequest, staff_view
from console.inbox.forms import CloseForm, NoteForm, TransferForm
from routing.actions import taking


class ButtonPress(Struct):
    """The JSON body of a button's request. A retry of the same press has the same `client_id`."""

    client_id: UUID | None = None


@require_POST
@staff_view
def take_next(request: StaffRequest) -> HttpResponse:
    """Assign the first conversation in the queue to the agent.

    A repeat with the same `client_id` returns the same conversation.
    """
    is_json = request.content_type == "application/json"
    press = decode_body(request.body if is_json else b"{}", ButtonPress)
    taken = taking.take_next(staff=request.user, client_id=press.client_id)
    return JsonResponse({"conversation": str(taken.uuid)})


@require_POST
@staff_view
def take(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Assign a waiting conversation to the agent.

    It must be the first in the queue, unless the agent has the right to choose.
    """
    taken = taking.take(staff=request.user, uuid=uuid)
    return JsonResponse({"conversation": str(taken.uuid)})


@require_POST
@staff_view
def end(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """End a conversation. It stays assigned to the agent for wrap-up."""
    agents.end_conversation(staff=request.user, uuid=uuid)
    return HttpResponse(status=204)


@require_GET
@never_cache
@staff_view
def transfer_form(request: StaffRequest, uuid: UUID) -> HttpResponse:
    conversation = access.conversation_for(request.user, uuid)
    form = TransferForm(staff=request.user, conversation=conversation)
    return _form(request, "transfer", conversation, form)


@require_POST
@staff_view
def transfer(request: StaffRequest, uuid: UUID) -> HttpResponse:
    conversation = access.conversation_for(request.user, uuid)
    form = TransferForm(request.POST, staff=request.user, conversation=conversation)
    if form.is_valid():
        to, note = form.chosen(), form.cleaned_data["note"]
        try:
            if isinstance(to, Staff):
                taking.transfer_to_agent(staff=request.user, uuid=uuid, to=to, note=note)
            else:
                agents.transfer_to_department(staff=request.user, uuid=uuid, to=to, note=note)
            return _done("transferred", conversation)
        except Refusal as refusal:
            return _form(request, "transfer", conversation, form, refusal)
    return _form(request, "transfer", conversation, form)


@require_GET
@never_cache
@staff_view
def close_form(request: StaffRequest, uuid: UUID) -> HttpResponse:
    conversation = access.conversation_for(request.user, uuid)
    return _form(request, "close", conversation, CloseForm(conversation=conversation))


@require_POST
@staff_view
def close(request: StaffRequest, uuid: UUID) -> HttpResponse:
    conversation = access.conversation_for(request.user, uuid)
    form = CloseForm(request.POST, conversation=conversation)
    if form.is_valid():
        code, comment = form.cleaned_data["code"], form.cleaned_data["comment"]
        try:
            agents.close_conversation(staff=request.user, uuid=uuid, code=code, comment=comment)
            return _done("closed", conversation)
        except Refusal as refusal:
            return _form(request, "close", conversation, form, refusal)
    return _form(request, "close", conversation, form)


@require_GET
@never_cache
@staff_view
def note_form(request: StaffRequest, uuid: UUID) -> HttpResponse:
    conversation = access.conversation_for(request.user, uuid)
    return _form(request, "note", conversation, NoteForm(initial={"client_id": uuid4()}))


@require_POST
@staff_view
def note(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Add a note to a conversation. A repeat with the same `client_id` adds nothing.

    A repeat whose text differs is refused. The response then contains the form with the new text and a new `client_id`,
    so that the agent can send it again.
    """
    conversation = access.conversation_for(request.user, uuid)
    form = NoteForm(request.POST)
    if form.is_valid():
        body, client_id = form.cleaned_data["body"], form.cleaned_data["client_id"]
        try:
            agents.add_note(staff=request.user, uuid=uuid, body=body, client_id=client_id)
            return _done("noted", conversation)
        except ClientIdReused as refusal:
            # The response to the first request was lost, and the agent has changed the text since.
            new_form = NoteForm(request.POST.dict() | {"client_id": uuid4()})
            return _form(request, "note", conversation, new_form, refusal)
        except Refusal as refusal:
            return _form(request, "note", conversation, form, refusal)
    return _form(request, "note", conversation, form)


def _form(
    request: StaffRequest,
    name: str,
    conversation: Conversation,
    form: Form,
    refusal: Refusal | None = None,
) -> HttpResponse:
    """Render a form: empty, or with the sent values and the errors, so that no text is lost."""
    if refusal is not None:
        form.add_error(None, str(refusal.text))
    context: dict[str, Any] = {"form": form, "conversation": conversation}
    status = 200 if not form.is_bound else refusal.http_status if refusal else 422
    return render(request, f"console/inbox/_{name}.html", context, status=status)


def _done(action: str, conversation: Conversation) -> HttpResponse:
    """Return an empty response. Its HX-Trigger header closes the dialog, and the socket updates the screen."""
    response = HttpResponse(status=204)
    response["HX-Trigger"] = (
        f'{{"console:done": {{"what": "{action}", "conversation": "{conversation.uuid}"}}}}'
    )
    return response
