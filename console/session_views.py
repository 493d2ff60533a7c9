"""Endpoints for pages that stay open for long: the current CSRF token, the signed-in person and the server's clock."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.form_recovery import is_own_page, recovery_page
from accounts.models import Staff
from console.gate import SignedOut, StalePage, refusal_response, wants_page


@require_GET
@never_cache
def token(request: HttpRequest) -> HttpResponse:
    """Return the current CSRF token and the id of the signed-in person, as JSON `{token, staff}`.

    `staff` is 0 when nobody is signed in. Pages of other origins cannot read the response.
    """
    staff = request.user.pk if isinstance(request.user, Staff) else 0
    return JsonResponse({"token": get_token(request), "staff": staff})


@require_GET
@never_cache
def clock(request: HttpRequest) -> HttpResponse:
    """Return the server's time, as JSON `{now, day}`. No query.

    `now` is in milliseconds since 1970, and `day` is the date in the bank's time zone.
    """
    now = timezone.now()
    return JsonResponse({"now": int(now.timestamp() * 1000), "day": str(timezone.localdate(now))})


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the response to a POST with an invalid CSRF token.

    A sign-in in any tab replaces the token, so the tokens of all open pages become invalid. Scripts of staff pages get
    the refusal StalePage, or SignedOut if nobody is signed in. Forms of staff pages get the recovery page. All other
    requests get a plain page with status 403.
    """
    is_staff_page = request.path.startswith(("/console/", "/admin/"))
    if is_staff_page and not wants_page(request):
        return refusal_response(request, StalePage() if isinstance(request.user, Staff) else SignedOut())
    if is_staff_page and is_own_page(request) and request.POST:
        return recovery_page(request, StalePage.text, status=403)
    return render(request, "403_csrf.html", status=403)
