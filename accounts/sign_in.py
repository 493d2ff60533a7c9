"""How often passwords may be tried. Only wrong tries count, in all server processes together; no Host is looked at.

- One name from one address: strict.
- One address, whatever the names: generous, because a whole branch may stand behind it.
- One name from anywhere: slowed down.

The last two never stop somebody at an address from which they have signed in before, so that nobody can lock an agent,
or a branch, out from elsewhere. A name that does not exist is treated like any other.
"""

from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import NamedTuple

from allauth.account.adapter import get_adapter
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import ngettext

from core.rate_limits import forget, hit, retry_after


class Limit(NamedTuple):
    name: str
    tries: int
    seconds: int


NAME_AT_ADDRESS = Limit("sign_in_name_at_address", 10, 15 * 60)
ADDRESS = Limit("sign_in_address", 100, 15 * 60)
NAME = Limit("sign_in_name", 20, 10 * 60)
# Confirming one's own password before something that needs it.
CONFIRMATION = Limit("confirm_own_password", 5, 15 * 60)
# Not a limit: remembers from where somebody has signed in.
KNOWN = Limit("sign_in_known_address", 1, 30 * 24 * 3600)
NOTED = Limit("sign_in_lock_out_noted", 1, 15 * 60)

TOO_MANY = "too_many_tries"


class TooManyTries(ValidationError):
    """Says when to try again; `params["seconds"]` is for the header."""

    def __init__(self, seconds: int) -> None:
        minutes = -(-seconds // 60)
        words = ngettext(
            "Too many wrong tries. Try again in %(minutes)d minute.",
            "Too many wrong tries. Try again in %(minutes)d minutes.",
            minutes,
        )
        super().__init__(words, code=TOO_MANY, params={"minutes": minutes, "seconds": seconds})


class Attempt:
    """One try to sign in: a name as it was typed, from an address."""

    def __init__(self, request: HttpRequest, username: str) -> None:
        self.address = network_of(get_adapter(request).get_client_ip(request))
        self._name = username.strip().casefold()[:150]
        self._pair = f"{self._name} {self.address}"

    def seconds_to_wait(self) -> int:
        """Seconds until a try is let through, 0 for now. Counts a try of this name at this address beforehand, so that
        many at once do not slip through."""
        wait = hit(NAME_AT_ADDRESS.name, self._pair, NAME_AT_ADDRESS.tries, NAME_AT_ADDRESS.seconds)
        if not wait and not retry_after(KNOWN.name, self._pair, KNOWN.tries, KNOWN.seconds):
            wait = max(
                retry_after(ADDRESS.name, self.address, ADDRESS.tries, ADDRESS.seconds),
                retry_after(NAME.name, self._name, NAME.tries, NAME.seconds),
            )
        return wait

    def failed(self) -> None:
        """Counts a wrong password, or a name that does not exist."""
        hit(ADDRESS.name, self.address, ADDRESS.tries, ADDRESS.seconds)
        hit(NAME.name, self._name, NAME.tries, NAME.seconds)

    def succeeded(self) -> None:
        """A right sign-in counts for nothing, and makes the address known for this name."""
        forget(NAME_AT_ADDRESS.name, self._pair)
        forget(KNOWN.name, self._pair)
        hit(KNOWN.name, self._pair, KNOWN.tries, KNOWN.seconds)

    def is_first_lock_out(self) -> bool:
        """Whether nobody has noted, for a while, that this name is locked out at this address."""
        return hit(NOTED.name, self._pair, NOTED.tries, NOTED.seconds) == 0


def network_of(address: str) -> str:
    """An IPv4 address, or the 64 bits of IPv6 that one connection is given. What is neither stays as it is."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((parsed, 64), strict=False))
