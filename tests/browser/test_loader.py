"""The loader on the bank's page when things go wrong: it can always be closed, is tried again, and stays."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NETWORK_ERRORS, PHONE, ChatServer, HostPage, PageFactory, Screenshot
from tests.browser.waiting import wait_until
from tests.browser.widget import OPEN_SHADOWS, Box

FRAME = re.compile(r"/widget/qinglan/\?")
LOOK = re.compile(r"/widget/qinglan/look\.js")
ERRORS = (
    NETWORK_ERRORS + "|postMessage|dynamically imported module|blocked|refused to connect|violates|frame-src"
)


@pytest.fixture
def page(page_factory: PageFactory, server: ChatServer) -> Page:
    """A phone, on whose whole screen the frame would stand."""
    server.execute("UPDATE chat_site SET hotline = ?", "95000")
    page = page_factory(viewport=PHONE, allow=ERRORS)
    page.add_init_script(OPEN_SHADOWS)
    page.clock.install()
    return page


def launcher(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("客服|帮|问|聊"))


def open_it(page: Page) -> None:
    expect(launcher(page)).to_be_visible()
    page.evaluate("() => void Lianxin.open()")


@pytest.mark.parametrize("fault", ["network", "error page", "never answered"])
def test_a_frame_that_fails_can_be_closed_and_is_tried_again(
    page: Page, host_page: HostPage, screenshot: Screenshot, fault: str
) -> None:
    held: list[Route] = []

    def spoil(route: Route) -> None:
        if fault == "network":
            route.abort()
        elif fault == "error page":
            route.fulfill(status=502, body="Bad gateway")
        else:
            held.append(route)

    page.route(FRAME, spoil)
    page.goto(host_page.url())
    open_it(page)
    close = page.get_by_role("button", name="收起对话")
    # At once, not only when it is known to have failed.
    expect(close).to_be_in_viewport()
    expect(page.get_by_role("link", name="95000")).to_have_attribute("href", "tel:95000")
    page.clock.run_for(21_000)
    expect(page.get_by_text("暂时无法打开在线客服。")).to_be_visible()
    screenshot(page, f"loader-failed-{fault.replace(' ', '-')}")
    close.click()
    expect(close).to_be_hidden()
    expect(launcher(page)).to_be_visible()
    assert page.evaluate("document.documentElement.style.overflow") == ""

    page.unroute(FRAME, spoil)
    page.evaluate("() => void Lianxin.open()")
    box = Box(page, is_open=False)
    expect(box.text).to_be_visible()
    expect(close).to_be_hidden()


def test_a_frame_that_failed_comes_back_by_itself(page: Page, host_page: HostPage) -> None:
    page.route(FRAME, lambda route: route.abort(), times=1)
    page.goto(host_page.url())
    open_it(page)
    page.clock.run_for(21_000)
    expect(page.get_by_text("暂时无法打开在线客服。")).to_be_visible()
    page.clock.run_for(31_000)
    expect(Box(page, is_open=False).text).to_be_visible()


def test_a_frame_that_a_policy_blocks_leaves_the_telephone(page: Page, host_page: HostPage) -> None:
    page.goto(host_page.foreign_url())
    open_it(page)
    page.clock.run_for(21_000)
    expect(page.get_by_text("暂时无法打开在线客服。")).to_be_visible()
    expect(page.get_by_role("link", name="95000")).to_be_visible()


def test_a_frame_that_crashed_is_made_anew(page: Page, host_page: HostPage) -> None:
    page.goto(host_page.url())
    box = Box(page)
    box.text.fill("还没发出去的话")
    # What is left of a crashed frame runs nothing.
    box.frame.evaluate(
        "() => { addEventListener('message', event => event.stopImmediatePropagation(), true) }"
    )
    box.frame.goto("about:blank")
    page.clock.run_for(21_000)
    expect(page.get_by_role("button", name="收起对话")).to_be_visible()
    page.get_by_role("button", name="重新加载").click()
    expect(Box(page, is_open=False).text).to_have_value("还没发出去的话")


def test_look_that_fails_is_asked_for_again(page: Page, host_page: HostPage) -> None:
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
def test_a_page_that_replaces_its_body_keeps_the_box_and_what_is_written(
    page: Page, host_page: HostPage, replace: str
) -> None:
    page.goto(host_page.url())
    box = Box(page)
    box.says("第一句")
    box.text.fill("还没写完")
    # Only with its parent gone is the frame loaded again; the former one must not be asked then.
    is_loaded_again = "documentElement.replaceChildren" in replace
    with page.expect_event("framedetached") if is_loaded_again else nullcontext():
        page.evaluate(f"() => void {replace}")
    after = Box(page, is_open=False)
    expect(after.log.get_by_text("第一句")).to_be_visible()
    expect(after.text).to_have_value("还没写完")
    page.evaluate("() => Lianxin.close()")
    expect(launcher(page)).to_be_visible()


def test_a_second_script_tag_changes_nothing(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer
) -> None:
    # Without the bank's policy, which lets no script of the test add one.
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
