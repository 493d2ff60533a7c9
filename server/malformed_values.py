"""The answer to a request with a value that nothing can store or read: 400, and not an error of ours."""

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
from chat.widget.attachment_views import refusal_response
from server.database_unavailable import accepts_html

logger = logging.getLogger(__name__)

# A number beyond the database's range (DataError of PostgreSQL, OverflowError of SQLite and of an infinite float), a
# NUL or half a character in a text, JSON that is nested deeper than Python goes, a filter of admin's that is none.
MALFORMED = (DataError, OverflowError, UnicodeError, RecursionError, IncorrectLookupParameters)


class MalformedValue(BadRequest):
    words = _("A number or a character in this request cannot be read. Go back and check what you entered.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django itself refuses with 400, as `handler400`: a body above its limit, and whatever else."""
    if isinstance(exception, RequestDataTooBig):
        return _answer(request, TextTooLong("", settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
    return _answer(request, BadRequest())


def _answer(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    response: HttpResponse = refusal_response(refusal)
    if accepts_html(request):
        response = render(request, "malformed.html", {"words": refusal.words}, status=response.status_code)
    response["Cache-Control"] = "no-store"
    return response


class MalformedValueMiddleware:
    """400 in the reader's language, wherever the value was: in the address, in a form, in JSON.

    Forms and decoders refuse what they know of, in words of their own; this is for what got past them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        if not isinstance(error, MALFORMED):
            return None
        response = _answer(request, MalformedValue())
        # With the place, in case the fault is ours after all; never with the value.
        words = "a value was refused: %s"
        log_response(
            words,
            type(error).__name__,
            response=response,
            request=request,
            logger=logger,
            level="warning",
            exception=error,
        )
        return response
