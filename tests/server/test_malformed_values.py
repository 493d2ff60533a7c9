"""Tests of values that cannot be stored or parsed: at every URL, they are refused without a server error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from django.contrib.auth import get_user
from django.test import Client

from tests.harness.servers.process import ROOT
from tests.people import Cast, session_of
from tests.server.test_request_scope import paths

pytestmark = pytest.mark.django_db

VALUES = {
    "number beyond 64 bits": b"10000000000000000000",
    "negative number": b"-1",
    "negative number beyond 64 bits": b"-10000000000000000000",
    "infinite number": b"1e400",
    "NUL": b"a\x00b",
    "lone surrogate": b"\xed\xa0\x80",
    "digits that are not ASCII": "²٣".encode(),
}
JSON = {
    "nested arrays": "[" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "escaped lone surrogate": '"\\ud800"',
}
APPS = ("accounts", "chat", "console", "core", "exams", "knowledge", "privacy", "server")


def field_names() -> list[str]:
    """Search the source code and return all parameter names that views, forms and filters read."""
    names = {"q", "p", "o", "e", "all", "next", "action", "_selected_action", "id", "id__exact", "pk__in"}
    for app in APPS:
        for file in (ROOT / app).rglob("*.py"):
            source = file.read_text(encoding="utf-8")
            names |= set(
                re.findall(r'(?:(?:GET|POST|cleaned_data|body|data)[\[(]|\.get\w*\()"(\w+)"', source)
            )
            if "forms" in file.name or file.parent.name == "admin":
                names |= set(re.findall(r"^    (\w+) = (?:forms|\w*Field)", source, re.M))
    return sorted(names)


def urls(value: bytes) -> Iterator[str]:
    """Yield every URL path. Each path with a number is yielded a second time, with `value` in place of the number."""
    for path in sorted(set(paths())):
        yield path
        if "/1" in path:
            yield path.replace("/1", f"/{quote_from_bytes(value)}")


@pytest.fixture
def client_for(cast: Cast) -> Iterator[Callable[[str], Client]]:
    """Yield a function that returns, for a path, the client of the person who may see the most there.

    Afterwards, check that the test has signed out none of these people.
    """
    clients = {person: Client(raise_request_exception=False) for person in (cast.an, cast.ning, cast.yun)}
    for person, client in clients.items():
        client.cookies["sessionid"] = session_of(person)
    yield lambda path: clients[
        cast.an if path.startswith("/admin/") else cast.ning if "/points/" in path else cast.yun
    ]
    assert [get_user(client) for client in clients.values()] == list(clients)


def on_both(*names: str) -> list[Any]:
    """Return test parameters for these names. All run on PostgreSQL. Those that SQLite's driver refuses with errors of
    its own also run on SQLite."""
    refused = ("number beyond 64 bits", "lone surrogate")
    return [pytest.param(name, marks=[pytest.mark.both_databases] * (name in refused)) for name in names]


@pytest.mark.parametrize("name", on_both(*VALUES))
def test_malformed_value_never_causes_a_server_error(name: str, client_for: Callable[[str], Client]) -> None:
    value = VALUES[name]
    query = "&".join(f"{field}={quote_from_bytes(value)}" for field in field_names())
    failed = []
    for path in urls(value):
        if path.startswith("/console/logout") or path.startswith("/admin/logout"):
            continue
        client = client_for(path)
        for answer in (
            client.get(f"{path}?{query}", headers={"accept": "text/html"}),
            client.post(path, query, content_type="application/x-www-form-urlencoded"),
        ):
            if answer.status_code >= 500:
                failed.append((answer.request["REQUEST_METHOD"], path, answer.status_code))
    assert failed == []


@pytest.mark.parametrize("name", on_both(*JSON, *VALUES))
def test_malformed_json_never_causes_a_server_error(name: str, client_for: Callable[[str], Client]) -> None:
    if name in JSON:
        text = JSON[name]
    else:
        value: Any = VALUES[name].decode("utf-8", "replace")
        if name != "NUL" and re.fullmatch(r"[-\de]+", value):
            value = "@@"
        pairs = json.dumps(dict.fromkeys(field_names(), value))
        text = pairs.replace('"@@"', VALUES[name].decode("utf-8", "replace"))
    failed = []
    for path in urls(b"1"):
        if path.startswith("/admin/") or "logout" in path:
            continue
        answer = client_for(path).post(path, text, content_type="application/json")
        if answer.status_code >= 500:
            failed.append((path, answer.status_code))
    assert failed == []
