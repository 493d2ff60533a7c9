"""The response while the database does not answer: 503 with the advice to try again, instead of Django's error page."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.log import log_response
from django.utils.translation import gettext_lazy as _

from chat.errors import Unavailable
from chat.refusal_responses import refusal_response

logger = logging.getLogger(__name__)

# Seconds after which the error page reloads itself.
REFRESH_SECONDS = 10


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    text = _("The system isn't responding right now. Please try again in a moment.")


class DatabaseUnavailableMiddleware:
    """Answer 503 with Retry-After in the reader's language: a page for a browser, a refusal in JSON for a script.

    It handles exceptions of views and their templates, not exceptions of other middleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        # The writer and the sockets also treat exactly these two classes as an unavailable database. They include
        # deadlocks and ended connections, after which a retry may succeed.
        if not isinstance(error, OperationalError | InterfaceError):
            return None
        response = refusal_response(DatabaseUnavailable())
        if accepts_html(request):
            page = render(
                request, "503.html", {"text": DatabaseUnavailable.text}, status=response.status_code
            )
            page["Retry-After"] = response["Retry-After"]
            if request.method == "GET":
                page["Refresh"] = str(REFRESH_SECONDS)
            response = page
        response["Cache-Control"] = "no-store"
        # Log one line in place of Django's error record with its traceback.
        cause = type(error.__cause__ or error).__name__
        log_response(
            "the database did not answer a request: %s",
            cause,
            response=response,
            request=request,
            logger=logger,
            level="warning",
        )
        return response


def accepts_html(request: HttpRequest) -> bool:
    """Return whether the browser itself sent the request, through a link or a form, and not a script."""
    return "text/html" in request.headers.get("Accept", "") and "HX-Request" not in request.headers
