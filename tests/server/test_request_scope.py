"""Tests that no header of a client influences the URLs that the service generates.

Every URL is requested without and with all headers that could have an influence.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from django.test import override_settings
from django.urls import URLPattern, URLResolver, get_resolver

from server.request_scope import REMOVED_HEADERS, clean
from tests.conftest import Processes
from tests.harness.servers import AppServer
from tests.harness.sockets import Widget
from tests.people import SITE_KEY, Cast, session_of

EVIL = "evil.example"
# Headers that would influence generated URLs or the method, if the service trusted them.
FORGED = {
    "Daphne-Root-Path": f"/@{EVIL}",
    "Forwarded": f"for=203.0.113.9;host={EVIL};proto=https",
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Server": EVIL,
    "X-Forwarded-Prefix": f"/@{EVIL}",
    "X-Forwarded-Path": f"/@{EVIL}",
    "X-Forwarded-Uri": f"/@{EVIL}",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Scheme": "https",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Port": "4443",
    "X-Host": EVIL,
    "X-Original-Host": EVIL,
    "X-HTTP-Host-Override": EVIL,
    "X-Original-URL": f"/@{EVIL}",
    "X-Rewrite-URL": f"/@{EVIL}",
    "X-Script-Name": f"/@{EVIL}",
    "X-Url-Scheme": "https",
    "Script-Name": f"/@{EVIL}",
    "SCRIPT_NAME": f"/@{EVIL}",
    "X_Forwarded_Host": EVIL,
    "X_Forwarded_Proto": "https",
    "X-HTTP-Method-Override": "DELETE",
    "X-HTTP-Method": "DELETE",
    "X-Method-Override": "DELETE",
}
# Attributes of a page that may contain URLs.
URLS = re.compile(
    rb"""(?:href|src|action|formaction|data-\w+|hx-\w+|content|frame)["']?\s*[=:]\s*["']([^"']*)"""
)
VALUES = {
    "key": SITE_KEY,
    "slug": "a",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "int": "1",
    "str": "a",
    "path": "a",
}


def paths(patterns: list[Any] | None = None, before: str = "/") -> Iterator[str]:
    """Yield every path of the URL configuration, with a value in place of each parameter."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = before + _filled(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from paths(pattern.url_patterns, path)
        else:
            assert isinstance(pattern, URLPattern)
            yield path


def _filled(route: str) -> str:
    route = re.sub(
        r"<(?:(\w+):)?(\w+)>",
        lambda match: VALUES.get(match[2]) or VALUES.get(match[1] or "str", "1"),
        route,
    )
    # Some routes of admin are regular expressions.
    return re.sub(r"[\^$\\]|\(\?P.*", "", route)


def ask(
    server: AppServer, path: str, headers: list[tuple[str, str]], verb: str = "GET"
) -> tuple[int, str | None, list[bytes], list[str]]:
    """Send a request, check that the response does not contain EVIL, and return the parts that forged headers could
    influence.

    These are the status, the Location header, the URLs in the body, and the origins in the content security policy.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        has_host = any(name == "Host" for name, _ in headers)
        connection.putrequest(verb, path, skip_host=has_host, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    policy = re.findall(
        r"(?:connect-src|frame-ancestors)[^;]*", answer.headers.get("Content-Security-Policy", "")
    )
    assert EVIL.encode() not in body
    assert EVIL not in str(answer.headers)
    # Leave out tokens, which are no URLs and differ from one response to the next.
    urls = [value for value in URLS.findall(body) if not re.fullmatch(rb"\w{64}", value)]
    return answer.status, answer.headers.get("Location"), urls, policy


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, processes: Processes) -> AppServer:
    return processes.daphne if request.param == "daphne" else processes.uvicorn


@pytest.mark.django_db(transaction=True)
def test_every_url_gives_the_same_response_with_forged_headers(cast: Cast, server: AppServer) -> None:
    cookie = ("Cookie", f"sessionid={session_of(cast.an)}; django_language=en")
    requested = sorted(set(paths()))
    assert len(requested) > 150
    for path in requested:
        headers = [("Accept", "text/html"), cookie]
        forged, plain = ask(server, path, [*headers, *FORGED.items()]), ask(server, path, headers)
        # Each request for the audit trail adds an entry, so do not compare the bodies of the two responses there.
        compared = 2 if path == "/admin/accounts/auditentry/" else 4
        assert forged[:compared] == plain[:compared], path


@pytest.mark.parametrize(
    "path", ["/widget.js", f"/widget/{SITE_KEY}/look.js", f"/widget/{SITE_KEY}/", "/console/"]
)
@pytest.mark.django_db(transaction=True)
def test_each_forged_header_alone_changes_nothing(path: str, cast: Cast, server: AppServer) -> None:
    plain = ask(server, path, [])
    for header in FORGED.items():
        assert ask(server, path, [header]) == plain, header
    here = ("Host", f"127.0.0.1:{server.port}")
    assert ask(server, f"http://{EVIL}{path}", [here]) == plain, "absolute target"
    for port in ("", ":1", ":65535"):
        assert ask(server, path, [("Host", f"127.0.0.1{port}")]) == plain, port
    for hosts in (
        [here, ("Host", EVIL)],
        [("Host", EVIL), here],
        [("Host", EVIL)],
        [("Host", f"127.0.0.1@{EVIL}")],
    ):
        assert ask(server, path, hosts)[0] == 400, hosts


@pytest.mark.django_db(transaction=True)
def test_socket_url_is_found_with_a_forged_root_path(cast: Cast, server: AppServer) -> None:
    with Widget(server, headers={"Daphne-Root-Path": "/ws", "X-Script-Name": "/ws"}) as widget:
        assert widget.open()["kind"] == "welcome"


@pytest.mark.django_db(transaction=True)
def test_scripts_for_other_origins_are_equal_for_every_reader(cast: Cast, server: AppServer) -> None:
    """Check that the responses do not depend on cookies and other headers, because a shared cache may store them.

    They may depend only on the accepted compression.
    """
    for path in ("/widget.js", f"/widget/{SITE_KEY}/look.js?language=en"):
        answers = []
        for headers in (
            {},
            {"Cookie": "sessionid=x; django_language=en", "Accept-Language": "zh", **FORGED},
        ):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answers.append((answer.status, answer.read(), answer.headers["Cache-Control"]))
            assert "Set-Cookie" not in answer.headers
            assert "cookie" not in (answer.headers["Vary"] or "").lower()
            connection.close()
        assert answers[0] == answers[1]
        assert answers[0][2].startswith("public, max-age=")


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("behind_tls", [True, False])
def test_scheme_follows_the_settings(kind: Literal["http", "websocket"], behind_tls: bool) -> None:
    scope = {
        "type": kind,
        "scheme": "ftp",
        "root_path": "/x",
        "path": "/a",
        "headers": [(name, b"x") for name in REMOVED_HEADERS] + [(b"host", b"a"), (b"x_y", b"1")],
    }
    with override_settings(BEHIND_TLS=behind_tls):
        cleaned = clean(scope)
    secure, plain = ("https", "http") if kind == "http" else ("wss", "ws")
    assert cleaned["scheme"] == (secure if behind_tls else plain)
    assert cleaned["root_path"] == ""
    assert cleaned["headers"] == [(b"host", b"a")]


@pytest.mark.parametrize(
    ("target", "path"),
    [("/a//b", "/a//b"), ("http://evil.example/a/b", "/a/b"), ("http://evil.example", "/"), ("*", "*")],
)
def test_absolute_request_target_is_reduced_to_its_path(target: str, path: str) -> None:
    assert clean({"type": "http", "path": target, "headers": []})["path"] == path
