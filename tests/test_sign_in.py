"""The door for staff: passwords cannot be tried on and on, and it sends nobody elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Staff
from tests.people import PASSWORD, Cast

pytestmark = pytest.mark.django_db

ELSEWHERE = ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)")


@pytest.fixture(autouse=True)
def passwords(cast: Cast, settings: Settings) -> Iterator[None]:
    """Everybody can sign in, and no attempt of another test counts."""
    # How a password is hashed is Django's business; here fifty are tried.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    Staff.objects.update(password=make_password(PASSWORD))
    cache.clear()
    yield
    cache.clear()


@pytest.mark.parametrize("proxies", [0, 1], ids=["alone", "behind a proxy"])
def test_passwords_cannot_be_tried_on_and_on(proxies: int, settings: Settings) -> None:
    """Neither on one account from many addresses, nor on many accounts from one that says it is many."""
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies

    def signs_in(username: str, password: str, *, address: str, said: str = "203.0.113.1") -> bool:
        client = Client()
        # A proxy of ours adds, at the end, whom it heard.
        forwarded = f"{said}, {address}" if proxies else said
        client.post(
            "/console/login/",
            {"login": username, "password": password},
            headers={"x-forwarded-for": forwarded},
            REMOTE_ADDR="10.0.0.1" if proxies else address,
        )
        return SESSION_KEY in client.session

    here, attacker = "192.0.2.9", "192.0.2.1"
    assert signs_in("mei", PASSWORD, address=here)
    for number in range(10):
        assert not signs_in("mei", "wrong", address=f"198.51.100.{number}")
    assert not signs_in("mei", PASSWORD, address=here)

    for number in range(10):
        assert not signs_in(f"nobody{number}", "wrong", address=attacker, said=f"203.0.113.{number}")
    assert not signs_in("hao", PASSWORD, address=attacker, said="203.0.113.99")
    assert signs_in("hao", PASSWORD, address=here)


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_nobody_is_sent_to_another_site(wanted: str) -> None:
    client = Client()
    answer = client.post("/console/login/", {"login": "mei", "password": PASSWORD, "next": wanted})
    assert answer.headers["Location"] == "/console/"
    for path in ("/console/language/", "/console/logout/"):
        answer = client.post(path, {"language": "en", "next": wanted})
        assert answer.headers["Location"] in ("/", "/console/login/")


def test_signing_in_gives_a_new_session_and_leaving_takes_a_click(settings: Settings) -> None:
    client = Client()
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = planted = session.session_key or ""
    client.post("/console/login/", {"login": "mei", "password": PASSWORD})
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != planted
    # An image on another page may ask for it; only a form of ours does it.
    client.get("/console/logout/")
    assert SESSION_KEY in client.session
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post("/console/logout/").status_code == 403


@pytest.mark.django_db
def test_a_cookie_that_no_session_could_have_asks_to_sign_in(client: Client) -> None:
    """A cookie may name any character, by its number between quotes: also the one that PostgreSQL refuses."""
    for cookie in ('"\\000aaaaaaaaaaaa"', '"aaaaaaaa\\000"', "x" * 500):
        answer = client.get("/console/", headers={"cookie": f"sessionid={cookie}", "accept": "text/html"})
        assert answer.status_code == 302
