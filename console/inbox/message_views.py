"""The view that posts an agent's message."""

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
from console.gate import StaffRequest, refusal_response, staff_view
from knowledge import message_sources
from knowledge.actions import point_use
from knowledge.customer_question import question_in
from knowledge.errors import OutOfDate
from knowledge.models import Version

logger = logging.getLogger(__name__)

WRITER_TIMEOUT_SECONDS = 8


class AgentPost(Struct):
    client_id: UUID
    # The lengths are not limited here: `make_answer` first removes the white space around these texts, and then refuses
    # texts that are too long.
    body: str
    choices: Annotated[list[str], Meta(max_length=10)] = []
    # The `source` of the knowledge point or branch from which the message was made, or "".
    source: Annotated[str, Meta(max_length=40)] = ""


@require_POST
@staff_view
def post_message(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Post an agent's message and return JSON `{"accepted": {...}}`.

    The request body is JSON `{client_id, body, choices, source}`. A repeat with the same `client_id` gets the same
    response.
    """
    try:
        agent_post = decode_body(request.body, AgentPost)
    except Refusal as refusal:
        return refusal_response(request, refusal, head_of(request.body).id)
    client_id = str(agent_post.client_id)
    try:
        version = _version_of(uuid, agent_post)
        message_post = make_answer(
            staff=request.user,
            uuid=uuid,
            client_id=agent_post.client_id,
            body=agent_post.body,
            choices=agent_post.choices,
            source=agent_post.source,
            card="place" if message_sources.branch_edition_in(agent_post.source) else "",
        )
        outcome = writer.post(message_post).result(WRITER_TIMEOUT_SECONDS)
    except Refusal as refusal:
        return refusal_response(request, refusal, client_id)
    except NotInTime:
        # The writer may still store the message. A retry with the same client_id then gets the `accepted` response.
        logger.warning("the writer did not answer within %d s", WRITER_TIMEOUT_SECONDS)
        return refusal_response(request, Unavailable(), client_id)
    if isinstance(outcome, Refusal):
        return refusal_response(request, outcome, client_id)
    if version is not None:
        _record_use(request, uuid, agent_post, version, outcome)
    return JsonResponse({"accepted": msgspec.to_builtins(outcome)})


def _version_of(uuid: UUID, post: AgentPost) -> Version | None:
    """Return the version of the knowledge point from which the message was made, or None if it was not made from a
    point.

    Raises BadRequest for an invalid source, and OutOfDate if the version is no longer current. If such a message is
    already stored, the result is None instead.
    """
    if post.source and not (
        message_sources.point_version_in(post.source) or message_sources.branch_edition_in(post.source)
    ):
        # Reject an invalid source here, because the writer stores the message in one batch with messages of other
        # people.
        raise BadRequest
    try:
        return point_use.require_current(post.source)
    except OutOfDate:
        if Message.objects.filter(conversation__uuid=uuid, client_id=post.client_id).exists():
            return None
        raise


def _record_use(
    request: StaffRequest, uuid: UUID, post: AgentPost, version: Version, accepted: AcceptedFrame
) -> None:
    """Record that the knowledge point was used, for statistics and learning. A database error is only logged, because
    the message is already stored."""
    try:
        conversation = access.conversation_for(request.user, uuid)
        question, _seq = question_in(conversation, before=accepted.seq)
        point_text = message_sources.message_text(version.answer, version.links)
        point_use.record_use(
            by=request.user,
            version=version,
            conversation=conversation,
            seq=accepted.seq,
            question=question,
            is_edited=post.body != point_text,
        )
    except DatabaseError as error:
        logger.warning("the use of a point was not recorded: %s", type(error).__name__)
