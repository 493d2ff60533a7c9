"""The network address that somebody comes from, for limits."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def address_of(scope: Mapping[str, Any]) -> str | None:
    """Of an ASGI scope: behind proxies of ours what they say (LIANXIN_PROXY_COUNT), otherwise the other end.

    Of IPv6 the network of 64 bits that one connection is given. None where a proxy may stand between that nobody has
    told us of (this machine itself, or one that names an address), and where nothing is known: there is no limit for
    those, rather than one for everybody.
    """
    said, count = _forwarded(scope.get("headers", ())), settings.PROXY_COUNT
    if not count and not any(said):
        said, count = [(scope.get("client") or [""])[0]], 1
    try:
        address = ip_address(said[-count] if count else "")
    except (ValueError, IndexError):
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return None if address.is_loopback else str(IPv6Network((address, 64), strict=False))
        address = address.ipv4_mapped
    return None if address.is_loopback else str(address)


def address_of_request(request: HttpRequest) -> str | None:
    """Return what `address_of` returns, of a request."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").encode("latin-1", "replace")
    headers = [(b"x-forwarded-for", forwarded)] if forwarded else []
    return address_of({"client": [request.META.get("REMOTE_ADDR", ""), 0], "headers": headers})


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The entries of X-Forwarded-For, in whatever number of headers they stand."""
    lines = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return [each.strip() for each in ",".join(lines).split(",")]
