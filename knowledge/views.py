"""Endpoints of the widget: answers suggested while a visitor waits, and the visitor's feedback on them.

The visitor is identified by the token in the body, never by a cookie. The text is neither stored nor logged. These
requests never delay the conversation itself, which goes over the socket.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from msgspec import Meta, Struct

from chat import access, limits
from chat.errors import BadRequest, NotFound, TextTooLong, TooFast, Unavailable
from chat.json_bodies import decode_body
from chat.languages import language_code, language_of
from chat.models import Conversation, Site, Status
from chat.protocol import head_of
from chat.refusal_responses import answer_refusals, refusal_response
from chat.widget import tokens
from core.client_address import address_of
from core.own_origins import is_own_origin
from knowledge import message_sources, selectors, suggestions
from knowledge.actions import visitor_suggestions
from knowledge.customer_question import MAX_CHARACTERS
from knowledge.search import NOT_ANSWERED
from knowledge.suggestions import Suggestion

logger = logging.getLogger(__name__)

MAX_BYTES = 4 * 1024

_visitors = limits.Buckets(limits.suggestions)
# A whole company may share one address, so the limit of an address is higher than that of a visitor.
_addresses = limits.Buckets(limits.suggestions_of_address)


class SuggestionRequest(Struct):
    text: Annotated[str, Meta(max_length=MAX_CHARACTERS)]
    token: Annotated[str, Meta(max_length=500)] | None = None
    language: Annotated[str, Meta(max_length=20)] = "zh"


class FeedbackRequest(Struct):
    token: Annotated[str, Meta(max_length=500)]
    source: Annotated[str, Meta(max_length=40)]
    is_helpful: bool
    language: Annotated[str, Meta(max_length=20)] = "zh"


def widget_view(
    kind: type[Any],
) -> Callable[
    [Callable[[Site, Conversation | None, Any], HttpResponseBase]], Callable[..., HttpResponseBase]
]:
    """Decorate a view of the widget. The view gets the site, the token's current conversation (or None) and the decoded
    body.

    Refuses other origins, bodies over 4 KB, and more requests than a person makes. `kind` is the type of the body.
    """

    def wrapped(
        view: Callable[[Site, Conversation | None, Any], HttpResponseBase],
    ) -> Callable[..., HttpResponseBase]:
        @csrf_exempt
        @require_POST
        @answer_refusals
        @wraps(view)
        def handle_request(request: HttpRequest, key: str) -> HttpResponseBase:
            if not is_own_origin(request.headers.get("Origin", ""), request.get_host()):
                raise NotFound
            try:
                body = _body_of(request, kind)
            except TextTooLong as refusal:
                language = head_of(request.body).language
                with translation.override(language_code(language) if isinstance(language, str) else None):
                    return refusal_response(refusal)
            try:
                site = access.site_by_key(key)
                if not site.suggests_answers:
                    raise NotFound
                token = tokens.token_of_site(body.token, key)
                if not _addresses.take(address_of(request)) or (
                    token is not None and not _visitors.take(token.visitor)
                ):
                    raise TooFast
                conversation = None if token is None else access.current_conversation_of(site, token)
                with translation.override(language_code(body.language)):
                    return view(site, conversation, body)
            except DatabaseError as error:
                logger.warning("the widget got no suggested answers: %s", type(error).__name__)
                raise Unavailable from error

        return handle_request

    return wrapped


@widget_view(SuggestionRequest)
def answers(site: Site, conversation: Conversation | None, body: SuggestionRequest) -> HttpResponseBase:
    """Take JSON `{text, token, language}` and return up to three public points, `{answers: [{source, title, text}]}`.

    Answers with a low confidence are left out. Once the conversation no longer waits for an agent, no answers are
    returned.
    """
    if conversation is not None and conversation.status != Status.WAITING:
        return JsonResponse({"answers": []})
    shown = [
        suggestion
        for suggestion in suggestions.suggest_for(
            body.text,
            language=language_of(body.language),
            department=conversation.department_id if conversation else site.department_id,
            only_public=True,
        )
        if _may_be_shown(suggestion)
    ]
    if conversation is not None and shown:
        visitor_suggestions.record_shown(
            conversation=conversation,
            versions=selectors.versions_of_sources(suggestion.point.source for suggestion in shown),
        )
    return JsonResponse({"answers": [_shown(suggestion) for suggestion in shown]})


@widget_view(FeedbackRequest)
def feedback(site: Site, conversation: Conversation | None, body: FeedbackRequest) -> HttpResponseBase:
    """Take JSON `{token, source, is_helpful}`: the visitor's feedback on an answer shown in this conversation."""
    if conversation is None:
        raise NotFound
    visitor_suggestions.record_feedback(
        conversation=conversation, source=body.source, is_helpful=body.is_helpful
    )
    return JsonResponse({"judged": body.source})


def _may_be_shown(suggestion: Suggestion) -> bool:
    """Return whether a visitor may see the suggestion.

    Points for a region or branch are not shown, because the visitor's region is unknown.
    """
    return (
        suggestion.confidence >= NOT_ANSWERED
        and suggestion.point.region is None
        and suggestion.point.branch is None
    )


def _shown(suggestion: Suggestion) -> dict[str, str]:
    point = suggestion.point
    return {
        "source": point.source,
        "title": point.title,
        "text": message_sources.message_text(point.answer, point.links),
    }


def _body_of(request: HttpRequest, kind: type[Any]) -> Any:
    """Decode the JSON body as `kind`. Raises TextTooLong, and BadRequest if it is malformed."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isdigit():
        raise BadRequest
    if int(length) > MAX_BYTES:
        raise TextTooLong("", MAX_BYTES)
    return decode_body(request.body, kind)
