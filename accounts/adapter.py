"""The adapter for django-allauth: disables sign-up and limits password attempts."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth import authenticate
from django.http import HttpRequest

from accounts import audit
from accounts.models import Staff
from accounts.sign_in import Attempt, TooManyTries
from core.client_address import address_or_peer


class ClosedAdapter(DefaultAccountAdapter):
    """Adapter for allauth that disables sign-up, because administrators create accounts, and limits password
    attempts."""

    def is_open_for_signup(self, request: HttpRequest) -> Any:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return address_or_peer(request)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """Return the staff member who signs in, or None for a wrong name or password. Raises TooManyTries.

        The audit entry of a failed attempt leaves out the typed name: it may be a password typed into the wrong field.
        """
        username = str(credentials.get("username", ""))
        attempt = Attempt(request, username)
        if seconds := attempt.seconds_to_wait():
            if attempt.is_first_lock_out():
                audit.record(None, "session.locked_out", _staff_named(username), address=attempt.address)
            raise TooManyTries(seconds)
        user = authenticate(request, **credentials)
        if user is None:
            attempt.failed()
            audit.record(None, "session.sign_in_failed", _staff_named(username), address=attempt.address)
        else:
            attempt.succeeded()
        return user


def _staff_named(username: str) -> Staff | None:
    # PostgreSQL refuses a text that contains NUL.
    return Staff.objects.filter(username=username).first() if "\x00" not in username else None
