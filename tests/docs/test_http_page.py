"""The page about HTTP: every address of visitors and of the console stands on it, with its method, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from chat.widget.attachment_views import STATUSES
from tests.harness.servers.process import ROOT

PAGE = (ROOT / "docs/http.md").read_text(encoding="utf-8")
DOCUMENTED = dict(re.findall(r"^\| `(/[^`]*)` \| (GET|POST) \|", PAGE, re.MULTILINE))
KINDS = {"uuid": "ID", "slug": "KEY", "int": "N"}
# Django's and allauth's own, and the administrators' pages.
OURS = ("chat.", "console.", "knowledge.")


def addresses(patterns: Iterable[URLPattern | URLResolver], before: str = "/") -> Iterator[tuple[str, Any]]:
    for each in patterns:
        path = before + re.sub(r"<(\w+):\w+>", lambda found: KINDS[found[1]], str(each.pattern))
        if isinstance(each, URLResolver):
            if each.app_name != "admin":
                yield from addresses(each.url_patterns, path)
        elif each.callback.__module__.startswith(OURS):
            yield path, each.callback


ADDRESSES = dict(addresses(get_resolver().url_patterns))


def test_every_address_is_documented_and_no_other() -> None:
    assert DOCUMENTED.keys() == ADDRESSES.keys()


@pytest.mark.parametrize("address", sorted(DOCUMENTED))
def test_an_address_takes_the_method_that_the_page_names(client: Client, address: str) -> None:
    """The other one is answered with 405 before anything else is looked at."""
    real = address.replace("ID", "0f8fad5b-d9cb-469f-a165-70867728950e").replace("KEY", "qinglan")
    other = client.post if DOCUMENTED[address] == "GET" else client.get
    answer = other(real.replace("/N", "/1"))

    assert answer.status_code == 405
    assert DOCUMENTED[address] in answer["Allow"]


def test_every_status_of_visitors_addresses_is_named() -> None:
    visitors = PAGE.split("## Visitors")[1].split("## Staff")[0]
    for code, status in STATUSES.items():
        assert re.search(rf"{status} (`\w+`( and )?)*`{code}`", visitors.replace("\n", " ")), code
