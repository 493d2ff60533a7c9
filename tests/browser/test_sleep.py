"""Browser tests of sleeping phones, background tabs and dead connections.

After waking, a page soon shows the missed messages. A sleeping page is hidden and its scripts are halted. On a
half-open connection nothing arrives any more, and neither the browser nor the server has noticed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Locator, Page, Route, WebSocketRoute, expect

from tests.browser.agent import WireAgent
from tests.browser.bank_page import BankPage
from tests.browser.conftest import NETWORK_ERRORS, PHONE, ChatServer, HostPage, PageFactory, SignIn
from tests.browser.visitor import WireVisitor
from tests.browser.waiting import wait_until
from tests.browser.widget import Widget
from tests.harness.servers.half_open import HalfOpenProxy
from tests.people import MEI

CYCLES = 5
# A page must notice within this time that it is awake. The time is long enough for a busy machine. It ends long before
# the next heartbeat, so a page that only waits for the heartbeat fails.
AWAKE_WITHIN_MS = 8_000

# Simulates that a phone hides or shows the page, because headless Chromium cannot hide a page.
HIDE = """isHidden => {
  Object.defineProperty(Document.prototype, "visibilityState",
    { configurable: true, get: () => (isHidden ? "hidden" : "visible") });
  Object.defineProperty(Document.prototype, "hidden", { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class Sleeper:
    """Puts a page to sleep and wakes it. A sleeping page is hidden and its scripts are halted.

    It uses the debugger, because Page.setWebLifecycleState freezes neither a page that is rendered nor a frame of
    another site, such as the widget.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._debuggers: list[CDPSession] = [
            page.context.new_cdp_session(frame if frame.parent_frame else page) for frame in page.frames
        ]

    def sleep(self) -> None:
        for frame in self._page.frames:
            frame.evaluate(HIDE, True)
        for debugger in self._debuggers:
            debugger.send("Debugger.enable")
            debugger.send("Debugger.pause")

    def wake(self) -> None:
        for debugger in self._debuggers:
            debugger.send("Debugger.disable")
        for frame in self._page.frames:
            frame.evaluate(HIDE, False)


@pytest.fixture
def proxy(server: ChatServer, bank: BankPage) -> Iterator[HalfOpenProxy]:
    """Yield a proxy that can make connections half-open. It stands between the test's browsers and the server."""
    with HalfOpenProxy(server.port) as proxy:
        bank.chat = proxy.url
        yield proxy
        bank.chat = server.url


def expect_soon(shown: Locator) -> None:
    expect(shown).to_be_visible(timeout=AWAKE_WITHIN_MS)


def texts_in(log: Locator) -> list[str]:
    """Return the texts of the messages in the order on the screen."""
    return [text for text in log.locator(".body").all_inner_texts() if text]


def check_sleep_cycles(
    sleeper: Sleeper, log: Locator, send: Callable[[str], object], asleep: Callable[[], object]
) -> None:
    """Let the page sleep several times, send two messages with `send` during each sleep, and check that it shows all of
    them.

    `asleep` is called at the beginning of each sleep.
    """
    sent = []
    for cycle in range(CYCLES):
        sleeper.sleep()
        asleep()
        for part in ("一", "二"):
            sent.append(f"第{cycle}次睡着时说的话{part}")
            send(sent[-1])
        sleeper.wake()
        expect_soon(log.get_by_text(sent[-1]))
        shown = [text for text in texts_in(log) if "睡着" in text]
        assert shown == sent


@pytest.mark.parametrize("is_half_open", [False, True], ids=["connection stays", "connection dies"])
def test_widget_that_slept_shows_missed_messages_soon_after_waking(
    page_factory: PageFactory,
    host_page: HostPage,
    server: ChatServer,
    proxy: HalfOpenProxy,
    is_half_open: bool,
) -> None:
    with WireAgent(server) as mei:
        page = page_factory(viewport=PHONE, has_touch=True, allow=NETWORK_ERRORS)
        widget = Widget(page, host_page.url())
        widget.send("我先锁屏")
        mei.take_next()

        def drop_connection() -> None:
            if is_half_open:
                assert proxy.swallow()

        check_sleep_cycles(Sleeper(page), widget.log, mei.say, drop_connection)
        widget.send("我醒了")
        mei.wait_for_message("我醒了")


@pytest.mark.parametrize("is_half_open", [False, True], ids=["connection stays", "connection dies"])
def test_console_that_slept_shows_missed_messages_soon_after_waking(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer, proxy: HalfOpenProxy, is_half_open: bool
) -> None:
    page = page_factory(locale="en", allow=NETWORK_ERRORS)
    sign_in(page, MEI)
    page.goto(f"{proxy.url}/console/")
    expect(page.locator("#connection")).to_have_attribute("data-status", "open")
    with WireVisitor(server, name="李雷") as visitor:
        page.get_by_role("button", name="Take next").click()
        composer = page.get_by_role("textbox", name="Message")
        expect(composer).to_be_focused()
        composer.fill("写到一半的话")

        def drop_connection() -> None:
            if is_half_open:
                assert proxy.swallow()

        check_sleep_cycles(Sleeper(page), page.locator("#messages"), visitor.say, drop_connection)
        expect(composer).to_have_value("写到一半的话")
        composer.press("Enter")
        visitor.wait_for_message("写到一半的话")


def test_sleeper_halts_scripts_of_page_and_widget(page_factory: PageFactory, host_page: HostPage) -> None:
    """Check that `Sleeper` halts the scripts of the page and of the widget's frame."""
    page = page_factory()
    ticks: list[str] = []
    page.expose_binding("tick", lambda source: ticks.append(source["frame"].url))
    widget = Widget(page, host_page.url())
    frames = {page.main_frame, widget.frame}
    for frame in frames:
        frame.evaluate("setInterval(() => tick(), 20)")
    sleeper = Sleeper(page)

    def ticking_frames() -> set[str]:
        ticks.clear()
        other.wait_for_timeout(300)
        return set(ticks)

    other = page.context.new_page()
    assert ticking_frames() == {frame.url for frame in frames}
    sleeper.sleep()
    ticking_frames()
    assert ticking_frames() == set()
    sleeper.wake()
    assert ticking_frames() == {frame.url for frame in frames}


def test_page_restored_from_history_shows_missed_messages(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer
) -> None:
    with WireAgent(server) as mei:
        page = page_factory()
        widget = Widget(page, host_page.url())
        widget.send("我去看一眼别的页面")
        mei.take_next()
        page.goto("about:blank")
        mei.say("您不在的时候说的")
        page.go_back()
        again = Widget(page)
        expect_soon(again.log.get_by_text("您不在的时候说的"))
        expect(again.log.get_by_text("我去看一眼别的页面")).to_have_count(1)


def test_two_tabs_of_each_side_show_the_same_order(
    page_factory: PageFactory, host_page: HostPage, sign_in: SignIn, server: ChatServer, proxy: HalfOpenProxy
) -> None:
    console = page_factory(locale="en", allow=NETWORK_ERRORS)
    sign_in(console, MEI)
    console.goto(f"{proxy.url}/console/")
    expect(console.locator("#connection")).to_have_attribute("data-status", "open")
    first = Widget(page_factory(allow=NETWORK_ERRORS), host_page.url())
    first.send("第一句")
    console.get_by_role("button", name="Take next").click()
    expect(console.locator("#messages").get_by_text("第一句")).to_be_visible()
    other_console = page_factory(beside=console, allow=NETWORK_ERRORS)
    other_console.goto(console.url)
    second = Widget(page_factory(beside=first.page, allow=NETWORK_ERRORS), host_page.url())
    expect(second.log.get_by_text("第一句")).to_be_visible()
    writers: list[Callable[[str], None]] = [
        first.write,
        lambda body: answer(console, body),
        second.write,
        lambda body: answer(other_console, body),
    ]
    for turn in range(3):
        for number, write in enumerate(writers):
            write(f"第{turn}轮第{number}位")
        if turn == 1:
            proxy.swallow()
            for page in (console, other_console, first.page, second.page):
                for frame in page.frames:
                    frame.evaluate("dispatchEvent(new Event('online'))")
    logs = [first.log, second.log, console.locator("#messages"), other_console.locator("#messages")]
    for log in logs:
        for turn in range(3):
            for number in range(len(writers)):
                expect(log.get_by_text(f"第{turn}轮第{number}位")).to_have_count(1)
    shown = [[text for text in texts_in(log) if "轮" in text] for log in logs]
    assert shown[0] == shown[1] == shown[2] == shown[3]
    for number in range(len(writers)):
        own = [text for text in shown[0] if text.endswith(f"第{number}位")]
        assert own == sorted(own)


def answer(page: Page, body: str) -> None:
    composer = page.get_by_role("textbox", name="Message")
    composer.fill(body)
    composer.press("Enter")


def test_reload_while_connection_is_dead_loses_no_message(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer, proxy: HalfOpenProxy
) -> None:
    with WireAgent(server) as mei:
        page = page_factory(viewport=PHONE, allow=NETWORK_ERRORS)
        widget = Widget(page, host_page.url())
        widget.send("线路还好")
        mei.take_next()
        proxy.swallow()
        widget.write("线路死了")
        mei.say("您还在吗？")
        page.reload()
        again = Widget(page)
        expect_soon(again.log.get_by_text("您还在吗？"))
        mei.wait_for_message("线路死了")
        expect(again.log.get_by_text("线路死了")).to_have_count(1)


def test_console_reports_that_connection_is_restored(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(allow=NETWORK_ERRORS)
    sign_in(page, MEI)
    page.goto("/console/")
    expect(page.locator("#connection")).to_have_attribute("data-status", "open")
    server.kill()
    expect(page.locator("#notice")).to_be_visible()
    server.start()
    # The page retries at growing intervals while the server starts.
    expect(page.locator("#toasts").get_by_text("连接已恢复")).to_be_visible(timeout=40_000)
    expect(page.locator("#notice")).to_be_hidden()


def test_console_that_missed_frames_fetches_missing_messages(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    """Lose one message frame. The next one reveals the gap, so the page must fetch the lost message."""
    page = page_factory(locale="en")
    losing = ""

    def pass_on(route: WebSocketRoute) -> None:
        upstream = route.connect_to_server()

        def from_server(text: str | bytes) -> None:
            if not losing or losing not in str(text):
                route.send(text)

        upstream.on_message(from_server)
        route.on_message(upstream.send)

    page.route_web_socket("**/ws/console/", pass_on)
    sign_in(page, MEI)
    page.goto("/console/")
    expect(page.locator("#connection")).to_have_attribute("data-status", "open")
    with WireVisitor(server, name="李雷") as visitor:
        page.get_by_role("button", name="Take next").click()
        expect(page.get_by_role("textbox", name="Message")).to_be_focused()
        losing = "丢失的"
        visitor.say("丢失的")
        losing = ""
        visitor.say("后来的")
        expect_soon(page.locator("#messages").get_by_text("后来的"))
        shown = [text for text in texts_in(page.locator("#messages")) if text in ("丢失的", "后来的")]
        assert shown == ["丢失的", "后来的"]


def test_answer_without_any_response_is_resent_and_stored_once(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    """Lose the HTTP response to an agent's message that has been stored, and lose the frame with this message too."""
    page = page_factory(locale="en", allow=NETWORK_ERRORS)
    body, posted = "只存一次", list[str]()

    def drop_message(route: WebSocketRoute) -> None:
        upstream = route.connect_to_server()
        upstream.on_message(lambda text: None if body in str(text) and len(posted) < 2 else route.send(text))
        route.on_message(upstream.send)

    def lose_the_first(route: Route) -> None:
        posted.append(route.request.post_data or "")
        if len(posted) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route_web_socket("**/ws/console/", drop_message)
    sign_in(page, MEI)
    page.goto("/console/")
    expect(page.locator("#connection")).to_have_attribute("data-status", "open")
    with WireVisitor(server, name="李雷") as visitor:
        page.get_by_role("button", name="Take next").click()
        # Wait for the thread requested when the conversation opened. If the answer were sent before the thread arrives,
        # the thread could contain it, and `drop_message` would drop the whole thread.
        expect(page.locator("#messages")).not_to_be_empty()
        page.route("**/messages", lose_the_first)
        answer(page, body)
        expect(page.locator("#messages").get_by_text(body)).to_be_visible()
        wait_until(page, "!Object.keys(sessionStorage).some(key => key.includes('outbox'))")
        assert len(posted) == 2
        assert posted[0] == posted[1], "under one client_id"
        assert [m["body"] for m in visitor.all_messages()].count(body) == 1
        expect(page.get_by_role("textbox", name="Message")).to_have_value("")


@pytest.mark.parametrize("path", ["chat", "console"])
def test_unknown_frames_and_fields_of_another_version_are_ignored(
    page_factory: PageFactory,
    host_page: HostPage,
    sign_in: SignIn,
    server: ChatServer,
    path: str,
) -> None:
    """Insert unknown frame kinds and fields into a conversation, in both directions."""
    page = page_factory(locale="zh-CN")

    def from_another_version(route: WebSocketRoute) -> None:
        upstream = route.connect_to_server()

        def both(text: str | bytes, send: Callable[[str], Any]) -> None:
            frame = json.loads(text)
            send(json.dumps({"kind": "from_next_year", "about": [1, {"2": None}]}))
            send(json.dumps({**frame, "field_from_next_year": {"deep": [True]}}))

        upstream.on_message(lambda text: both(text, route.send))
        route.on_message(lambda text: both(text, upstream.send))

    page.context.route_web_socket(f"**/ws/{path}/", from_another_version)
    if path == "chat":
        with WireAgent(server) as mei:
            widget = Widget(page, host_page.url())
            widget.send("旧版本的盒子")
            mei.take_next()
            mei.wait_for_message("旧版本的盒子")
            mei.say("新版本的服务器")
            expect(widget.log.get_by_text("新版本的服务器")).to_have_count(1)
        return
    sign_in(page, MEI)
    page.goto("/console/")
    expect(page.locator("#connection")).to_have_attribute("data-status", "open")
    with WireVisitor(server, name="李雷") as visitor:
        page.get_by_role("button", name="下一位").click()
        expect(page.get_by_role("textbox", name="消息")).to_be_focused()
        visitor.say("新版本的服务器")
        expect(page.locator("#messages").get_by_text("新版本的服务器")).to_be_visible()
        page.keyboard.type("旧版本的坐席端")
        page.keyboard.press("Enter")
        visitor.wait_for_message("旧版本的坐席端")
