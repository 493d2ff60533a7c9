"""The gate before every view of the console: who is signed in, may they come in, and what a refusal looks like."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django_htmx.middleware import HtmxDetails

from accounts import audit
from accounts.access import may
from accounts.form_keys import handle_once
from accounts.form_recovery import SIGNED_OUT, recovery_page
from accounts.models import Staff
from chat.errors import NotFound, Refusal
from chat.realtime import metrics

P = ParamSpec("P")

STATUSES = {
    "not_found": 404,
    "no_right": 403,
    "password_change_due": 403,
    "stale_page": 403,
    "signed_out": 401,
    "too_fast": 429,
    "unavailable": 503,
    "bad_frame": 400,
    "empty": 422,
    "too_long": 422,
    "unfilled_placeholder": 422,
    "wrap_up_code_missing": 422,
    "shortcut_taken": 422,
    "question_incomplete": 422,
    "question_taken": 422,
    "not_an_answer": 422,
    "point_incomplete": 422,
    "key_taken": 422,
    "reason_missing": 422,
    "remark_missing": 422,
    "file_refused": 422,
    "file_too_large": 413,
}


class SignedOut(Refusal):
    code = "signed_out"
    words = SIGNED_OUT


class StalePage(Refusal):
    """The token against forgery is from before the last sign-in; a script gets the new one and tries again."""

    code = "stale_page"
    words = _("You have signed in again since this page was opened. What you wrote is kept: send it again.")


class NoRight(Refusal):
    code = "no_right"
    words = _("Your account may not do that.")


class PasswordChangeDue(Refusal):
    code = "password_change_due"
    words = _("Choose a password of your own first.")


class StaffRequest(HttpRequest):
    """A request that has passed the gate."""

    user: Staff
    htmx: HtmxDetails


View = Callable[Concatenate[StaffRequest, P], HttpResponse]
Gated = Callable[Concatenate[HttpRequest, P], HttpResponse]


def open_to(*rights: str) -> Callable[[View[P]], Gated[P]]:
    """Lets in staff who have one of these rights. A Refusal becomes its words with its status.

    A page answers with a page, a script with JSON `{"refused": {...}}` in the shape of the socket's frame.
    """

    def decorate(view: View[P]) -> Gated[P]:
        @wraps(view)
        def gated(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not isinstance(request.user, Staff):
                if request.method == "GET" and wants_page(request):
                    return redirect_to_login(request.get_full_path())
                return refused(request, SignedOut())
            staff = request.user
            if staff.must_change_password:
                if wants_page(request):
                    return redirect("password")
                return refused(request, PasswordChangeDue())
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
    """The refusal as an answer; one for want of a right is noted. Missing and forbidden look the same, so both are."""
    if isinstance(refusal, NoRight | NotFound):
        match = request.resolver_match
        view, kwargs = (match.view_name, match.kwargs) if match is not None else ("", {})
        audit.record_refusal(staff, view, refusal.code, object_id=str(kwargs.get("uuid", "")))
    return refused(request, refusal)


def staff_view(view: View[P]) -> Gated[P]:
    """Lets in staff who talk with customers."""
    return open_to("use_console")(view)


def knowledge_view(view: View[P]) -> Gated[P]:
    """Lets in whoever may use knowledge: also editors, who have no inbox."""
    return open_to("use_knowledge")(view)


def wants_page(request: HttpRequest) -> bool:
    """Whether a person waits for a page: neither a script's fetch nor htmx asked."""
    is_script = request.content_type == "application/json" or _by_htmx(request)
    return "text/html" in request.headers.get("Accept", "") and not is_script


def _by_htmx(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))


def is_retryable(refusal: Refusal) -> bool:
    """Whether the same request may succeed later."""
    return bool(refusal.retry_after_ms)


def status_of(refusal: Refusal) -> int:
    return STATUSES.get(refusal.code, 409)


def refused(request: HttpRequest, refusal: Refusal, client_id: str = "") -> HttpResponse:
    metrics.refused.labels(refusal.code).inc()
    status = status_of(refusal)
    if wants_page(request) and request.method == "POST":
        return recovery_page(
            request, refusal.words, status=status, may_resend=status == 401 or is_retryable(refusal)
        )
    if wants_page(request):
        template = "console/refused.html"
        return render(
            request,
            template,
            {"refusal": refusal, "is_missing": isinstance(refusal, NotFound)},
            status=status,
        )
    frame: dict[str, Any] = {"code": refusal.code, "words": str(refusal.words)}
    if client_id:
        frame["client_id"] = client_id
    if refusal.retry_after_ms:
        frame["retry_after_ms"] = refusal.retry_after_ms
    if refusal.field:
        frame["field"] = refusal.field
    if refusal.limit:
        frame["limit"] = refusal.limit
    return JsonResponse({"refused": frame}, status=status)
