"""Audit entries for sign-in and sign-out. Receivers of Django's signals write them, whichever page was used."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest

from accounts import audit
from accounts.models import Staff
from core.client_address import address_or_peer


def audit_sign_in(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    audit.record(user, "session.signed_in", user, **_address_of(request))


def audit_sign_out(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    if isinstance(user, Staff):
        audit.record(user, "session.signed_out", user, **_address_of(request))


def _address_of(request: HttpRequest | None) -> dict[str, str]:
    if request is None or not request.META.get("REMOTE_ADDR"):
        return {}
    return {"address": address_or_peer(request)}


def connect() -> None:
    user_logged_in.connect(audit_sign_in, dispatch_uid="accounts.sign_in_audit")
    user_logged_out.connect(audit_sign_out, dispatch_uid="accounts.sign_in_audit")
