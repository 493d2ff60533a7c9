"""What a request is answered while the database does not: try again, in words, not an error of ours."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.log import log_response
from django.utils.translation import gettext_lazy as _

from chat.errors import Unavailable
from chat.widget.attachment_views import refusal_response

logger = logging.getLogger(__name__)

# After which a page asks for itself again.
REFRESH_SECONDS = 10


class DatabaseUnavailable(Unavailable):
    words = _("The system does not answer just now. Please try again in a moment.")


class DatabaseUnavailableMiddleware:
    """503 with Retry-After, in the reader's language: a page for who waits for one, a refusal for a script.

    The last in the list: whatever failed, it failed in the view or in its template.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        # The same two that the writer and the sockets take for a database that is away: also a deadlock, or a
        # connection that was ended. All may pass on a retry.
        if not isinstance(error, OperationalError | InterfaceError):
            return None
        response: HttpResponse = refusal_response(DatabaseUnavailable())
        if accepts_html(request):
            page = render(
                request, "503.html", {"words": DatabaseUnavailable.words}, status=response.status_code
            )
            page["Retry-After"] = response["Retry-After"]
            if request.method == "GET":
                page["Refresh"] = str(REFRESH_SECONDS)
            response = page
        response["Cache-Control"] = "no-store"
        # In one line, in place of Django's error with its stack.
        words, why = "a request was not answered: %s", type(error.__cause__ or error).__name__
        log_response(words, why, response=response, request=request, logger=logger, level="warning")
        return response


def accepts_html(request: HttpRequest) -> bool:
    """Whether it is the browser itself that asked, by a link or by a form."""
    return "text/html" in request.headers.get("Accept", "") and "HX-Request" not in request.headers
