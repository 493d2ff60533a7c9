"""Tests of the fixtures of the browser tests: they work, and they detect errors on pages."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Axe, ChatServer, HostPage, PageFactory, PageMonitor, SignIn
from tests.browser.waiting import wait_until
from tests.people import MEI


def test_bank_page_has_another_origin(page_factory: PageFactory, host_page: HostPage) -> None:
    page = page_factory(allow="widget.js|404")
    page.goto(host_page.url(language="en"))

    expect(page.get_by_role("heading", name="Qinglan Bank")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"


def test_monitor_records_policy_violation(page_factory: PageFactory, host_page: HostPage) -> None:
    page = page_factory(allow=".")
    monitor = PageMonitor()
    monitor.attach(page, "")
    page.goto(host_page.url())
    _break_the_policy(page)
    wait_until(page, "window.violated")

    assert any("Content Security Policy" in problem for problem in monitor.problems)


def _break_the_policy(page: Page) -> None:
    page.evaluate(
        """() => {
            document.addEventListener("securitypolicyviolation", () => { window.violated = true })
            const image = document.createElement("img")
            image.src = "https://elsewhere.invalid/a.png"
            document.body.append(image)
        }"""
    )


def test_axe_finds_image_without_alt_text(page_factory: PageFactory, host_page: HostPage, axe: Axe) -> None:
    page = page_factory(allow="widget.js|404")
    page.goto(host_page.url())
    axe(page)
    page.evaluate(
        "() => { const image = document.createElement('img'); image.src = 'data:,'; document.body.append(image) }"
    )

    with pytest.raises(AssertionError, match="image-alt"):
        axe(page)


def test_sign_in_fixture_signs_staff_member_in(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(allow="404|500")
    sign_in(page, MEI)
    page.goto("/console/login/")

    assert "login" not in page.url
