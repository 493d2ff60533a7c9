"""The bank's answers in the visitor's box: offered while somebody waits, and the visitor's word on them.

Who it is says the token in the body, never a cookie. Nothing of what was written is kept or logged, and no answer of
these ever holds up the chat, which goes over the socket.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

from allauth.account.adapter import get_adapter
from django.conf import settings
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
from chat.widget import tokens
from chat.widget.attachment_views import answer_refusals, refusal_response
from knowledge import message_sources, selectors, suggestions
from knowledge.actions import visitor_suggestions
from knowledge.customer_question import MAX_CHARACTERS
from knowledge.search import NOT_ANSWERED
from knowledge.suggestions import Suggestion

logger = logging.getLogger(__name__)

MAX_BYTES = 4 * 1024

_visitors = limits.Buckets(limits.answers)
# Behind one address there may be a whole company.
_addresses = limits.Buckets(limits.answers_of_address)


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
    """Calls the view with the site, the present conversation of the token (if there is one) and what was asked.

    Only for pages of our own origin, 4 KB at most, and not more than a person asks.
    """

    def wrapped(
        view: Callable[[Site, Conversation | None, Any], HttpResponseBase],
    ) -> Callable[..., HttpResponseBase]:
        @csrf_exempt
        @require_POST
        @answer_refusals
        @wraps(view)
        def asked_by_box(request: HttpRequest, key: str) -> HttpResponseBase:
            if not _is_own_page(request):
                raise NotFound
            try:
                asked = _body_of(request, kind)
            except TextTooLong as refusal:
                language = head_of(request.body).language
                with translation.override(language_code(language) if isinstance(language, str) else None):
                    return refusal_response(refusal)
            try:
                site = access.site_by_key(key)
                if not site.suggests_answers:
                    raise NotFound
                token = tokens.token_of_site(asked.token, key)
                if not _addresses.take(get_adapter().get_client_ip(request)) or (
                    token is not None and not _visitors.take(token.visitor)
                ):
                    raise TooFast
                conversation = None if token is None else access.current_conversation_of(site, token)
                with translation.override(language_code(asked.language)):
                    return view(site, conversation, asked)
            except DatabaseError as error:
                logger.warning("the box got no answers: %s", type(error).__name__)
                raise Unavailable from error

        return asked_by_box

    return wrapped


@widget_view(SuggestionRequest)
def answers(site: Site, conversation: Conversation | None, asked: SuggestionRequest) -> HttpResponseBase:
    """JSON `{text, token, language}`: up to three public points that answer it, `{answers: [{source, title, text}]}`.

    None when somebody is there, and none that is only somewhat like it.
    """
    if conversation is not None and conversation.status != Status.WAITING:
        return JsonResponse({"answers": []})
    found = [
        offer
        for offer in suggestions.suggest_for(
            asked.text,
            language=language_of(asked.language),
            department=conversation.department_id if conversation else site.department_id,
            only_public=True,
        )
        if _may_be_shown(offer)
    ]
    if conversation is not None and found:
        visitor_suggestions.record_shown(
            conversation=conversation,
            versions=selectors.versions_named(offer.point.source for offer in found),
        )
    return JsonResponse({"answers": [_shown(offer) for offer in found]})


@widget_view(FeedbackRequest)
def feedback(site: Site, conversation: Conversation | None, asked: FeedbackRequest) -> HttpResponseBase:
    """JSON `{token, source, is_helpful}`: the visitor's word on an answer that was shown in this conversation."""
    if conversation is None:
        raise NotFound
    visitor_suggestions.record_feedback(
        conversation=conversation, source=asked.source, is_helpful=asked.is_helpful
    )
    return JsonResponse({"judged": asked.source})


def _may_be_shown(offer: Suggestion) -> bool:
    """A rule of one region is nothing to tell somebody of whom nobody knows where they bank."""
    return offer.confidence >= NOT_ANSWERED and offer.point.region is None and offer.point.branch is None


def _shown(offer: Suggestion) -> dict[str, str]:
    point = offer.point
    return {
        "source": point.source,
        "title": point.title,
        "text": message_sources.text_of(point.answer, point.links),
    }


def _is_own_page(request: HttpRequest) -> bool:
    """The box runs in a frame of our own origin, as `config.asgi` has it for its socket."""
    origin = request.headers.get("Origin", "").lower()
    if settings.OWN_ORIGINS:
        return origin in settings.OWN_ORIGINS
    return origin == f"{request.scheme}://{request.get_host()}".lower()


def _body_of(request: HttpRequest, kind: type[Any]) -> Any:
    """Raises TextTooLong in the box's language, and BadRequest."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isdigit():
        raise BadRequest
    if int(length) > MAX_BYTES:
        raise TextTooLong("", MAX_BYTES)
    return decode_body(request.body, kind)
