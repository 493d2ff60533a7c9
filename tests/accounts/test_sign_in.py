"""Tests of the sign-in of staff: password attempts are limited, and redirects never lead to another website."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.http import HttpResponse
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import AuditEntry, Staff
from accounts.sign_in import ADDRESS, NAME
from core import rate_limits
from tests.people import PASSWORD, Cast

pytestmark = pytest.mark.django_db

ELSEWHERE = ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)")


@pytest.fixture(autouse=True)
def passwords(cast: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give all staff the same password, and reset the counters of password attempts."""
    Staff.objects.update(password=make_password(PASSWORD))
    settings.REDIS_URL = ""
    monkeypatch.setattr(rate_limits, "local_counters", rate_limits.LocalCounters())


def try_to_sign_in(
    username: str, password: str, *, address: str = "192.0.2.9", proxies: int = 0, **headers: str
) -> HttpResponse:
    """Try to sign in once from a new browser.

    X-Forwarded-For contains `claimed`, a false address that the client sent. If `proxies` is not 0, a proxy has added
    the real address, `address`, after it.
    """
    claimed = headers.pop("claimed", "203.0.113.1")
    forwarded = f"{claimed}, {address}" if proxies else claimed
    return Client().post(  # type: ignore[return-value]
        "/console/login/",
        {"login": username, "password": password},
        headers={"x-forwarded-for": forwarded, **headers},
        REMOTE_ADDR="10.0.0.1" if proxies else address,
    )


def signs_in(username: str, password: str, **where: Any) -> bool:
    return try_to_sign_in(username, password, **where).status_code == 302


@pytest.mark.parametrize("proxies", [0, 1], ids=["alone", "behind a proxy"])
def test_name_with_ten_failures_is_refused_at_that_address_only(proxies: int, settings: Settings) -> None:
    settings.PROXY_COUNT = proxies
    bad = {"address": "192.0.2.1", "proxies": proxies}
    for number in range(10):
        assert not signs_in("mei", "wrong", claimed=f"203.0.113.{number}", **bad)
    assert not signs_in("mei", PASSWORD, claimed="203.0.113.99", **bad)
    assert signs_in("mei", PASSWORD, address="192.0.2.9", proxies=proxies)


def test_failures_of_one_name_do_not_lock_out_colleagues_at_the_same_address() -> None:
    for _ in range(12):
        signs_in("mei", "wrong")
    assert signs_in("hao", PASSWORD)


def test_failures_with_many_names_at_an_address_stop_only_names_unknown_there() -> None:
    assert signs_in("mei", PASSWORD)
    for number in range(ADDRESS.tries):
        signs_in(f"nobody{number}", "wrong")
    assert not signs_in("hao", PASSWORD)
    assert signs_in("mei", PASSWORD)
    assert signs_in("hao", PASSWORD, address="198.51.100.7")


def test_failures_from_many_addresses_slow_a_name_down_except_at_its_known_address() -> None:
    assert signs_in("mei", PASSWORD, address="192.0.2.9")
    for number in range(NAME.tries):
        assert not signs_in("mei", "wrong", address=f"198.51.100.{number}")
    assert not signs_in("mei", PASSWORD, address="198.51.100.200")
    assert signs_in("mei", PASSWORD, address="192.0.2.9")


def test_successful_sign_ins_of_a_whole_branch_are_never_refused() -> None:
    assert all(signs_in(name, PASSWORD) for name in ("mei", "hao", "jun", "yun") * 30)


def test_attempts_are_counted_independently_of_the_host_header(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    for number in range(10):
        signs_in("mei", "wrong", host=f"h{number}.example")
    assert not signs_in("mei", PASSWORD, host="another.example")


@pytest.mark.parametrize(
    ("language", "text"), [("en", "Try again in 15 minutes"), ("zh-hans", "15 分钟后再试")]
)
def test_refusal_names_the_waiting_time_in_the_readers_language(language: str, text: str) -> None:
    for _ in range(10):
        signs_in("mei", "wrong")
    answer = try_to_sign_in("mei", PASSWORD, cookie=f"django_language={language}")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60
    assert text in answer.content.decode()


def test_unknown_name_is_answered_and_limited_like_a_known_one() -> None:
    """Check that existing and unknown names get the same response, after the same work.

    The password is hashed in both cases, so that the response time does not reveal whether the name exists.
    """

    def body(username: str) -> str:
        return re.sub(
            r'value="[^"]*"|token[^ >]*|"X-CSRFToken[^}]*',
            "",
            try_to_sign_in(username, "wrong").content.decode(),
        )

    with patch.object(Staff, "set_password", autospec=True, side_effect=Staff.set_password) as hashed:
        assert body("mei") == body("nobody-of-ours")
        assert hashed.call_count == 1
    for name in ("mei", "nobody-of-ours"):
        codes = [try_to_sign_in(name, "wrong").status_code for _ in range(10)]
        assert codes == [200] * 9 + [429]


def test_admin_login_redirects_to_the_sign_in_page() -> None:
    answer = Client().post("/admin/login/", {"username": "an", "password": PASSWORD})
    assert (answer.status_code, "/console/login/" in answer.headers["Location"]) == (302, True)


def test_sign_in_failure_lock_out_and_sign_out_are_audited_without_typed_text() -> None:
    client = Client(REMOTE_ADDR="192.0.2.9")
    client.post("/console/login/", {"login": "mei", "password": PASSWORD})
    client.post("/console/logout/")
    signs_in("my-secret-word", "wrong")
    for _ in range(12):
        signs_in("mei", "wrong")
    trail = list(AuditEntry.objects.order_by("pk"))
    mei = Staff.objects.get(username="mei")
    assert [entry.verb for entry in trail] == [
        "session.signed_in",
        "session.signed_out",
        "session.sign_in_failed",
        *["session.sign_in_failed"] * 10,
        "session.locked_out",
    ]
    assert [entry.actor for entry in trail] == [mei, mei, *[None] * 12]
    assert [entry.object_id for entry in trail] == [str(mei.pk)] * 2 + [""] + [str(mei.pk)] * 11
    assert {tuple(entry.detail) for entry in trail} == {("address",)}
    assert "secret-word" not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize("next_url", ELSEWHERE)
def test_redirects_after_sign_in_stay_on_this_site(next_url: str) -> None:
    client = Client()
    answer = client.post("/console/login/", {"login": "mei", "password": PASSWORD, "next": next_url})
    assert answer.headers["Location"] == "/console/"
    for path in ("/console/language/", "/console/logout/"):
        answer = client.post(path, {"language": "en", "next": next_url})
        assert answer.headers["Location"] in ("/", "/console/login/")


def test_sign_in_creates_a_new_session_and_sign_out_needs_a_posted_form(settings: Settings) -> None:
    client = Client()
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = planted = session.session_key or ""
    client.post("/console/login/", {"login": "mei", "password": PASSWORD})
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != planted
    # Signing out requires a posted form, because an image on a foreign page can cause a GET request.
    client.get("/console/logout/")
    assert SESSION_KEY in client.session
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post("/console/logout/").status_code == 403


@pytest.mark.django_db
def test_invalid_session_cookie_leads_to_sign_in(client: Client) -> None:
    """Check that invalid session cookies cause no error.

    A quoted cookie can contain any character as an escape sequence, even NUL, which PostgreSQL refuses.
    """
    for cookie in ('"\\000aaaaaaaaaaaa"', '"aaaaaaaa\\000"', "x" * 500):
        answer = client.get("/console/", headers={"cookie": f"sessionid={cookie}", "accept": "text/html"})
        assert answer.status_code == 302
