"""Tests of docs/http.md: it lists the URLs for visitors and those of the console, with their methods, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.harness.servers.process import ROOT

PAGE = (ROOT / "docs/http.md").read_text(encoding="utf-8")
DOCUMENTED = dict(re.findall(r"^\| `(/[^`]*)` \| (GET|POST) \|", PAGE, re.MULTILINE))
PLACEHOLDERS = {"uuid": "ID", "slug": "KEY", "int": "N"}
# docs/http.md lists only the URLs of these packages, not those of admin, Django and allauth.
OUR_MODULES = ("chat.", "console.", "knowledge.")


def list_addresses(
    patterns: Iterable[URLPattern | URLResolver], prefix: str = "/"
) -> Iterator[tuple[str, Any]]:
    """Yield (URL, view) for each of our URLs, with the placeholders that docs/http.md uses."""
    for pattern in patterns:
        path = prefix + re.sub(r"<(\w+):\w+>", lambda match: PLACEHOLDERS[match[1]], str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from list_addresses(pattern.url_patterns, path)
        elif pattern.callback.__module__.startswith(OUR_MODULES):
            yield path, pattern.callback


ADDRESSES = dict(list_addresses(get_resolver().url_patterns))


def test_page_lists_every_address_and_no_other() -> None:
    assert DOCUMENTED.keys() == ADDRESSES.keys()


@pytest.mark.parametrize("address", sorted(DOCUMENTED))
def test_address_answers_405_to_any_method_but_the_documented_one(client: Client, address: str) -> None:
    """Check that any method other than the documented one gets status 405.

    The method is checked before rights, so the client needs no session.
    """
    path = address.replace("ID", "0f8fad5b-d9cb-469f-a165-70867728950e").replace("KEY", "qinglan")
    send = client.post if DOCUMENTED[address] == "GET" else client.get
    response = send(path.replace("/N", "/1"))

    assert response.status_code == 405
    assert DOCUMENTED[address] in response["Allow"]
