"""Browser tests of the widget on a bank's page of another origin with a strict content security policy."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import jwt
import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.agent import WireAgent
from tests.browser.conftest import (
    CLOCK_A_DAY_FAST,
    DAY_MS,
    NETWORK_ERRORS,
    PHONE,
    Axe,
    ChatServer,
    HostPage,
    PageFactory,
    Screenshot,
)
from tests.browser.waiting import wait_until
from tests.browser.widget import OPEN_SHADOWS, Widget
from tests.people import IDENTITY_SECRET, SITE_KEY

OpenWidget = Callable[..., Widget]
# Makes storage throw the error that many browsers throw if cookies and site data are blocked.
BLOCKED_STORAGE = """
for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError") } });
"""


@pytest.fixture
def open_widget(page_factory: PageFactory, host_page: HostPage) -> OpenWidget:
    """Return a function that opens the widget on the bank's page, in Chinese unless another language is given."""

    def make(*, language: str = "zh-CN", beside: Page | None = None, **options: object) -> Widget:
        page = page_factory(beside=beside, **options)  # type: ignore[arg-type]
        return Widget(page, host_page.url(language=language))

    return make


def test_visitor_and_agent_exchange_messages_until_rating(
    open_widget: OpenWidget, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    with WireAgent(server) as mei:
        widget = open_widget()
        expect(widget.frame.get_by_role("button", name="卡被吞了")).to_be_visible()
        axe(widget.page)
        screenshot(widget.page, "widget-first")
        widget.send("我的卡被吞了，我在医院")
        expect(widget.status_line).to_have_text(re.compile("您排第 1 位，约 [0-9]+(–[0-9]+)? 分钟"))
        expect(widget.own_message("我的卡").locator(".status")).to_have_text("已发送")
        axe(widget.page)

        mei.take_next()
        expect(widget.frame.get_by_role("heading", level=1)).to_have_text("林梅")
        expect(widget.status_line).to_have_text("工号 1001 · 青岚银行")
        expect(widget.frame.locator("#portrait")).to_have_attribute("data-initial", "林")
        seq = mei.wait_for_message("我的卡被吞了，我在医院")
        mei.mark_received(seq)
        expect(widget.own_message("我的卡").locator(".status")).to_have_text("已送达")
        mei.mark_received(seq, read=seq)
        expect(widget.own_message("我的卡").locator(".status")).to_have_text("已读")
        mei.send_typing()
        expect(widget.frame.get_by_text("林梅正在输入…")).to_be_visible()
        mei.say("您人在机器旁边吗？", choices=["在旁边", "已经离开"])
        expect(widget.frame.get_by_text("林梅正在输入…")).to_be_hidden()
        axe(widget.page)
        screenshot(widget.page, "widget-conversation")
        widget.frame.get_by_role("button", name="已经离开").click()
        mei.wait_for_message("已经离开")
        expect(widget.frame.get_by_role("button", name="在旁边")).to_have_count(0)

        widget.frame.get_by_role("button", name="结束", exact=True).click()
        widget.frame.get_by_role("button", name="再聊聊").click()
        widget.send("还有一件事")
        widget.frame.get_by_role("button", name="结束", exact=True).click()
        widget.frame.get_by_role("button", name="结束对话").click()
        expect(widget.text).to_be_hidden()
        widget.frame.get_by_role("radio", name="满意", exact=True).check(force=True)
        widget.frame.get_by_label("想多说一句").fill("很快，谢谢")
        axe(widget.page)
        screenshot(widget.page, "widget-rating")
        widget.frame.get_by_role("button", name="提交评价").click()
        expect(widget.frame.get_by_text("谢谢您，我们记下了。")).to_be_visible()
        assert mei.wait_for_rating() == 4

        with widget.page.expect_download() as download:
            widget.frame.get_by_role("button", name="保存对话").click()
        transcript = Path(download.value.path()).read_text(encoding="utf-8")
        assert [
            transcript.count(text) for text in ("我的卡被吞了，我在医院", "您人在机器旁边吗？", "还有一件事")
        ] == [1, 1, 1]

        widget.frame.get_by_role("button", name="再聊一次").click()
        expect(widget.frame.get_by_role("button", name="卡被吞了")).to_be_visible()
        assert widget.stored_items() == {}


# Makes every visitor who is away leave the queue.
ABANDON = """
from datetime import timedelta
from django.utils import timezone
from chat.actions.abandonment import abandon_absent
from chat.models import Conversation
Conversation.objects.exclude(visitor_away_since=None).update(visitor_away_since=timezone.now() - timedelta(minutes=20))
print(abandon_absent({}))
"""


def test_visitor_who_was_away_gets_the_former_place_back(
    open_widget: OpenWidget, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    with WireAgent(server) as mei:
        widget = open_widget()
        widget.send("我的卡被吞了")
        address = widget.page.url
        widget.page.goto("about:blank")
        mei.wait_for("conversation", lambda frame: "visitor_away_since" in frame["row"])
        assert server.run_python(ABANDON).strip() == "1"
        other = open_widget()
        other.send("我想问汇率")
        expect(other.status_line).to_have_text(re.compile("您排第 1 位"))

        again = Widget(widget.page, address)
        expect(again.log.get_by_text("30 分钟内回来，位置还是您的")).to_be_visible()
        expect(again.log.get_by_text("已为您恢复原来的排队位置")).to_be_visible()
        expect(again.status_line).to_have_text(re.compile("您排第 1 位"))
        expect(other.status_line).to_have_text(re.compile("您排第 2 位"))
        expect(other.frame.locator("#waiting")).to_have_text("比您先到的客户回来继续排队了。")
        axe(other.page)
        screenshot(again.page, "widget-place-back")
        screenshot(other.page, "widget-queue-reason")
        mei.take_next()
        mei.wait_for_message("我的卡被吞了")

        other.frame.get_by_role("button", name="结束", exact=True).click()
        other.frame.get_by_role("button", name="结束对话").click()
        expect(other.log.get_by_text("您已离开排队。")).to_be_visible()


def test_topic_and_form_start_conversation(open_widget: OpenWidget, server: ChatServer) -> None:
    widget = open_widget(language="en")
    widget.frame.get_by_label("Your name").fill("Li Lei")
    widget.frame.get_by_role("button", name="Card swallowed").click()
    expect(widget.log.get_by_text("The machine has swallowed my card.")).to_be_visible()

    [(subject, page, device, language, name)] = server.execute(
        "SELECT c.subject, c.page, c.device, c.language, v.name FROM chat_conversation c"
        " JOIN chat_visitor v ON v.id = c.visitor_id"
    )
    assert (subject, page, device, language, name) == ("Card swallowed", "/", "desktop", "en", "Li Lei")


def test_required_form_field_is_requested_before_message_is_sent(
    open_widget: OpenWidget, server: ChatServer
) -> None:
    server.execute("UPDATE chat_formfield SET is_required = ? WHERE key = 'name'", True)
    try:
        widget = open_widget()
        widget.write("我的卡被吞了")
        expect(widget.frame.get_by_role("alert").filter(has_text="请先填好")).to_be_visible()
        expect(widget.frame.get_by_label("怎么称呼您")).to_be_focused()
        expect(widget.text).to_have_value("我的卡被吞了")
        widget.frame.get_by_label("怎么称呼您").fill("李雷")
        widget.text.press("Enter")
        expect(widget.log.get_by_text("我的卡被吞了")).to_be_visible()
    finally:
        server.execute("UPDATE chat_formfield SET is_required = ? WHERE key = 'name'", False)


def test_conversation_and_draft_survive_reload(open_widget: OpenWidget, server: ChatServer) -> None:
    with WireAgent(server) as mei:
        widget = open_widget()
        widget.send("我的卡被吞了")
        mei.take_next()
        widget.text.fill("写到一半")
        widget.page.reload()
        mei.say("您走开时我说的")

        # During a conversation the frame is loaded even while the widget is closed, so that the launcher can show the
        # number of unread messages.
        again = Widget(widget.page, is_open=False)
        expect(again.log.get_by_text("您走开时我说的")).to_be_attached()
        again = Widget(widget.page)
        expect(again.log.get_by_text("我的卡被吞了")).to_be_visible()
        expect(again.text).to_have_value("写到一半")
        expect(again.log.locator(".message")).to_have_count(3)


def test_pre_chat_form_survives_reload_and_language_change(
    open_widget: OpenWidget, server: ChatServer
) -> None:
    widget = open_widget()
    widget.frame.get_by_label("怎么称呼您").fill("李雷")
    widget.frame.get_by_label("事由").select_option("cards")
    widget.page.reload()
    again = Widget(widget.page)
    expect(again.frame.get_by_label("怎么称呼您")).to_have_value("李雷")
    expect(again.frame.get_by_label("事由")).to_have_value("cards")
    again.frame.locator("#language").click()
    expect(again.frame.get_by_label("Your name")).to_have_value("李雷")
    again.send("我的卡被吞了")
    assert server.execute("SELECT name FROM chat_visitor") == [("李雷",)]
    # The browser does not keep a form that the bank has received.
    assert not any(key.endswith(".form") for key in again.stored_items())


def test_rating_survives_selection_ending_outside_escape_disconnect_and_reload(
    open_widget: OpenWidget, server: ChatServer
) -> None:
    text = "很快，谢谢；不过请在机器上写清楚电话。" * 8
    with WireAgent(server) as mei:
        widget = open_widget(allow=NETWORK_ERRORS)
        widget.send("我的卡被吞了")
        mei.take_next()
        widget.frame.get_by_role("button", name="结束", exact=True).click()
        # Escape only closes the confirmation: the conversation continues.
        widget.page.keyboard.press("Escape")
        expect(widget.frame.locator("#sure")).to_be_hidden()
        widget.frame.get_by_role("button", name="结束", exact=True).click()
        widget.frame.get_by_role("button", name="结束对话").click()
        widget.frame.get_by_role("radio", name="满意", exact=True).check(force=True)
        comment = widget.frame.get_by_label("想多说一句")
        comment.fill(text)
        bounds = comment.bounding_box()
        assert bounds is not None
        widget.page.mouse.move(bounds["x"] + 40, bounds["y"] + 12)
        widget.page.mouse.down()
        widget.page.mouse.move(5, 5)
        widget.page.mouse.up()
        expect(comment).to_have_value(text)
        comment.press("Escape")
        expect(comment).to_be_hidden()
        widget.page.evaluate("() => Lianxin.open()")
        expect(comment).to_have_value(text)

        widget.page.reload()
        again = Widget(widget.page, is_open=False)
        widget.page.evaluate("() => Lianxin.open()")
        comment = again.frame.get_by_label("想多说一句")
        expect(comment).to_have_value(text)
        expect(again.frame.get_by_role("radio", name="满意", exact=True)).to_be_checked()
        again.frame.locator("#language").click()
        comment = again.frame.get_by_label("Anything to add?")
        expect(comment).to_have_value(text)

        server.kill()
        expect(again.frame.get_by_text("No connection. We're reconnecting")).to_be_visible()
        again.frame.get_by_role("button", name="Send rating").click()
        expect(comment).to_have_value(text)
    server.start()
    expect(again.frame.locator("#thanks")).not_to_be_empty(timeout=40_000)
    server.wait_for_rows("SELECT score, comment FROM chat_rating", [(4, text)])
    assert not any(key.endswith(".rating") for key in again.stored_items())


def test_days_are_named_by_server_clock_and_renamed_after_midnight(
    page_factory: PageFactory, host_page: HostPage
) -> None:
    page = page_factory()
    page.add_init_script(CLOCK_A_DAY_FAST)
    routes: list[WebSocketRoute] = []

    def pass_on(line: WebSocketRoute) -> None:
        upstream = line.connect_to_server()
        routes.append(line)
        line.on_message(upstream.send)
        upstream.on_message(line.send)

    page.context.route_web_socket("**/ws/chat/", pass_on)
    widget = Widget(page, host_page.url())
    widget.send("我的卡被吞了")
    day = widget.log.locator(".day")
    expect(day).to_have_text("今天")

    def later(days: int) -> None:
        now = int(time.time() * 1000) + days * DAY_MS
        routes[-1].send(json.dumps({"kind": "pong", "head": 0, "now": now}))

    later(1)
    expect(day).to_have_text("昨天")
    later(3)
    expect(day).to_have_text(re.compile("年.*星期"))


def test_messages_written_offline_arrive_once_and_in_order(
    open_widget: OpenWidget, server: ChatServer
) -> None:
    with WireAgent(server) as mei:
        widget = open_widget(allow=NETWORK_ERRORS)
        widget.send("第一句")
        mei.take_next()
        expect(widget.frame.locator("#portrait")).to_have_attribute("data-initial", "林")
        server.kill()
        for text in ("第二句", "第三句", "第四句"):
            widget.write(text)
        expect(widget.own_message("第四句").locator(".status")).to_have_text("尚未发出")
        expect(widget.frame.get_by_text("网络断开了，正在重连")).to_be_visible()
        server.start()
        expect(widget.log.get_by_text("第四句")).to_be_visible(timeout=40_000)
        expect(widget.frame.get_by_text("网络断开了，正在重连")).to_be_hidden()
    stored = server.execute("SELECT seq, body FROM chat_message WHERE kind = 'text' ORDER BY seq")
    assert [body for _, body in stored] == ["第一句", "第二句", "第三句", "第四句"]
    assert [seq for (seq,) in server.execute("SELECT seq FROM chat_message ORDER BY seq")] == [1, 2, 3, 4, 5]


def test_first_message_survives_dead_server_and_reload(open_widget: OpenWidget, server: ChatServer) -> None:
    widget = open_widget(allow=NETWORK_ERRORS)
    server.kill()
    widget.write("在吗，急")
    expect(widget.own_message("在吗，急").locator(".status")).to_have_text("尚未发出")
    server.start()
    widget.page.reload()
    again = Widget(widget.page)
    expect(again.log.get_by_text("在吗，急")).to_be_visible(timeout=40_000)
    assert server.execute("SELECT count(*) FROM chat_message WHERE body = '在吗，急'") == [(1,)]
    assert server.execute("SELECT count(*) FROM chat_conversation") == [(1,)]


def test_two_tabs_share_one_conversation(open_widget: OpenWidget, server: ChatServer) -> None:
    first = open_widget()
    second = open_widget(beside=first.page)
    first.send("从第一页")
    expect(second.log.get_by_text("从第一页")).to_be_visible()
    second.send("从第二页")
    expect(first.log.get_by_text("从第二页")).to_be_visible()
    assert server.execute("SELECT count(*) FROM chat_conversation") == [(1,)]


def test_logout_removes_everything_in_every_tab(open_widget: OpenWidget, server: ChatServer) -> None:
    first = open_widget()
    second = open_widget(beside=first.page)
    first.send("我的秘密")
    expect(second.log.get_by_text("我的秘密")).to_be_visible()
    second.text.fill("写到一半的秘密")
    first.page.evaluate("() => Lianxin.logout()")
    for widget in (first, second):
        expect(widget.frame.get_by_role("button", name="卡被吞了")).to_be_visible()
        expect(widget.frame.get_by_text("我的秘密")).to_have_count(0)
        expect(widget.text).to_have_value("")
        assert widget.stored_items() == {}
    expect(first.page.locator("body")).to_be_visible()
    assert first.page.evaluate("() => Object.keys(localStorage)") == []
    server.wait_for_rows("SELECT status FROM chat_conversation", [("closed",)])


def test_widget_works_with_blocked_storage(page_factory: PageFactory, host_page: HostPage) -> None:
    page = page_factory()
    page.add_init_script(BLOCKED_STORAGE)
    widget = Widget(page, host_page.url())
    widget.send("我什么都不让存")
    widget.frame.get_by_role("button", name="EN").click()
    expect(widget.frame.get_by_placeholder("Write here…")).to_be_visible()
    expect(widget.log.get_by_text("我什么都不让存")).to_be_visible()
    widget.send("and in English")


def test_language_can_be_changed_during_conversation(open_widget: OpenWidget, server: ChatServer) -> None:
    with WireAgent(server) as mei:
        widget = open_widget()
        widget.send("我的卡被吞了")
        mei.take_next()
        widget.text.fill("写到一半")
        widget.frame.get_by_role("button", name="EN").click()
        expect(widget.frame.get_by_role("heading", level=1)).to_have_text("Mei Lin")
        expect(widget.status_line).to_have_text("No. 1001 · Qinglan Bank")
        expect(widget.text).to_have_value("写到一半")
        mei.say("still here")
        expect(widget.log.get_by_text("still here")).to_be_visible()
        assert widget.frame.evaluate("document.documentElement.lang") == "en"


def test_enter_does_not_send_while_input_method_composes(open_widget: OpenWidget) -> None:
    widget = open_widget()
    widget.text.focus()
    keys = widget.page.context.new_cdp_session(widget.frame)
    keys.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    # The event that Chromium sends for an Enter that chooses one of the characters offered by the input method.
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    keys.send("Input.dispatchKeyEvent", {"type": "keyDown", **enter})
    keys.send("Input.insertText", {"text": "你好"})
    # Safari ends the composition first. Its Enter follows in the same event-loop turn, with the key code of a normal
    # Enter.
    widget.text.evaluate(
        """text => {
            text.dispatchEvent(new CompositionEvent("compositionstart"));
            text.dispatchEvent(new CompositionEvent("compositionend"));
            text.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
        }"""
    )
    expect(widget.text).to_have_value("你好")
    expect(widget.frame.locator(".message")).to_have_count(0)
    widget.text.press("Enter")
    expect(widget.log.get_by_text("你好")).to_be_visible()


def test_widget_is_operable_by_keyboard(page_factory: PageFactory, host_page: HostPage) -> None:
    page = page_factory()
    page.add_init_script(OPEN_SHADOWS)
    widget = Widget(page, host_page.url(), is_open=False)
    launcher = page.get_by_role("button", name="在线客服")
    for _ in range(10):
        page.keyboard.press("Tab")
        if launcher.evaluate("button => button.matches(':focus')"):
            break
    page.keyboard.press("Enter")
    expect(widget.text).to_be_focused()
    expect(launcher).to_be_hidden()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(widget.frame.get_by_role("button", name="😊")).to_be_focused()
    page.keyboard.press("Enter")
    expect(widget.text).to_have_value("😊")
    expect(widget.text).to_be_focused()
    page.keyboard.press("Escape")
    expect(launcher).to_be_focused()
    page.keyboard.press("Enter")
    expect(widget.text).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(widget.frame.get_by_role("button", name="😊")).to_be_focused()
    page.keyboard.press("Escape")
    expect(widget.frame.get_by_role("button", name="😊")).to_be_hidden()
    expect(widget.text).to_be_visible()


def test_launcher_counts_unread_messages(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer
) -> None:
    with WireAgent(server) as mei:
        page = page_factory()
        page.add_init_script(OPEN_SHADOWS)
        widget = Widget(page, host_page.url())
        events = page.evaluate_handle(
            """() => {
                const seen = [];
                for (const name of ["open", "close", "unread", "started", "ended"])
                    Lianxin.on(name, (detail) => seen.push(detail === undefined ? name : `${name} ${detail}`));
                return seen;
            }"""
        )
        widget.send("我的卡被吞了")
        mei.take_next()
        page.evaluate("() => Lianxin.close()")
        mei.say("一")
        mei.say("二")
        launcher = page.get_by_role("button", name="在线客服, 2 条新消息")
        expect(launcher).to_be_visible()
        launcher.click()
        expect(widget.log.get_by_text("二", exact=True)).to_be_visible()
        page.evaluate("() => Lianxin.close()")
        expect(page.get_by_role("button", name="在线客服", exact=True)).to_be_visible()
        mei.end()
        expect(widget.frame.locator("#ending")).to_be_attached()
        wait_until(page, "seen => seen.includes('ended')", events)
        assert [name for name in events.json_value() if " 0" not in name] == [
            "started", "close", "unread 1", "unread 2", "open", "close", "ended",
        ]  # fmt: skip


def test_identified_customer_resumes_conversation_in_another_browser(
    open_widget: OpenWidget, server: ChatServer
) -> None:
    def token(number: int) -> str:
        now = int(time.time())
        claims = {
            "sub": "C-1",
            "aud": SITE_KEY,
            "iat": now,
            "exp": now + 120,
            "jti": str(number),
            "name": "李雷",
        }
        return jwt.encode(claims, IDENTITY_SECRET, algorithm="HS256")

    widget = open_widget()
    widget.page.evaluate("token => Lianxin.identify(token)", token(1))
    widget.send("我是李雷")
    elsewhere = open_widget()
    elsewhere.page.evaluate("token => Lianxin.identify(() => Promise.resolve(token))", token(2))
    expect(elsewhere.log.get_by_text("我是李雷")).to_be_visible()


@pytest.fixture
def nonce_required(server: ChatServer) -> Iterator[None]:
    """Make the site require a nonce in identity tokens during the test."""
    with server.site_setting("requires_nonce", True):
        yield


@pytest.mark.usefixtures("nonce_required")
def test_identity_token_with_nonce_of_this_browser_is_accepted_and_copied_one_is_not(
    open_widget: OpenWidget, server: ChatServer
) -> None:
    """Check identity tokens with a nonce: the page's function receives the nonce and fetches a token that contains it.

    docs/embed.md describes this for banks.
    """

    def token(nonce: str) -> str:
        now = int(time.time())
        claims = {
            "sub": "C-7",
            "aud": SITE_KEY,
            "iat": now,
            "exp": now + 120,
            "jti": str(uuid4()),
            "name": "李雷",
        }
        return jwt.encode(claims | {"nonce": nonce}, IDENTITY_SECRET, algorithm="HS256")

    nonces: list[str] = []
    widget = open_widget()

    def fetch_token(nonce: str) -> str:
        nonces.append(nonce)
        return token(nonce)

    widget.page.expose_function("fetchToken", fetch_token)
    widget.page.evaluate("() => Lianxin.identify((nonce) => fetchToken(nonce))")
    widget.send("我是李雷")
    assert server.execute("SELECT level FROM chat_visitor WHERE customer_reference = 'C-7'") == [
        ("verified",)
    ]
    assert len(nonces) == 1, "the token is fetched once, however often the widget reconnects"

    thief = open_widget()
    thief.page.evaluate("token => Lianxin.identify(token)", token(nonces[0]))
    thief.send("我才是李雷")
    expect(thief.log.get_by_text("我是李雷", exact=True)).to_have_count(0)
    assert server.execute("SELECT COUNT(*) FROM chat_visitor WHERE level = 'verified'") == [(1,)]

    widget.page.evaluate("() => Lianxin.logout()")
    expect(widget.log.get_by_text("我是李雷")).to_have_count(0)
    server.wait_for_rows("SELECT level FROM chat_visitor WHERE customer_reference = 'C-7'", [("claimed",)])


def test_visitor_sends_picture_and_pdf_but_no_executable(
    open_widget: OpenWidget, server: ChatServer, tmp_path: Path, screenshot: Screenshot
) -> None:
    from PIL import Image

    picture, paper, program = tmp_path / "吞卡.png", tmp_path / "回单.pdf", tmp_path / "bad.exe"
    Image.new("RGB", (800, 500), "#8fc0aa").save(picture)
    Image.new("RGB", (300, 400), "#fff").save(paper)
    program.write_bytes(b"MZ")
    widget = open_widget()
    chooser = widget.frame.locator("#file")
    chooser.set_input_files([picture, paper])
    shown = widget.log.get_by_role("img", name="吞卡.png")
    expect(shown).to_have_attribute("src", re.compile("^blob:"))
    assert shown.evaluate("async image => { await image.decode(); return [image.width, image.height] }") == [
        240,
        150,
    ]
    with widget.page.expect_download() as download:
        widget.log.get_by_role("link", name="回单.pdf").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
    screenshot(widget.page, "widget-files")

    chooser.set_input_files(program)
    expect(widget.frame.get_by_text("这种文件发不了。")).to_be_visible()
    assert server.execute("SELECT count(*) FROM chat_attachment") == [(2,)]


def test_widget_fills_phone_screen_with_large_touch_targets(
    open_widget: OpenWidget, server: ChatServer, screenshot: Screenshot, axe: Axe
) -> None:
    with WireAgent(server) as mei:
        widget = open_widget(viewport=PHONE, has_touch=True, is_mobile=True)
        assert widget.frame.evaluate("[innerWidth, innerHeight]") == [PHONE[0], PHONE[1]]
        widget.send("我的卡被吞了")
        mei.take_next()
        mei.say("您好，我来帮您", choices=["好", "不用"])
        expect(widget.frame.get_by_role("button", name="好", exact=True)).to_be_visible()
        small = widget.frame.evaluate(
            """() => [...document.querySelectorAll("button, select, textarea, input:not([type=file])")]
                .filter((element) => element.checkVisibility())
                .filter((element) => {
                    const { width, height } = element.getBoundingClientRect()
                    return width < 44 || height < 44
                })
                .map((element) => element.outerHTML)"""
        )
        assert small == []
        assert widget.text.evaluate("text => parseFloat(getComputedStyle(text).fontSize)") >= 16
        axe(widget.page)
        screenshot(widget.page, "widget-phone")


def test_widget_is_readable_in_dark_mode(
    open_widget: OpenWidget, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    with WireAgent(server) as mei:
        widget = open_widget(language="en", color_scheme="dark")
        axe(widget.page)
        widget.send("My card was swallowed")
        mei.take_next()
        mei.say("I'm here. See https://www.bank.example/", choices=["Thanks", "More"])
        expect(widget.frame.get_by_role("button", name="Thanks")).to_be_visible()
        axe(widget.page)
        screenshot(widget.page, "widget-dark")
        mei.end()
        widget.frame.get_by_role("radio", name="Very happy").check(force=True)
        axe(widget.page)


@pytest.mark.parametrize("accent", ["#ffe600", "#ff0000", "#00c8ff", "#000000", "#ffffff", "#7fff00"])
def test_any_accent_colour_keeps_contrast(
    open_widget: OpenWidget, server: ChatServer, axe: Axe, accent: str
) -> None:
    with server.site_setting("accent", accent):
        for scheme in ("light", "dark"):
            widget = open_widget(color_scheme=scheme)
            axe(widget.page)
            widget.send("看 https://www.bank.example/")
            axe(widget.page)
            server.reset()


def test_widget_opens_on_allowed_origins_only(page_factory: PageFactory, host_page: HostPage) -> None:
    page = page_factory(allow="frame-ancestors|ERR_BLOCKED_BY_RESPONSE")
    page.goto(host_page.foreign_url())
    wait_until(page, "Boolean(window.Lianxin)")
    with page.expect_event("requestfailed", lambda request: "/widget/" in request.url):
        page.evaluate("() => void Lianxin.open()")
    assert not any(frame.url.startswith("http") and "/widget/" in frame.url for frame in page.frames)


def test_widget_sets_no_cookie(open_widget: OpenWidget) -> None:
    widget = open_widget()
    widget.send("没有小甜饼")
    assert widget.page.context.cookies() == []


def test_hundreds_of_messages_stay_in_order_and_scrolled_to_the_end(
    open_widget: OpenWidget, server: ChatServer
) -> None:
    with WireAgent(server) as mei:
        widget = open_widget()
        widget.send("开始")
        mei.take_next()
        for number in range(230):
            mei.say(f"第 {number} 句")
        expect(widget.log.get_by_text("第 229 句", exact=True)).to_be_in_viewport()
        widget.page.reload()
        again = Widget(widget.page)
        expect(again.log.get_by_text("第 229 句", exact=True)).to_be_in_viewport()
        bodies = again.log.locator(".theirs .body").all_text_contents()
        assert bodies == [f"第 {number} 句" for number in range(230)]
        again.frame.locator("#scroll").evaluate("scroll => scroll.scrollTo(0, 0)")
        expect(again.log.get_by_text("开始")).to_be_in_viewport()
        mei.say("新来的")
        again.frame.get_by_role("button", name="有新消息").click()
        expect(again.log.get_by_text("新来的")).to_be_in_viewport()
