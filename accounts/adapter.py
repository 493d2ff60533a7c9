from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth import authenticate
from django.http import HttpRequest

from accounts import audit
from accounts.models import Staff
from accounts.sign_in import Attempt, TooManyTries


class ClosedAdapter(DefaultAccountAdapter):
    """Staff accounts are made by an administrator; nobody signs up. Passwords are tried by the limits of ours."""

    def is_open_for_signup(self, request: HttpRequest) -> Any:
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """The member of staff, or None. Raises TooManyTries. What was tried is audited without the name typed: it may
        be a password in the wrong field."""
        username = str(credentials.get("username", ""))
        attempt = Attempt(request, username)
        if seconds := attempt.seconds_to_wait():
            if attempt.is_first_lock_out():
                audit.record(None, "session.locked_out", _named(username), address=attempt.address)
            raise TooManyTries(seconds)
        user = authenticate(request, **credentials)
        if user is None:
            attempt.failed()
            audit.record(None, "session.sign_in_failed", _named(username), address=attempt.address)
        else:
            attempt.succeeded()
        return user


def _named(username: str) -> Staff | None:
    return Staff.objects.filter(username=username).first() if "\x00" not in username else None
