"""The access gate of every console view: it checks sign-in and rights, and turns refusals into responses."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django_htmx.middleware import HtmxDetails

from accounts import audit
from accounts.access import may
from accounts.form_keys import handle_once
from accounts.form_recovery import SIGNED_OUT, recovery_page
from accounts.models import Staff
from chat import refusal_responses
from chat.errors import NotFound, Refusal

P = ParamSpec("P")


class SignedOut(Refusal):
    code = "signed_out"
    http_status = 401
    text = SIGNED_OUT


class StalePage(Refusal):
    """A POST whose CSRF token predates the last sign-in. A script fetches the new token and tries again."""

    code = "stale_page"
    http_status = 403
    text = _("You have signed in again since you opened this page. Your text is kept. Send it again.")


class NoRight(Refusal):
    code = "no_right"
    http_status = 403
    text = _("You don't have permission to do that.")


class PasswordChangeDue(Refusal):
    code = "password_change_due"
    http_status = 403
    text = _("Change your initial password first.")


class StaffRequest(HttpRequest):
    """A request that `open_to` has let through to a view, so its user is a signed-in staff member."""

    user: Staff
    htmx: HtmxDetails


View = Callable[Concatenate[StaffRequest, P], HttpResponse]
PlainView = Callable[Concatenate[HttpRequest, P], HttpResponse]


def open_to(*rights: str) -> Callable[[View[P]], PlainView[P]]:
    """Decorate a view so that only staff with at least one of these rights reach it.

    A Refusal becomes a response with its status: an HTML page for a page request, or JSON `{"refused": {...}}` in the
    form of the socket's frame for a script. PermissionDenied becomes the refusal NoRight. The view runs at most once
    for each form key (`accounts.form_keys`).
    """

    def decorate(view: View[P]) -> PlainView[P]:
        @wraps(view)
        def gated(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not isinstance(request.user, Staff):
                if request.method == "GET" and wants_page(request):
                    return redirect_to_login(request.get_full_path())
                return refusal_response(request, SignedOut())
            staff = request.user
            if staff.must_change_password:
                if wants_page(request):
                    return redirect("password")
                return refusal_response(request, PasswordChangeDue())
            if not any(may(staff, right) for right in rights):
                return _refused_to(staff, request, NoRight())
            try:
                return handle_once(view)(request, *args, **kwargs)  # type: ignore[arg-type,no-any-return]
            except Refusal as refusal:
                return _refused_to(staff, request, refusal)
            except PermissionDenied:
                return _refused_to(staff, request, NoRight())

        return gated

    return decorate


def _refused_to(staff: Staff, request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Return the response to a refusal.

    NoRight and NotFound are recorded in the audit trail: NotFound may mean that the object exists, but that this person
    is not allowed to see it.
    """
    if isinstance(refusal, NoRight | NotFound):
        match = request.resolver_match
        view, kwargs = (match.view_name, match.kwargs) if match is not None else ("", {})
        audit.record_refusal(staff, view, refusal.code, object_id=str(kwargs.get("uuid", "")))
    return refusal_response(request, refusal)


def staff_view(view: View[P]) -> PlainView[P]:
    """Decorate a view for staff who talk with customers."""
    return open_to("use_console")(view)


def knowledge_view(view: View[P]) -> PlainView[P]:
    """Decorate a view for all staff who may use knowledge, including editors, who have no inbox."""
    return open_to("use_knowledge")(view)


def wants_page(request: HttpRequest) -> bool:
    """Return whether the response must be a page for a person, because neither a script nor htmx sent the request."""
    is_script = request.content_type == "application/json" or _by_htmx(request)
    return "text/html" in request.headers.get("Accept", "") and not is_script


def _by_htmx(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))


def refusal_response(request: HttpRequest, refusal: Refusal, client_id: str = "") -> HttpResponse:
    """Return a refusal as a page or as JSON, with its status.

    A refused POST of a page gets the recovery page, which shows the typed text again.
    """
    response = refusal_responses.refusal_response(refusal, client_id)
    if not wants_page(request):
        return response
    status = response.status_code
    if request.method == "POST":
        may_resend = status == 401 or bool(refusal.retry_after_ms)
        return recovery_page(request, refusal.text, status=status, may_resend=may_resend)
    context = {"refusal": refusal, "is_missing": isinstance(refusal, NotFound)}
    return render(request, "console/refused.html", context, status=status)
