"""Tests of the widget's pages over HTTP: framing, content security policy, cookies, caching and texts."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from chat.models import BusinessText, TextCode
from chat.widget import ui_strings
from tests.people import ORIGIN, SITE_KEY, Cast

WIDGET = f"/widget/{SITE_KEY}/"


def policy(client: Client, path: str) -> dict[str, list[str]]:
    header = client.get(path).headers["Content-Security-Policy"]
    return {name: values for name, *values in (part.split() for part in header.split(";"))}


def test_widget_page_may_be_framed_by_the_allowed_origins_only(client: Client, cast: Cast) -> None:
    cast.site.allowed_origins = f"{ORIGIN}\n\nhttps://m.bank.example:8443\n"
    cast.site.save(update_fields=["allowed_origins"])
    directives = policy(client, WIDGET)
    assert directives["frame-ancestors"] == [ORIGIN, "https://m.bank.example:8443"]
    assert "X-Frame-Options" not in client.get(WIDGET).headers


def test_widget_page_of_a_site_without_origins_may_not_be_framed(client: Client, cast: Cast) -> None:
    cast.site.allowed_origins = ""
    cast.site.save(update_fields=["allowed_origins"])
    assert policy(client, WIDGET)["frame-ancestors"] == ["'none'"]


@pytest.mark.parametrize("path", [WIDGET, "/"])
def test_content_security_policy_allows_no_inline_code(client: Client, cast: Cast, path: str) -> None:
    directives = policy(client, path)
    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == ["'self'"]
    sources = {source for values in directives.values() for source in values}
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "data:"} & sources


def test_inline_style_carries_the_nonce_of_its_response(client: Client, cast: Cast) -> None:
    response = client.get(WIDGET)
    [nonce] = re.findall(r'<style nonce="([^"]+)">', response.content.decode())
    assert f"'nonce-{nonce}'" in response.headers["Content-Security-Policy"]
    assert nonce not in client.get(WIDGET).headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/widget.js", WIDGET, f"{WIDGET}look.js"])
def test_widget_and_sample_pages_set_no_cookie(client: Client, cast: Cast, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert not response.cookies
    assert "Cookie" not in response.headers.get("Vary", "")


@pytest.mark.parametrize("path", ["/widget/nobody/", "/widget/nobody/look.js"])
def test_widget_of_an_unknown_site_is_not_found(client: Client, cast: Cast, path: str) -> None:
    assert client.get(path).status_code == 404


def test_widget_of_an_inactive_site_is_not_found(client: Client, cast: Cast) -> None:
    cast.site.is_active = False
    cast.site.save(update_fields=["is_active"])
    assert client.get(WIDGET).status_code == 404
    assert 'data-site="' not in client.get("/").content.decode()


def test_widget_page_is_not_cached_and_scripts_for_five_minutes(client: Client, cast: Cast) -> None:
    assert "no-store" in client.get(WIDGET).headers["Cache-Control"]
    for path in ("/widget.js", f"{WIDGET}look.js"):
        response = client.get(path)
        assert response.headers["Cache-Control"] == "public, max-age=300"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Content-Type"].startswith("text/javascript")


@pytest.mark.parametrize(
    ("language", "title"), [("zh", "在线客服"), ("en", "Chat with us"), ("fr", "在线客服")]
)
def test_site_script_is_a_module_in_the_requested_language(
    client: Client, cast: Cast, language: str, title: str
) -> None:
    source = client.get(f"{WIDGET}look.js?language={language}").content.decode()
    values = json.loads(source.removeprefix("export default ").rstrip(";\n"))
    assert values["title"] == title
    assert values["accent"] == cast.site.accent
    assert values["frame"].startswith(f"{WIDGET}?language=")


def test_html_in_the_banks_texts_is_escaped(client: Client, cast: Cast) -> None:
    cast.site.title_zh = "</script><script>alert(1)</script>"[:40]
    cast.site.save(update_fields=["title_zh"])
    BusinessText.objects.create(
        site=cast.site, code=TextCode.PRIVACY, language="zh", body="</p><img src=x onerror=alert(1)>"
    )
    html = client.get(WIDGET).content.decode()
    assert "<script>alert" not in html
    assert "<img src=x" not in html


@pytest.mark.parametrize(
    ("hour_utc", "code"),
    [
        (20, TextCode.GREETING_NIGHT),  # 4:00 in Shanghai
        (21, TextCode.GREETING_MORNING),
        (3, TextCode.GREETING_MORNING),
        (4, TextCode.GREETING_AFTERNOON),
        (10, TextCode.GREETING_EVENING),
        (14, TextCode.GREETING_EVENING),
        (15, TextCode.GREETING_NIGHT),
    ],
)
def test_greeting_code_follows_the_hour_in_the_banks_time_zone(hour_utc: int, code: TextCode) -> None:
    assert ui_strings.greeting_code(datetime(2026, 11, 23, hour_utc, tzinfo=UTC)) == code


def test_widget_page_prefers_the_banks_texts_to_the_built_in_ones(client: Client, cast: Cast) -> None:
    for code in (code for code in TextCode if code.startswith("greeting")):
        BusinessText.objects.create(site=cast.site, code=code, language="zh", body="灯还亮着。")
    assert "灯还亮着。" in client.get(f"{WIDGET}?language=zh").content.decode()
    english = client.get(f"{WIDGET}?language=en").content.decode()
    assert "灯还亮着。" not in english
    assert "Please don&#x27;t write passwords" in english


def test_widget_page_takes_five_queries(
    client: Client, cast: Cast, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(5):  # type: ignore[operator]
        client.get(WIDGET)
