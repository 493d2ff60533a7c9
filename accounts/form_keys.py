"""Forms that were sent twice: the key in the form is stored with what it did, and a repeat gets the same answer."""

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
# A page may stay open for a day before it is sent a second time.
KEPT = timedelta(days=2)
REPEATED_HEADERS = ("Location", "HX-Trigger", "HX-Redirect")


def handle_once(view: View[P]) -> View[P]:
    """Runs the view once for each `form_key`; a repeat is answered by what the first one was answered.

    The key and what the view stores are committed together, so two requests at the same moment cannot both act. A
    form that comes back with errors has done nothing: its key may be used again.
    """

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        key = _key_of(request)
        if key is None or not isinstance(request.user, Staff):
            return view(request, *args, **kwargs)
        with transaction.atomic():
            if not _is_first(key, request.user):
                return _answer_again(key, request.user)
            response = view(request, *args, **kwargs)
            _keep(key, response)
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
    SubmittedForm.objects.filter(staff=staff, at__lt=timezone.now() - KEPT).delete()
    try:
        # On PostgreSQL this waits for another request with the same key to commit or to give up.
        with transaction.atomic():
            SubmittedForm.objects.create(key=key, staff=staff)
    except IntegrityError:
        return False
    return True


def _keep(key: UUID, response: HttpResponse) -> None:
    stored = SubmittedForm.objects.filter(key=key)
    if isinstance(response, TemplateResponse) and "popup_response_data" in (response.context_data or {}):
        # Admin's small window closes itself by the page that it gets, so a repeat needs the same page.
        stored.update(status=200, body=response.render().content.decode())
        return
    if 300 <= response.status_code < 400 or response.status_code == 204:
        headers = {name: response[name] for name in REPEATED_HEADERS if name in response}
        stored.update(status=response.status_code, headers=headers)
    else:
        stored.delete()


def _answer_again(key: UUID, staff: Staff) -> HttpResponse:
    stored = SubmittedForm.objects.filter(key=key, staff=staff).first()
    if stored is None or stored.status is None:
        # Somebody else's key: nothing is done, and nothing is said about it.
        return HttpResponse(status=409)
    return HttpResponse(stored.body, status=stored.status, headers=stored.headers)
