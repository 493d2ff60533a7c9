"""The network address of a client, for rate limits and for the audit trail."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def address_of(client: HttpRequest | Mapping[str, Any]) -> str | None:
    """Return the client's address from a request or an ASGI scope, or None if it is unknown.

    A limit by address does not apply to an unknown address. Behind LIANXIN_PROXY_COUNT proxies, the address is the
    entry that the outermost proxy added to X-Forwarded-For. Without proxies, it is the peer of the connection. An IPv6
    address is returned as its /64 network, because one subscriber usually has a whole /64.

    The result is also None when there may be a proxy that the settings do not mention: when the peer is this machine,
    or when LIANXIN_PROXY_COUNT is 0 and X-Forwarded-For is present. All clients of that proxy would share one limit, so
    no limit by address applies to them.
    """
    peer, addresses = _peer_and_forwarded(client)
    count = settings.PROXY_COUNT
    if not count and not any(addresses):
        addresses, count = [peer], 1
    address = _parse(addresses[-count]) if 0 < count <= len(addresses) else None
    return _network_of(address) if address and not address.is_loopback else None


def address_or_peer(request: HttpRequest) -> str:
    """Return `address_of` the client. If it is unknown, return the peer of the connection, or "" if that is unknown,
    too.

    Sign-in uses this function, because its limits must also apply to clients with an unknown address, and the audit
    trail must contain their attempts.
    """
    peer = _parse(request.META.get("REMOTE_ADDR", ""))
    return address_of(request) or (_network_of(peer) if peer else "")


def _peer_and_forwarded(client: HttpRequest | Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the address of the peer, and the entries of all X-Forwarded-For headers in order."""
    if isinstance(client, HttpRequest):
        peer, forwarded = client.META.get("REMOTE_ADDR", ""), client.headers.get("X-Forwarded-For", "")
    else:
        headers = client.get("headers", ())
        peer = (client.get("client") or [""])[0]
        forwarded = ",".join(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")
    return peer, [entry.strip() for entry in forwarded.split(",")]


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _network_of(address: IPv4Address | IPv6Address) -> str:
    return str(IPv6Network((address, 64), strict=False) if isinstance(address, IPv6Address) else address)
