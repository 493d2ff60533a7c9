"""Rate limits on wrong password attempts, shared by all server processes.

- One name from one address: a strict limit.
- One address with any names: a generous limit, because a whole branch may share one address.
- One name from any address: a limit that slows attempts down.

The last two limits do not apply at an address from which the name has signed in before, so that nobody elsewhere can
lock out an agent or a branch. Names that do not exist are limited in the same way. The Host header has no influence on
the limits.
"""

from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import ngettext

from core.client_address import address_or_peer
from core.rate_limits import forget, hit, retry_after


class Limit(NamedTuple):
    name: str
    tries: int
    seconds: int


NAME_AT_ADDRESS = Limit("sign_in_name_at_address", 10, 15 * 60)
ADDRESS = Limit("sign_in_address", 100, 15 * 60)
NAME = Limit("sign_in_name", 20, 10 * 60)
# Limits how often staff may enter their own password to confirm an action.
CONFIRMATION = Limit("confirm_own_password", 5, 15 * 60)
# Not a limit: remembers the addresses from which a user name has signed in.
KNOWN = Limit("sign_in_known_address", 1, 30 * 24 * 3600)
# Not a limit on sign-in: limits the audit entries about the lock-out of one user name at one address to one in 15
# minutes.
LOCK_OUT_AUDITED = Limit("sign_in_lock_out_noted", 1, 15 * 60)

TOO_MANY = "too_many_tries"


class TooManyTries(ValidationError):
    """Raised after too many wrong passwords. `params["seconds"]` is the value for the header Retry-After."""

    def __init__(self, seconds: int) -> None:
        minutes = -(-seconds // 60)
        message = ngettext(
            "Too many wrong attempts. Try again in %(minutes)d minute.",
            "Too many wrong attempts. Try again in %(minutes)d minutes.",
            minutes,
        )
        super().__init__(message, code=TOO_MANY, params={"minutes": minutes, "seconds": seconds})


class Attempt:
    """One attempt to sign in: a user name, and the network address from which it was tried."""

    def __init__(self, request: HttpRequest, username: str) -> None:
        self.address = address_or_peer(request)
        self._name = username.strip().casefold()[:150]
        self._pair = f"{self._name} {self.address}"

    def seconds_to_wait(self) -> int:
        """Count the attempt and return the seconds until it is allowed, 0 if it is allowed now.

        Call this method before the password is checked, so that simultaneous attempts cannot exceed the limit.
        """
        wait = hit(NAME_AT_ADDRESS.name, self._pair, NAME_AT_ADDRESS.tries, NAME_AT_ADDRESS.seconds)
        if not wait and not retry_after(KNOWN.name, self._pair, KNOWN.tries, KNOWN.seconds):
            wait = max(
                retry_after(ADDRESS.name, self.address, ADDRESS.tries, ADDRESS.seconds),
                retry_after(NAME.name, self._name, NAME.tries, NAME.seconds),
            )
        return wait

    def failed(self) -> None:
        """Count the attempt as failed: the password was wrong or the name does not exist."""
        hit(ADDRESS.name, self.address, ADDRESS.tries, ADDRESS.seconds)
        hit(NAME.name, self._name, NAME.tries, NAME.seconds)

    def succeeded(self) -> None:
        """Reset the count of this name at this address, and remember that the name has signed in from it."""
        forget(NAME_AT_ADDRESS.name, self._pair)
        forget(KNOWN.name, self._pair)
        hit(KNOWN.name, self._pair, KNOWN.tries, KNOWN.seconds)

    def is_first_lock_out(self) -> bool:
        """Return whether this is the first lock-out of this name at this address in 15 minutes. Only the first is
        audited."""
        limit = LOCK_OUT_AUDITED
        return hit(limit.name, self._pair, limit.tries, limit.seconds) == 0
