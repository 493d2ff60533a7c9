"""Browser tests of the loader on the bank's page when something fails.

The widget can always be closed, loading is retried, and the loader survives changes of the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NETWORK_ERRORS, PHONE, ChatServer, HostPage, PageFactory, Screenshot
from tests.browser.waiting import wait_until
from tests.browser.widget import OPEN_SHADOWS, Widget

FRAME = re.compile(r"/widget/qinglan/\?")
LOOK = re.compile(r"/widget/qinglan/look\.js")
ERRORS = (
    NETWORK_ERRORS + "|postMessage|dynamically imported module|blocked|refused to connect|violates|frame-src"
)


@pytest.fixture
def page(page_factory: PageFactory, server: ChatServer) -> Iterator[Page]:
    """Yield a page with the size of a phone, on which the widget's frame would cover the whole screen."""
    with server.site_setting("hotline", "95000"):
        page = page_factory(viewport=PHONE, allow=ERRORS)
        page.add_init_script(OPEN_SHADOWS)
        page.clock.install()
        yield page


def launcher(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("客服|帮|问|聊"))


def open_widget(page: Page) -> None:
    expect(launcher(page)).to_be_visible()
    page.evaluate("() => void Lianxin.open()")


@pytest.mark.parametrize("fault", ["network", "error page", "never answered"])
def test_frame_that_fails_can_be_closed_and_is_retried(
    page: Page, host_page: HostPage, screenshot: Screenshot, fault: str
) -> None:
    unanswered: list[Route] = []

    def break_frame(route: Route) -> None:
        if fault == "network":
            route.abort()
        elif fault == "error page":
            route.fulfill(status=502, body="Bad gateway")
        else:
            unanswered.append(route)

    page.route(FRAME, break_frame)
    page.goto(host_page.url())
    open_widget(page)
    close = page.get_by_role("button", name="收起对话")
    # The button must be there immediately, before the loader detects the failure.
    expect(close).to_be_in_viewport()
    expect(page.get_by_role("link", name="95000")).to_have_attribute("href", "tel:95000")
    page.clock.run_for(21_000)
    expect(page.get_by_text("暂时无法打开在线客服。")).to_be_visible()
    screenshot(page, f"loader-failed-{fault.replace(' ', '-')}")
    close.click()
    expect(close).to_be_hidden()
    expect(launcher(page)).to_be_visible()
    assert page.evaluate("document.documentElement.style.overflow") == ""

    page.unroute(FRAME, break_frame)
    page.evaluate("() => void Lianxin.open()")
    widget = Widget(page, is_open=False)
    expect(widget.text).to_be_visible()
    expect(close).to_be_hidden()


def test_frame_that_failed_is_reloaded_automatically(page: Page, host_page: HostPage) -> None:
    page.route(FRAME, lambda route: route.abort(), times=1)
    page.goto(host_page.url())
    open_widget(page)
    page.clock.run_for(21_000)
    expect(page.get_by_text("暂时无法打开在线客服。")).to_be_visible()
    page.clock.run_for(31_000)
    expect(Widget(page, is_open=False).text).to_be_visible()


def test_frame_blocked_by_policy_shows_hotline(page: Page, host_page: HostPage) -> None:
    page.goto(host_page.foreign_url())
    open_widget(page)
    page.clock.run_for(21_000)
    expect(page.get_by_text("暂时无法打开在线客服。")).to_be_visible()
    expect(page.get_by_role("link", name="95000")).to_be_visible()


def test_frame_that_crashed_is_replaced_on_reload(page: Page, host_page: HostPage) -> None:
    page.goto(host_page.url())
    widget = Widget(page)
    widget.text.fill("还没发出去的话")
    # Simulate a crashed frame: it handles no messages any more, and its page is gone.
    widget.frame.evaluate(
        "() => { addEventListener('message', event => event.stopImmediatePropagation(), true) }"
    )
    widget.frame.goto("about:blank")
    page.clock.run_for(21_000)
    expect(page.get_by_role("button", name="收起对话")).to_be_visible()
    page.get_by_role("button", name="重新加载").click()
    expect(Widget(page, is_open=False).text).to_have_value("还没发出去的话")


def test_site_script_that_fails_is_requested_again(page: Page, host_page: HostPage) -> None:
    page.route(LOOK, lambda route: route.abort(), times=2)
    page.goto(host_page.url())
    expect(launcher(page)).to_be_hidden()
    wait_until(page, "Boolean(window.Lianxin)")
    for _ in range(3):
        page.clock.run_for(3_000)
        page.wait_for_load_state("networkidle")
    expect(launcher(page)).to_be_visible()


@pytest.mark.parametrize(
    "replace",
    [
        "document.body.replaceWith(document.createElement('body'))",
        "document.documentElement.replaceChild(document.createElement('body'), document.body)",
        "document.body.replaceChildren()",
        "document.documentElement.replaceChildren(document.createElement('head'), document.createElement('body'))",
    ],
)
def test_page_that_replaces_its_body_keeps_widget_and_draft(
    page: Page, host_page: HostPage, replace: str
) -> None:
    page.goto(host_page.url())
    widget = Widget(page)
    widget.send("第一句")
    widget.text.fill("还没写完")
    # The frame is reloaded only if the page removes the element that contains it. In that case, wait until the old
    # frame is gone.
    is_loaded_again = "documentElement.replaceChildren" in replace
    with page.expect_event("framedetached") if is_loaded_again else nullcontext():
        page.evaluate(f"() => void {replace}")
    after = Widget(page, is_open=False)
    expect(after.log.get_by_text("第一句")).to_be_visible()
    expect(after.text).to_have_value("还没写完")
    page.evaluate("() => Lianxin.close()")
    expect(launcher(page)).to_be_visible()


def test_second_script_tag_has_no_effect(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer
) -> None:
    # Bypass the bank's policy, which would stop the test from adding a script.
    page = page_factory(bypass_csp=True)
    page.add_init_script(OPEN_SHADOWS)
    page.goto(host_page.url())
    expect(launcher(page)).to_be_visible()
    wait_until(page, "Boolean(window.Lianxin)")
    first = page.evaluate_handle("Lianxin")
    page.evaluate(
        """url => new Promise(then => {
            const script = document.createElement("script")
            script.src = url
            script.dataset.site = "qinglan"
            script.onload = then
            document.head.append(script)
        })""",
        f"{server.url}/widget.js?again",
    )
    assert page.evaluate("first => first === Lianxin", first)
    expect(launcher(page)).to_have_count(1)
