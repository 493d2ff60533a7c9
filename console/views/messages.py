"""What an agent sends."""

import logging
from concurrent.futures import TimeoutError as NotInTime
from typing import Annotated
from uuid import UUID

import msgspec
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST
from msgspec import Meta, Struct

from chat.actions.replies import make_answer
from chat.errors import BadRequest, Refusal, Unavailable
from chat.protocol import MAX_BODY_CHARACTERS, with_whole_characters
from chat.writer import writer
from console.gate import StaffRequest, refused, staff_view

logger = logging.getLogger(__name__)

WRITER_SECONDS = 8


class Answer(Struct):
    client_id: UUID
    # Longer than may be sent, so that "too long" is said in words and not as a bad request.
    body: Annotated[str, Meta(max_length=MAX_BODY_CHARACTERS * 5)]
    choices: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=10)] = []


@require_POST
@staff_view
def post_message(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """JSON `{client_id, body, choices}`; the answer is `{"accepted": {...}}`, the same again for a repeat."""
    try:
        text = with_whole_characters(request.body.decode())
        answer = msgspec.json.decode(text, type=Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return refused(request, BadRequest())
    client_id = str(answer.client_id)
    try:
        post = make_answer(
            staff=request.user,
            uuid=uuid,
            client_id=answer.client_id,
            body=answer.body,
            choices=answer.choices,
        )
        outcome = writer.post(post).result(WRITER_SECONDS)
    except Refusal as refusal:
        return refused(request, refusal, client_id)
    except NotInTime:
        # It may still be stored; the same client_id asks again, and gets the same answer then.
        logger.warning("the writer did not answer in %d s", WRITER_SECONDS)
        return refused(request, Unavailable(), client_id)
    if isinstance(outcome, Refusal):
        return refused(request, outcome, client_id)
    return JsonResponse({"accepted": msgspec.to_builtins(outcome)})
