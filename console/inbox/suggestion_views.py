"""Knowledge beside the conversation: what is likely the answer, what is looked for, and whether it helped."""

from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from msgspec import Meta, Struct

from chat import access
from chat.errors import BadRequest
from chat.json_bodies import decode_body
from chat.languages import language_of
from console.gate import StaffRequest, staff_view
from knowledge import branch_cards, message_sources, selectors, suggestions, unanswered_questions
from knowledge.actions import use
from knowledge.customer_question import question_in
from knowledge.published_index import published
from knowledge.suggestions import Suggestion

MAX_TYPED = 100


class SuggestionsForm(Struct):
    conversation: UUID


class PointSearchForm(Struct):
    q: Annotated[str, Meta(max_length=MAX_TYPED)]
    conversation: UUID | None = None
    category: int | None = None
    region: int | None = None


class HelpfulForm(Struct):
    source: Annotated[str, Meta(max_length=40)]
    conversation: UUID
    is_helpful: bool


@require_POST
@never_cache
@staff_view
def suggested(request: StaffRequest) -> HttpResponse:
    """JSON `{conversation}`: the three likeliest points for what the visitor has asked last.

    A question that none of them answers is noted as a gap.
    """
    asked = decode_body(request.body, SuggestionsForm)
    conversation = access.conversation_for(request.user, asked.conversation)
    question, seq = question_in(conversation)
    found = suggestions.suggest_for(
        question, language=conversation.language, department=conversation.department_id
    )
    if conversation.agent_id == request.user.pk:
        unanswered_questions.record_question(conversation, seq, found)
    answer = {"seq": seq, "edition": published.edition, "points": [_point(offer) for offer in found]}
    return JsonResponse(answer)


@require_POST
@never_cache
@staff_view
def found_points(request: StaffRequest) -> HttpResponse:
    """JSON `{q, conversation, category, region}`: points and places for what was typed so far."""
    asked = decode_body(request.body, PointSearchForm)
    language, department = language_of(request.LANGUAGE_CODE), None
    if asked.conversation is not None:
        conversation = access.conversation_for(request.user, asked.conversation)
        language, department = conversation.language, conversation.department_id
    found, standing = suggestions.search_for_agent(
        asked.q,
        language=language,
        department=suggestions.department_of(request.user, department),
        categories=None if asked.category is None else selectors.subtree_ids(asked.category),
        region=asked.region,
    )
    answer = {
        "edition": published.edition,
        "points": [_point(offer) for offer in found],
        "places": [branch_cards.card_of(place, language, settings.MAP_URL) for place in standing],
    }
    return JsonResponse(answer)


@require_POST
@staff_view
def judge(request: StaffRequest) -> HttpResponse:
    """JSON `{source, conversation, is_helpful}`: the agent's word on a point."""
    asked = decode_body(request.body, HelpfulForm)
    conversation = access.conversation_for(request.user, asked.conversation)
    version = use.version_of(asked.source)
    if version is None:
        raise BadRequest
    use.judge(version=version, is_helpful=asked.is_helpful, conversation=conversation, by=request.user)
    return JsonResponse({"judged": asked.source})


def _point(offer: Suggestion) -> dict[str, Any]:
    point = offer.point
    return {
        "id": point.pk,
        "key": point.key,
        "source": point.source,
        "title": point.title,
        "passage": offer.passage,
        "matched": offer.matched,
        "text": message_sources.text_of(point.answer, point.links),
        "note": point.note,
        "category": point.category_path,
        "valid_until": point.valid_until.isoformat() if point.valid_until else "",
        "confidence": round(offer.confidence, 3),
    }
