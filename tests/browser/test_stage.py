"""The stage of the browser tests itself: it stands, and it notices what goes wrong."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Axe, ChatServer, HostPage, PageFactory, SignIn, Watch
from tests.browser.waiting import wait_until
from tests.people import MEI


def test_the_bank_page_stands_on_another_origin(page_factory: PageFactory, host_page: HostPage) -> None:
    page = page_factory(allow="widget.js|404")
    page.goto(host_page.url(language="en"))

    expect(page.get_by_role("heading", name="Qinglan Bank")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"


def test_a_page_that_breaks_a_policy_is_noticed(page_factory: PageFactory, host_page: HostPage) -> None:
    page = page_factory(allow=".")
    watch = Watch()
    watch.page(page, "")
    page.goto(host_page.url())
    _break_the_policy(page)
    wait_until(page, "window.violated")

    assert any("Content Security Policy" in problem for problem in watch.problems)


def _break_the_policy(page: Page) -> None:
    page.evaluate(
        """() => {
            document.addEventListener("securitypolicyviolation", () => { window.violated = true })
            const image = document.createElement("img")
            image.src = "https://elsewhere.invalid/a.png"
            document.body.append(image)
        }"""
    )


def test_axe_finds_an_image_without_words(page_factory: PageFactory, host_page: HostPage, axe: Axe) -> None:
    page = page_factory(allow="widget.js|404")
    page.goto(host_page.url())
    axe(page)
    page.evaluate(
        "() => { const image = document.createElement('img'); image.src = 'data:,'; document.body.append(image) }"
    )

    with pytest.raises(AssertionError, match="image-alt"):
        axe(page)


def test_signed_in_staff_are_known_to_the_server(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(allow="404|500")
    sign_in(page, MEI)
    page.goto("/console/login/")

    assert "login" not in page.url
