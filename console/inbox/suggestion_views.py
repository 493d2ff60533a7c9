"""Views for the knowledge panel beside a conversation: suggested points, search, and feedback on a point."""

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
from chat.protocol import Seq
from console.gate import StaffRequest, staff_view
from knowledge import branch_cards, message_sources, selectors, suggestions, unanswered_questions
from knowledge.actions import point_use
from knowledge.customer_question import question_in
from knowledge.published_index import published
from knowledge.suggestions import Suggestion

MAX_TYPED = 100


class SuggestionsForm(Struct):
    conversation: UUID
    edition: Seq = 0


class PointSearchForm(Struct):
    q: Annotated[str, Meta(max_length=MAX_TYPED)]
    conversation: UUID | None = None
    category: int | None = None
    region: int | None = None
    edition: Seq = 0


class HelpfulForm(Struct):
    source: Annotated[str, Meta(max_length=40)]
    conversation: UUID
    is_helpful: bool


@require_POST
@never_cache
@staff_view
def suggested(request: StaffRequest) -> HttpResponse:
    """Return at most three knowledge points, those that most likely answer the visitor's last question.

    The request body is JSON `{conversation, edition}`. The answer comes from that edition of the published index or
    from a newer one. If the conversation is assigned to the agent and no point answers the question, the question is
    recorded as unanswered.
    """
    form = decode_body(request.body, SuggestionsForm)
    edition = published.current(form.edition).edition
    conversation = access.conversation_for(request.user, form.conversation)
    question, seq = question_in(conversation)
    suggested_points = suggestions.suggest_for(
        question, language=conversation.language, department=conversation.department_id
    )
    if conversation.agent_id == request.user.pk:
        unanswered_questions.record_question(conversation, seq, suggested_points)
    answer = {
        "seq": seq,
        "edition": edition,
        "points": [_point(suggestion) for suggestion in suggested_points],
    }
    return JsonResponse(answer)


@require_POST
@never_cache
@staff_view
def found_points(request: StaffRequest) -> HttpResponse:
    """Return the knowledge points and branches that match the text typed so far.

    The request body is JSON `{q, conversation, category, region, edition}`. The answer comes from that edition of the
    published index or from a newer one.
    """
    form = decode_body(request.body, PointSearchForm)
    edition = published.current(form.edition).edition
    language, department = language_of(request.LANGUAGE_CODE), None
    if form.conversation is not None:
        conversation = access.conversation_for(request.user, form.conversation)
        language, department = conversation.language, conversation.department_id
    suggested_points, branches = suggestions.search_for_agent(
        form.q,
        language=language,
        department=suggestions.department_of(request.user, department),
        categories=None if form.category is None else selectors.subtree_ids(form.category),
        region=form.region,
    )
    answer = {
        "edition": edition,
        "points": [_point(suggestion) for suggestion in suggested_points],
        "places": [branch_cards.card_of(branch, language, settings.MAP_URL) for branch in branches],
    }
    return JsonResponse(answer)


@require_POST
@staff_view
def judge(request: StaffRequest) -> HttpResponse:
    """Store the agent's feedback on a knowledge point. The request body is JSON `{source, conversation,
    is_helpful}`."""
    form = decode_body(request.body, HelpfulForm)
    conversation = access.conversation_for(request.user, form.conversation)
    version = point_use.version_of(form.source)
    if version is None:
        raise BadRequest
    point_use.record_agent_feedback(
        version=version, is_helpful=form.is_helpful, conversation=conversation, by=request.user
    )
    return JsonResponse({"judged": form.source})


def _point(suggestion: Suggestion) -> dict[str, Any]:
    point = suggestion.point
    return {
        "id": point.pk,
        "key": point.key,
        "source": point.source,
        "title": point.title,
        "passage": suggestion.passage,
        "matched": suggestion.matched,
        "text": message_sources.message_text(point.answer, point.links),
        "note": point.note,
        "category": point.category_path,
        "valid_until": point.valid_until.isoformat() if point.valid_until else "",
        "confidence": round(suggestion.confidence, 3),
    }
