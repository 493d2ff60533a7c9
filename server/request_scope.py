"""Removes from ASGI scopes everything that would let a client influence the URLs that we generate."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

Application = Callable[..., Awaitable[Any]]

# Headers that some server or framework reads as part of a URL or as the method. We need none of them. Daphne trusts the
# first header of this list from any client (`http_protocol.WebRequest.process`). The other headers are removed so that
# no library can start to trust them. Headers that name the client stay: `core.client_address` counts the entries of
# X-Forwarded-For, and `server.metrics_page` refuses requests that came through a proxy.
REMOVED_HEADERS = frozenset(
    {
        b"daphne-root-path",
        b"x-forwarded-host",
        b"x-forwarded-path",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-scheme",
        b"x-forwarded-server",
        b"x-forwarded-ssl",
        b"x-forwarded-uri",
        b"x-host",
        b"x-http-host-override",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-host",
        b"x-original-url",
        b"x-rewrite-url",
        b"x-script-name",
        b"x-url-scheme",
    }
)
# The scheme follows from LIANXIN_BEHIND_TLS, not from a header of a client or a proxy.
SECURE_SCHEMES = {"http": "https", "websocket": "wss"}
PLAIN_SCHEMES = {"http": "http", "websocket": "ws"}


class ScopeSanitizer:
    """Pass on each HTTP and WebSocket scope as `clean` returns it."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        return await self._application(clean(scope), receive, send)


def clean(scope: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the scope without root path and removed headers, with the configured scheme and a plain path."""
    if scope["type"] not in PLAIN_SCHEMES:
        return scope
    schemes = SECURE_SCHEMES if settings.BEHIND_TLS else PLAIN_SCHEMES
    return {
        **scope,
        "root_path": "",
        "scheme": schemes[scope["type"]],
        "path": _path(scope["path"]),
        # A header name with an underscore would count as the one with a hyphen (CVE-2015-0219); uvicorn allows it.
        "headers": [
            header
            for header in scope["headers"]
            if header[0] not in REMOVED_HEADERS and b"_" not in header[0]
        ],
    }


def _path(path: str) -> str:
    """Return the path of an absolute request target (RFC 9112, 3.2.2), which Daphne passes on completely."""
    if path.startswith("/") or "://" not in path:
        return path
    return "/" + path.partition("://")[2].partition("/")[2]
