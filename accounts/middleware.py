"""Middleware that audits refused requests of staff."""

from collections.abc import Callable

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from accounts import audit
from accounts.models import Staff


class RefusalAuditMiddleware:
    """Add an audit entry when a view raises PermissionDenied for a staff member.

    Repeats within a minute are not recorded. The middleware does nothing for the console's views: `console.gate`
    catches their PermissionDenied and writes the audit entry.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        if isinstance(error, PermissionDenied) and isinstance(request.user, Staff):
            audit.record_refusal(request.user, _view_of(request), "no_right")


def _view_of(request: HttpRequest) -> str:
    match = request.resolver_match
    return match.view_name if match is not None else ""
