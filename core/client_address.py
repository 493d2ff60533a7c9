"""The network address of a client, as a key for rate limits."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def address_of(scope: Mapping[str, Any]) -> str | None:
    """Return the client's address from an ASGI scope, or None if it is unknown; then no limit by address applies.

    Behind LIANXIN_PROXY_COUNT proxies it is the entry of X-Forwarded-For that the outermost of them added; without
    proxies it is the peer of the connection. An IPv6 address is returned as its /64 network, which is what one
    subscriber is given.

    The address is also unknown when an undeclared proxy may stand in between: when the peer is this machine, or when
    LIANXIN_PROXY_COUNT is 0 and X-Forwarded-For is present. All clients of that proxy would share one limit.
    """
    addresses, count = _forwarded(scope.get("headers", ())), settings.PROXY_COUNT
    if not count and not any(addresses):
        addresses, count = [(scope.get("client") or [""])[0]], 1
    try:
        address = ip_address(addresses[-count] if count else "")
    except (ValueError, IndexError):
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return None if address.is_loopback else str(IPv6Network((address, 64), strict=False))
        address = address.ipv4_mapped
    return None if address.is_loopback else str(address)


def address_of_request(request: HttpRequest) -> str | None:
    """Return the client's address from a Django request, by the rules of `address_of`."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").encode("latin-1", "replace")
    headers = [(b"x-forwarded-for", forwarded)] if forwarded else []
    return address_of({"client": [request.META.get("REMOTE_ADDR", ""), 0], "headers": headers})


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Return the entries of all X-Forwarded-For headers, in order."""
    values = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return [entry.strip() for entry in ",".join(values).split(",")]
