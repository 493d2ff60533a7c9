"""The box's pages over HTTP: who may frame them, what they set, and the words of the hour."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from chat.models import BusinessText, TextCode
from chat.widget import ui_strings
from tests.people import ORIGIN, SITE_KEY, Cast

BOX = f"/widget/{SITE_KEY}/"


def policy(client: Client, path: str) -> dict[str, list[str]]:
    header = client.get(path).headers["Content-Security-Policy"]
    return {name: values for name, *values in (part.split() for part in header.split(";"))}


def test_exactly_the_allowed_origins_may_frame_the_box(client: Client, cast: Cast) -> None:
    cast.site.allowed_origins = f"{ORIGIN}\n\nhttps://m.bank.example:8443\n"
    cast.site.save(update_fields=["allowed_origins"])
    found = policy(client, BOX)
    assert found["frame-ancestors"] == [ORIGIN, "https://m.bank.example:8443"]
    assert "X-Frame-Options" not in client.get(BOX).headers


def test_a_site_without_origins_is_framed_by_nobody(client: Client, cast: Cast) -> None:
    cast.site.allowed_origins = ""
    cast.site.save(update_fields=["allowed_origins"])
    assert policy(client, BOX)["frame-ancestors"] == ["'none'"]


@pytest.mark.parametrize("path", [BOX, "/"])
def test_the_policy_lets_nothing_inline_run(client: Client, cast: Cast, path: str) -> None:
    found = policy(client, path)
    assert found["default-src"] == ["'none'"]
    assert found["script-src"] == ["'self'"]
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "data:"} & {
        each for values in found.values() for each in values
    }


def test_the_one_style_in_the_page_bears_the_nonce_of_its_answer(client: Client, cast: Cast) -> None:
    response = client.get(BOX)
    [nonce] = re.findall(r'<style nonce="([^"]+)">', response.content.decode())
    assert f"'nonce-{nonce}'" in response.headers["Content-Security-Policy"]
    assert nonce not in client.get(BOX).headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/widget.js", BOX, f"{BOX}look.js"])
def test_no_page_of_the_box_sets_a_cookie(client: Client, cast: Cast, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert not response.cookies
    assert "Cookie" not in response.headers.get("Vary", "")


@pytest.mark.parametrize("path", ["/widget/nobody/", "/widget/nobody/look.js"])
def test_an_unknown_site_is_not_found(client: Client, cast: Cast, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_site_out_of_use_is_not_found(client: Client, cast: Cast) -> None:
    cast.site.is_active = False
    cast.site.save(update_fields=["is_active"])
    assert client.get(BOX).status_code == 404
    assert 'data-site="' not in client.get("/").content.decode()


def test_the_page_is_never_kept_and_the_loader_only_shortly(client: Client, cast: Cast) -> None:
    assert "no-store" in client.get(BOX).headers["Cache-Control"]
    for path in ("/widget.js", f"{BOX}look.js"):
        response = client.get(path)
        assert response.headers["Cache-Control"] == "public, max-age=300"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Content-Type"].startswith("text/javascript")


@pytest.mark.parametrize(
    ("language", "title"), [("zh", "在线客服"), ("en", "Chat with us"), ("fr", "在线客服")]
)
def test_the_look_is_a_module_in_the_language_of_the_page(
    client: Client, cast: Cast, language: str, title: str
) -> None:
    source = client.get(f"{BOX}look.js?language={language}").content.decode()
    look = json.loads(source.removeprefix("export default ").rstrip(";\n"))
    assert look["title"] == title
    assert look["accent"] == cast.site.accent
    assert look["frame"].startswith(f"{BOX}?language=")


def test_hostile_words_of_a_bank_stay_words(client: Client, cast: Cast) -> None:
    cast.site.title_zh = "</script><script>alert(1)</script>"[:40]
    cast.site.save(update_fields=["title_zh"])
    BusinessText.objects.create(
        site=cast.site, code=TextCode.PRIVACY, language="zh", body="</p><img src=x onerror=alert(1)>"
    )
    html = client.get(BOX).content.decode()
    assert "<script>alert" not in html
    assert "<img src=x" not in html


@pytest.mark.parametrize(
    ("hour_utc", "code"),
    [
        (20, TextCode.GREETING_NIGHT),  # 4 h in Shanghai
        (21, TextCode.GREETING_MORNING),
        (3, TextCode.GREETING_MORNING),
        (4, TextCode.GREETING_AFTERNOON),
        (10, TextCode.GREETING_EVENING),
        (14, TextCode.GREETING_EVENING),
        (15, TextCode.GREETING_NIGHT),
    ],
)
def test_the_greeting_is_that_of_the_hour_at_the_bank(hour_utc: int, code: TextCode) -> None:
    assert ui_strings.greeting_code(datetime(2026, 11, 23, hour_utc, tzinfo=UTC)) == code


def test_the_banks_own_words_come_first_and_ours_where_it_has_none(client: Client, cast: Cast) -> None:
    for code in (code for code in TextCode if code.startswith("greeting")):
        BusinessText.objects.create(site=cast.site, code=code, language="zh", body="灯还亮着。")
    assert "灯还亮着。" in client.get(f"{BOX}?language=zh").content.decode()
    english = client.get(f"{BOX}?language=en").content.decode()
    assert "灯还亮着。" not in english
    assert "Please don&#x27;t write passwords" in english


def test_the_box_asks_for_the_same_few_rows_whatever_the_bank_has_set_up(
    client: Client, cast: Cast, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(5):  # type: ignore[operator]
        client.get(BOX)
