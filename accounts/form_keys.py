"""Protection against forms that are sent twice.

Each form has a unique key. A second request with the same key gets the response to the first one.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.models import Staff, SubmittedForm

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], Any]

FIELD = "form_key"
# Keys are deleted after this time. It is long enough for a page that stays open for a day and then sends its form
# again.
RETENTION = timedelta(days=2)
REPEATED_HEADERS = ("Location", "HX-Trigger", "HX-Redirect")


def handle_once(view: View[P]) -> View[P]:
    """Decorate a view so that it runs at most once for each `form_key`.

    A repeat gets the response to the first request. The key is committed together with the writes of the view, so two
    simultaneous requests cannot both take effect. If the form had errors, nothing was written and its key may be used
    again.
    """

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        key = _key_of(request)
        if key is None or not isinstance(request.user, Staff):
            return view(request, *args, **kwargs)
        with transaction.atomic():
            if not _is_first(key, request.user):
                return _repeat_response(key, request.user)
            response = view(request, *args, **kwargs)
            _store_response(key, response)
        return response

    return guarded


def _key_of(request: HttpRequest) -> UUID | None:
    if request.method != "POST":
        return None
    try:
        return UUID(request.POST.get(FIELD, ""))
    except ValueError:
        return None


def _is_first(key: UUID, staff: Staff) -> bool:
    SubmittedForm.objects.filter(staff=staff, at__lt=timezone.now() - RETENTION).delete()
    try:
        # On PostgreSQL the insert waits until another request with the same key commits or rolls back.
        with transaction.atomic():
            SubmittedForm.objects.create(key=key, staff=staff)
    except IntegrityError:
        return False
    return True


def _store_response(key: UUID, response: HttpResponse) -> None:
    stored = SubmittedForm.objects.filter(key=key)
    if isinstance(response, TemplateResponse) and "popup_response_data" in (response.context_data or {}):
        # Store the whole page, because a script in it closes the popup window of admin. The repeated request needs that
        # script, too.
        stored.update(status=200, body=response.render().content.decode())
        return
    if 300 <= response.status_code < 400 or response.status_code == 204:
        headers = {name: response[name] for name in REPEATED_HEADERS if name in response}
        stored.update(status=response.status_code, headers=headers)
    else:
        stored.delete()


def _repeat_response(key: UUID, staff: Staff) -> HttpResponse:
    stored = SubmittedForm.objects.filter(key=key, staff=staff).first()
    if stored is None or stored.status is None:
        # The key belongs to another staff member: do nothing and reveal nothing.
        return HttpResponse(status=409)
    return HttpResponse(stored.body, status=stored.status, headers=stored.headers)
