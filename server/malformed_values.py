"""The response to a request with a value that cannot be stored or parsed: 400 instead of a server error."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.log import log_response
from django.utils.translation import gettext_lazy as _

from chat.errors import BadRequest, Refusal, TextTooLong
from chat.refusal_responses import refusal_response
from server.database_unavailable import accepts_html

logger = logging.getLogger(__name__)

# The errors that malformed values cause. DataError (PostgreSQL) and OverflowError (SQLite, infinite floats): a number
# out of the database's range, or NUL. UnicodeError: a lone surrogate. RecursionError: deeply nested JSON.
# IncorrectLookupParameters: an invalid filter in admin.
MALFORMED = (DataError, OverflowError, UnicodeError, RecursionError, IncorrectLookupParameters)


class MalformedValue(BadRequest):
    """A value of the request cannot be stored or parsed."""

    text = _("A number or a character in this request isn't valid. Go back and check what you entered.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the response to a request that Django itself refuses with 400, for example because its body is too large.

    Django calls it as `handler400`.
    """
    if isinstance(exception, RequestDataTooBig):
        return _answer(request, TextTooLong("", settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
    return _answer(request, BadRequest())


def _answer(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    response = refusal_response(refusal)
    if accepts_html(request):
        response = render(request, "malformed.html", {"text": refusal.text}, status=response.status_code)
    response["Cache-Control"] = "no-store"
    return response


class MalformedValueMiddleware:
    """Answer 400 in the reader's language, wherever the value was: in the URL, in a form or in JSON.

    Forms and decoders refuse known kinds of invalid values with their own messages. This middleware handles all other
    kinds.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        if not isinstance(error, MALFORMED):
            return None
        response = _answer(request, MalformedValue())
        # The log has the traceback, in case the fault is ours, but never the value.
        log_response(
            "a value was refused: %s",
            type(error).__name__,
            response=response,
            request=request,
            logger=logger,
            level="warning",
            exception=error,
        )
        return response
