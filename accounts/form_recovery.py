"""The page that gives back what somebody typed into a form that the server could not take."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

# A value without blanks and in ASCII alone is a key, an id or a figure: it goes along hidden.
CODE = re.compile(r"[!-~]*", re.ASCII)
SIGNED_OUT = _(
    "You are signed out. What you wrote is kept: sign in again in another tab, then send it again here."
)
UNRECOVERED_FIELDS = frozenset({"csrfmiddlewaretoken"})


@dataclass(frozen=True)
class RecoveredField:
    name: str
    value: str

    @property
    def is_prose(self) -> bool:
        return CODE.fullmatch(self.value) is None


def recovery_page(request: HttpRequest, words: Any, *, status: int, may_resend: bool = True) -> HttpResponse:
    """Everything that was posted, with `words` saying why it was not taken, and a button that sends it again."""
    fields = list(_fields(request))
    context = {
        "words": words,
        "fields": fields,
        "has_files": bool(request.FILES),
        "may_resend": may_resend and bool(fields) and not any(map(_is_secret, request.POST)),
        "address": request.get_full_path(),
        "is_signed_out": status == 401,
    }
    return render(request, "console/recovered_form.html", context, status=status)


def is_own_page(request: HttpRequest) -> bool:
    """Whether one of our own pages sent this, as the browser says; a stranger's form must not get a fresh token."""
    if "Sec-Fetch-Site" in request.headers:
        return request.headers["Sec-Fetch-Site"] == "same-origin"
    return request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"


def _fields(request: HttpRequest) -> Iterator[RecoveredField]:
    for name, values in request.POST.lists():
        if name in UNRECOVERED_FIELDS or _is_secret(name):
            continue
        yield from (RecoveredField(name, value) for value in values)


def _is_secret(name: str) -> bool:
    return "password" in name or "secret" in name
