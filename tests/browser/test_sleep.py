"""Phones in pockets, tabs in the background, lines that die: what came meanwhile is there within three seconds.

Asleep, a page is hidden and its scripts stand still. A half-open line is one on which nothing arrives any more and
nobody was told.
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
from tests.browser.widget import Box
from tests.harness.servers.half_open import HalfOpenLine
from tests.people import MEI

CYCLES = 5
# Long before the next heartbeat, on a machine that does much else.
AWAKE_WITHIN_MS = 8_000

# The page is shown or hidden as a phone does it: Chromium without a window has no such thing.
HIDE = """isHidden => {
  Object.defineProperty(Document.prototype, "visibilityState",
    { configurable: true, get: () => (isHidden ? "hidden" : "visible") });
  Object.defineProperty(Document.prototype, "hidden", { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class Sleeper:
    """A page that falls asleep and wakes: hidden, and its scripts halted.

    By the debugger, because Chromium freezes (Page.setWebLifecycleState) no page that is drawn, and no frame of
    another site, which the box is.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._tools: list[CDPSession] = [
            page.context.new_cdp_session(frame if frame.parent_frame else page) for frame in page.frames
        ]

    def sleep(self) -> None:
        for frame in self._page.frames:
            frame.evaluate(HIDE, True)
        for tools in self._tools:
            tools.send("Debugger.enable")
            tools.send("Debugger.pause")

    def wake(self) -> None:
        for tools in self._tools:
            tools.send("Debugger.disable")
        for frame in self._page.frames:
            frame.evaluate(HIDE, False)


@pytest.fixture
def line(server: ChatServer, bank: BankPage) -> Iterator[HalfOpenLine]:
    """Between the browsers of the test and the server."""
    with HalfOpenLine(server.port) as line:
        bank.chat = line.url
        yield line
        bank.chat = server.url


def soon(shown: Locator) -> None:
    expect(shown).to_be_visible(timeout=AWAKE_WITHIN_MS)


def shown_in(log: Locator) -> list[str]:
    """What was said, in the order of the screen."""
    return [text for text in log.locator(".body").all_inner_texts() if text]


def sleeps(
    sleeper: Sleeper, log: Locator, says: Callable[[str], object], asleep: Callable[[], object]
) -> None:
    """Five times in a row, with two messages of the other side in each sleep."""
    said = []
    for cycle in range(CYCLES):
        sleeper.sleep()
        asleep()
        for part in ("一", "二"):
            said.append(f"第{cycle}次睡着时说的话{part}")
            says(said[-1])
        sleeper.wake()
        soon(log.get_by_text(said[-1]))
        found = [text for text in shown_in(log) if "睡着" in text]
        assert found == said


@pytest.mark.parametrize("is_half_open", [False, True], ids=["line stays", "line dies"])
def test_a_box_that_slept_shows_everything_soon_after_it_woke(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer, line: HalfOpenLine, is_half_open: bool
) -> None:
    with WireAgent(server) as mei:
        page = page_factory(viewport=PHONE, has_touch=True, allow=NETWORK_ERRORS)
        box = Box(page, host_page.url())
        box.says("我先锁屏")
        mei.take()

        def die() -> None:
            if is_half_open:
                assert line.swallow()

        sleeps(Sleeper(page), box.log, mei.say, die)
        box.says("我醒了")
        mei.hears("我醒了")


@pytest.mark.parametrize("is_half_open", [False, True], ids=["line stays", "line dies"])
def test_a_console_that_slept_shows_everything_soon_after_it_woke(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer, line: HalfOpenLine, is_half_open: bool
) -> None:
    page = page_factory(locale="en", allow=NETWORK_ERRORS)
    sign_in(page, MEI)
    page.goto(f"{line.url}/console/")
    expect(page.locator("#line")).to_have_attribute("data-status", "open")
    with WireVisitor(server, name="李雷") as visitor:
        page.get_by_role("button", name="Take the next").click()
        composer = page.get_by_role("textbox", name="Message")
        expect(composer).to_be_focused()
        composer.fill("写到一半的话")

        def die() -> None:
            if is_half_open:
                assert line.swallow()

        sleeps(Sleeper(page), page.locator("#messages"), visitor.say, die)
        expect(composer).to_have_value("写到一半的话")
        composer.press("Enter")
        visitor.hears("写到一半的话")


def test_a_page_that_sleeps_stands_still(page_factory: PageFactory, host_page: HostPage) -> None:
    """The sleep of these tests is one, in the page and in the box."""
    page = page_factory()
    ticks: list[str] = []
    page.expose_binding("tick", lambda source: ticks.append(source["frame"].url))
    box = Box(page, host_page.url())
    frames = {page.main_frame, box.frame}
    for frame in frames:
        frame.evaluate("setInterval(() => tick(), 20)")
    sleeper = Sleeper(page)

    def heard_from() -> set[str]:
        ticks.clear()
        other.wait_for_timeout(300)
        return set(ticks)

    other = page.context.new_page()
    assert heard_from() == {frame.url for frame in frames}
    sleeper.sleep()
    heard_from()
    assert heard_from() == set()
    sleeper.wake()
    assert heard_from() == {frame.url for frame in frames}


def test_a_page_that_comes_back_from_the_history_shows_what_it_missed(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer
) -> None:
    with WireAgent(server) as mei:
        page = page_factory()
        box = Box(page, host_page.url())
        box.says("我去看一眼别的页面")
        mei.take()
        page.goto("about:blank")
        mei.say("您不在的时候说的")
        page.go_back()
        again = Box(page)
        soon(again.log.get_by_text("您不在的时候说的"))
        expect(again.log.get_by_text("我去看一眼别的页面")).to_have_count(1)


def test_two_tabs_of_each_side_show_one_order(
    page_factory: PageFactory, host_page: HostPage, sign_in: SignIn, server: ChatServer, line: HalfOpenLine
) -> None:
    console = page_factory(locale="en", allow=NETWORK_ERRORS)
    sign_in(console, MEI)
    console.goto(f"{line.url}/console/")
    expect(console.locator("#line")).to_have_attribute("data-status", "open")
    first = Box(page_factory(allow=NETWORK_ERRORS), host_page.url())
    first.says("第一句")
    console.get_by_role("button", name="Take the next").click()
    expect(console.locator("#messages").get_by_text("第一句")).to_be_visible()
    other_console = page_factory(beside=console, allow=NETWORK_ERRORS)
    other_console.goto(console.url)
    second = Box(page_factory(beside=first.page, allow=NETWORK_ERRORS), host_page.url())
    expect(second.log.get_by_text("第一句")).to_be_visible()
    writers: list[Callable[[str], None]] = [
        first.write,
        lambda words: answer(console, words),
        second.write,
        lambda words: answer(other_console, words),
    ]
    for turn in range(3):
        for number, write in enumerate(writers):
            write(f"第{turn}轮第{number}位")
        if turn == 1:
            line.swallow()
            for page in (console, other_console, first.page, second.page):
                for frame in page.frames:
                    frame.evaluate("dispatchEvent(new Event('online'))")
    logs = [first.log, second.log, console.locator("#messages"), other_console.locator("#messages")]
    for log in logs:
        for turn in range(3):
            for number in range(len(writers)):
                expect(log.get_by_text(f"第{turn}轮第{number}位")).to_have_count(1)
    said = [[text for text in shown_in(log) if "轮" in text] for log in logs]
    assert said[0] == said[1] == said[2] == said[3]
    for number in range(len(writers)):
        own = [text for text in said[0] if text.endswith(f"第{number}位")]
        assert own == sorted(own)


def answer(page: Page, words: str) -> None:
    composer = page.get_by_role("textbox", name="Message")
    composer.fill(words)
    composer.press("Enter")


def test_a_reload_in_the_middle_of_a_dead_line_loses_nothing(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer, line: HalfOpenLine
) -> None:
    with WireAgent(server) as mei:
        page = page_factory(viewport=PHONE, allow=NETWORK_ERRORS)
        box = Box(page, host_page.url())
        box.says("线路还好")
        mei.take()
        line.swallow()
        box.write("线路死了")
        mei.say("您还在吗？")
        page.reload()
        again = Box(page)
        soon(again.log.get_by_text("您还在吗？"))
        mei.hears("线路死了")
        expect(again.log.get_by_text("线路死了")).to_have_count(1)


def test_a_console_says_that_it_has_come_back(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(allow=NETWORK_ERRORS)
    sign_in(page, MEI)
    page.goto("/console/")
    expect(page.locator("#line")).to_have_attribute("data-status", "open")
    server.kill()
    expect(page.locator("#notice")).to_be_visible()
    server.start()
    # It tries less and less often while the server starts.
    expect(page.locator("#toasts").get_by_text("连接已恢复")).to_be_visible(timeout=40_000)
    expect(page.locator("#notice")).to_be_hidden()


def test_a_console_that_missed_frames_fills_the_gap(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    """Frames that were lost in between: the next one shows it, and a heartbeat shows a lost last one."""
    page = page_factory(locale="en")
    losing = ""

    def pass_on(route: WebSocketRoute) -> None:
        up = route.connect_to_server()

        def from_server(text: str | bytes) -> None:
            if not losing or losing not in str(text):
                route.send(text)

        up.on_message(from_server)
        route.on_message(up.send)

    page.route_web_socket("**/ws/console/", pass_on)
    sign_in(page, MEI)
    page.goto("/console/")
    expect(page.locator("#line")).to_have_attribute("data-status", "open")
    with WireVisitor(server, name="李雷") as visitor:
        page.get_by_role("button", name="Take the next").click()
        expect(page.get_by_role("textbox", name="Message")).to_be_focused()
        losing = "丢失的"
        visitor.say("丢失的")
        losing = ""
        visitor.say("后来的")
        soon(page.locator("#messages").get_by_text("后来的"))
        found = [text for text in shown_in(page.locator("#messages")) if text in ("丢失的", "后来的")]
        assert found == ["丢失的", "后来的"]


def test_an_answer_of_which_nothing_came_back_is_sent_again_and_stored_once(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    """Stored, but neither the request's answer nor the socket's message arrived."""
    page = page_factory(locale="en", allow=NETWORK_ERRORS)
    words, posted = "只存一次", list[str]()

    def deaf(route: WebSocketRoute) -> None:
        up = route.connect_to_server()
        up.on_message(lambda text: None if words in str(text) and len(posted) < 2 else route.send(text))
        route.on_message(up.send)

    def lose_the_first(route: Route) -> None:
        posted.append(route.request.post_data or "")
        if len(posted) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route_web_socket("**/ws/console/", deaf)
    sign_in(page, MEI)
    page.goto("/console/")
    expect(page.locator("#line")).to_have_attribute("data-status", "open")
    with WireVisitor(server, name="李雷") as visitor:
        page.get_by_role("button", name="Take the next").click()
        # What the page asks for when it opens a conversation would be lost with these words, if they were in it.
        expect(page.locator("#messages")).not_to_be_empty()
        page.route("**/messages", lose_the_first)
        answer(page, words)
        expect(page.locator("#messages").get_by_text(words)).to_be_visible()
        wait_until(page, "!Object.keys(sessionStorage).some(key => key.includes('outbox'))")
        assert len(posted) == 2
        assert posted[0] == posted[1], "under one client_id"
        assert [m["body"] for m in visitor.everything()].count(words) == 1
        expect(page.get_by_role("textbox", name="Message")).to_have_value("")


@pytest.mark.parametrize("path", ["chat", "console"])
def test_a_version_older_and_a_version_newer_get_along(
    page_factory: PageFactory,
    host_page: HostPage,
    sign_in: SignIn,
    server: ChatServer,
    path: str,
) -> None:
    """Kinds and fields that the other side does not know yet, both ways, in the midst of a conversation."""
    page = page_factory(locale="zh-CN")

    def from_another_version(route: WebSocketRoute) -> None:
        up = route.connect_to_server()

        def both(text: str | bytes, send: Callable[[str], Any]) -> None:
            frame = json.loads(text)
            send(json.dumps({"kind": "from_next_year", "about": [1, {"2": None}]}))
            send(json.dumps({**frame, "field_from_next_year": {"deep": [True]}}))

        up.on_message(lambda text: both(text, route.send))
        route.on_message(lambda text: both(text, up.send))

    page.context.route_web_socket(f"**/ws/{path}/", from_another_version)
    if path == "chat":
        with WireAgent(server) as mei:
            box = Box(page, host_page.url())
            box.says("旧版本的盒子")
            mei.take()
            mei.hears("旧版本的盒子")
            mei.say("新版本的服务器")
            expect(box.log.get_by_text("新版本的服务器")).to_have_count(1)
        return
    sign_in(page, MEI)
    page.goto("/console/")
    expect(page.locator("#line")).to_have_attribute("data-status", "open")
    with WireVisitor(server, name="李雷") as visitor:
        page.get_by_role("button", name="下一位").click()
        expect(page.get_by_role("textbox", name="消息")).to_be_focused()
        visitor.say("新版本的服务器")
        expect(page.locator("#messages").get_by_text("新版本的服务器")).to_be_visible()
        page.keyboard.type("旧版本的坐席端")
        page.keyboard.press("Enter")
        visitor.hears("旧版本的坐席端")
