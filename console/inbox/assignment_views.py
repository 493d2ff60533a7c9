"""Views that take, transfer, end and close conversations, and add notes to them."""

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
from console.gate import StaffRequest, staff_view, status_of
from console.inbox.forms import CloseForm, NoteForm, TransferForm


class ButtonPress(Struct):
    """The JSON body of a button press. Retries have the same `client_id`."""

    client_id: UUID | None = None


@require_POST
@staff_view
def take_next(request: StaffRequest) -> HttpResponse:
    """Assign the first conversation in the queue to the agent; a repeat with the same `client_id` returns the same."""
    is_json = request.content_type == "application/json"
    press = decode_body(request.body if is_json else b"{}", ButtonPress)
    taken = agents.take_next(staff=request.user, client_id=press.client_id)
    return JsonResponse({"conversation": str(taken.uuid)})


@require_POST
@staff_view
def take(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Assign this waiting conversation to the agent, if it is the first or the agent may choose."""
    taken = agents.take(staff=request.user, uuid=uuid)
    return JsonResponse({"conversation": str(taken.uuid)})


@require_POST
@staff_view
def end(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """End a conversation; it stays with the agent in wrap-up."""
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
                agents.transfer_to_agent(staff=request.user, uuid=uuid, to=to, note=note)
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
    """Add a note. A repeat with the same client_id adds nothing.

    If its text differs, the refusal comes with a form that has a new client_id, so that sending it again works.
    """
    conversation = access.conversation_for(request.user, uuid)
    form = NoteForm(request.POST)
    if form.is_valid():
        body, client_id = form.cleaned_data["body"], form.cleaned_data["client_id"]
        try:
            agents.add_note(staff=request.user, uuid=uuid, body=body, client_id=client_id)
            return _done("noted", conversation)
        except ClientIdReused as refusal:
            # The response to the first attempt was lost, and the text was changed since.
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
    """Render the form: empty, or as sent with its errors, so that no text is lost."""
    if refusal is not None:
        form.add_error(None, str(refusal.text))
    context: dict[str, Any] = {"form": form, "conversation": conversation}
    status = 200 if not form.is_bound else status_of(refusal) if refusal else 422
    return render(request, f"console/inbox/_{name}.html", context, status=status)


def _done(action: str, conversation: Conversation) -> HttpResponse:
    """Return an empty response: the socket updates the screen, and the HX-Trigger header closes the dialog."""
    response = HttpResponse(status=204)
    response["HX-Trigger"] = (
        f'{{"console:done": {{"what": "{action}", "conversation": "{conversation.uuid}"}}}}'
    )
    return response
