"""What an agent sends."""

import logging
from concurrent.futures import TimeoutError as NotInTime
from typing import Annotated
from uuid import UUID

import msgspec
from django.db import DatabaseError
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST
from msgspec import Meta, Struct

from chat import access
from chat.actions.canned_replies import make_answer
from chat.errors import BadRequest, Refusal, Unavailable
from chat.json_bodies import decode_body
from chat.models import Message
from chat.protocol import AcceptedFrame, head_of
from chat.realtime.writer import writer
from console.gate import StaffRequest, refused, staff_view
from knowledge import message_sources
from knowledge.actions import use
from knowledge.customer_question import question_in
from knowledge.errors import OutOfDate
from knowledge.models import Version

logger = logging.getLogger(__name__)

WRITER_SECONDS = 8


class AgentPost(Struct):
    client_id: UUID
    # `make_answer` says how long these may be, without the white space around them.
    body: str
    choices: Annotated[list[str], Meta(max_length=10)] = []
    # What it was made from, when it was: `source` of a knowledge point or a place.
    source: Annotated[str, Meta(max_length=40)] = ""


@require_POST
@staff_view
def post_message(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """JSON `{client_id, body, choices, source}`; the answer is `{"accepted": {...}}`, the same again for a repeat."""
    try:
        answer = decode_body(request.body, AgentPost)
    except Refusal as refusal:
        return refused(request, refusal, head_of(request.body).id)
    client_id = str(answer.client_id)
    try:
        version = _version_of(uuid, answer)
        post = make_answer(
            staff=request.user,
            uuid=uuid,
            client_id=answer.client_id,
            body=answer.body,
            choices=answer.choices,
            source=answer.source,
            card="place" if message_sources.place_in(answer.source) else "",
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
    if version is not None:
        _note_use(request, uuid, answer, version, outcome)
    return JsonResponse({"accepted": msgspec.to_builtins(outcome)})


def _version_of(uuid: UUID, answer: AgentPost) -> Version | None:
    """The version that it was made from. Raises BadRequest, and OutOfDate unless it was accepted before."""
    if answer.source and not (
        message_sources.named_in(answer.source) or message_sources.place_in(answer.source)
    ):
        # It is stored with the message, in one batch with those of others: nothing that is no source of ours goes in.
        raise BadRequest
    try:
        return use.require_current(answer.source)
    except OutOfDate:
        if Message.objects.filter(conversation__uuid=uuid, client_id=answer.client_id).exists():
            return None
        raise


def _note_use(
    request: StaffRequest, uuid: UUID, answer: AgentPost, version: Version, accepted: AcceptedFrame
) -> None:
    """For counting and learning only: the message itself keeps its source, and is sent whatever happens here."""
    try:
        conversation = access.conversation_for(request.user, uuid)
        question, _seq = question_in(conversation, before=accepted.seq)
        told = message_sources.text_of(version.answer, version.links)
        use.record_use(
            by=request.user,
            version=version,
            conversation=conversation,
            seq=accepted.seq,
            question=question,
            is_edited=answer.body != told,
        )
    except DatabaseError as error:
        logger.warning("the use of a point was not noted: %s", type(error).__name__)
