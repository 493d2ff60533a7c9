"""The page that gives people their typed text back when the server could not accept their form."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from core.own_origins import is_own_origin

# A value of printable ASCII without spaces is a key, an id or a number, not typed text. Such a value goes
# into a hidden field.
CODE = re.compile(r"[!-~]*", re.ASCII)
SIGNED_OUT = _(
    "You are signed out. Your text is kept. Sign in again in another tab, then come back here and send it."
)
UNRECOVERED_FIELDS = frozenset({"csrfmiddlewaretoken"})


@dataclass(frozen=True)
class RecoveredField:
    """A field of the posted form, and its value."""

    name: str
    value: str

    @property
    def is_prose(self) -> bool:
        return CODE.fullmatch(self.value) is None


def recovery_page(request: HttpRequest, text: Any, *, status: int, may_resend: bool = True) -> HttpResponse:
    """Return a page with the reason for the refusal (`text`), the posted fields, and a button to send the fields again.

    The button is left out if `may_resend` is false, or if the form is empty or contains a password or a secret.
    Passwords and secrets are never shown.
    """
    fields = list(_fields(request))
    context = {
        "text": text,
        "fields": fields,
        "has_files": bool(request.FILES),
        "may_resend": may_resend and bool(fields) and not any(map(_is_secret, request.POST)),
        "address": request.get_full_path(),
        "is_signed_out": status == 401,
    }
    return render(request, "console/recovered_form.html", context, status=status)


def is_own_page(request: HttpRequest) -> bool:
    """Return whether the request was sent by a page of this service, according to the browser's headers.

    Only then may the recovery page contain a new CSRF token: a form on another website must not get one.
    """
    if "Sec-Fetch-Site" in request.headers:
        return request.headers["Sec-Fetch-Site"] == "same-origin"
    return is_own_origin(request.headers.get("Origin", ""), request.get_host())


def _fields(request: HttpRequest) -> Iterator[RecoveredField]:
    for name, values in request.POST.lists():
        if name in UNRECOVERED_FIELDS or _is_secret(name):
            continue
        yield from (RecoveredField(name, value) for value in values)


def _is_secret(name: str) -> bool:
    return "password" in name or "secret" in name
