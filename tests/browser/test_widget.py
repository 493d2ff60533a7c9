"""The dialog box in a real browser, on a bank's page of another origin with a strict policy of its own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
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
from tests.browser.widget import OPEN_SHADOWS, Box
from tests.people import IDENTITY_SECRET, SITE_KEY

Open = Callable[..., Box]
# Half of the browsers of the world tell it like this when cookies and site data are blocked.
BLOCKED_STORAGE = """
for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError") } });
"""


@pytest.fixture
def open_box(page_factory: PageFactory, host_page: HostPage) -> Open:
    """The box, opened on the bank's page in Chinese unless asked otherwise."""

    def make(*, language: str = "zh-CN", beside: Page | None = None, **options: object) -> Box:
        page = page_factory(beside=beside, **options)  # type: ignore[arg-type]
        return Box(page, host_page.url(language=language))

    return make


def test_a_customer_and_an_agent_talk(
    open_box: Open, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    with WireAgent(server) as mei:
        box = open_box()
        expect(box.frame.get_by_role("button", name="卡被吞了")).to_be_visible()
        axe(box.page)
        screenshot(box.page, "box-first")
        box.says("我的卡被吞了，我在医院")
        expect(box.line).to_have_text(re.compile("您排第 1 位，约 [0-9]+ 分钟"))
        expect(box.mine("我的卡").locator(".status")).to_have_text("已发送")
        axe(box.page)

        mei.take()
        expect(box.frame.get_by_role("heading", level=1)).to_have_text("林梅")
        expect(box.line).to_have_text("工号 1001 · 青岚银行")
        expect(box.frame.locator("#portrait")).to_have_attribute("data-initial", "林")
        seq = mei.hears("我的卡被吞了，我在医院")
        mei.receives(seq)
        expect(box.mine("我的卡").locator(".status")).to_have_text("已送达")
        mei.receives(seq, read=seq)
        expect(box.mine("我的卡").locator(".status")).to_have_text("已读")
        mei.types()
        expect(box.frame.get_by_text("林梅正在输入…")).to_be_visible()
        mei.say("您人在机器旁边吗？", choices=["在旁边", "已经离开"])
        expect(box.frame.get_by_text("林梅正在输入…")).to_be_hidden()
        axe(box.page)
        screenshot(box.page, "box-talk")
        box.frame.get_by_role("button", name="已经离开").click()
        mei.hears("已经离开")
        expect(box.frame.get_by_role("button", name="在旁边")).to_have_count(0)

        box.frame.get_by_role("button", name="结束", exact=True).click()
        box.frame.get_by_role("button", name="再聊聊").click()
        box.says("还有一件事")
        box.frame.get_by_role("button", name="结束", exact=True).click()
        box.frame.get_by_role("button", name="结束对话").click()
        expect(box.text).to_be_hidden()
        box.frame.get_by_role("radio", name="满意", exact=True).check(force=True)
        box.frame.get_by_label("想多说一句").fill("很快，谢谢")
        axe(box.page)
        screenshot(box.page, "box-rating")
        box.frame.get_by_role("button", name="提交评价").click()
        expect(box.frame.get_by_text("谢谢您，我们记下了。")).to_be_visible()
        assert mei.hears_rating() == 4

        with box.page.expect_download() as download:
            box.frame.get_by_role("button", name="保存对话").click()
        transcript = Path(download.value.path()).read_text(encoding="utf-8")
        assert [
            transcript.count(words)
            for words in ("我的卡被吞了，我在医院", "您人在机器旁边吗？", "还有一件事")
        ] == [1, 1, 1]

        box.frame.get_by_role("button", name="再聊一次").click()
        expect(box.frame.get_by_role("button", name="卡被吞了")).to_be_visible()
        assert box.kept() == {}


def test_a_topic_and_the_form_begin_the_conversation(open_box: Open, server: ChatServer) -> None:
    box = open_box(language="en")
    box.frame.get_by_label("Your name").fill("Li Lei")
    box.frame.get_by_role("button", name="Card swallowed").click()
    expect(box.log.get_by_text("The machine has swallowed my card.")).to_be_visible()

    [(subject, page, device, language, name)] = server.execute(
        "SELECT c.subject, c.page, c.device, c.language, v.name FROM chat_conversation c"
        " JOIN chat_visitor v ON v.id = c.visitor_id"
    )
    assert (subject, page, device, language, name) == ("Card swallowed", "/", "desktop", "en", "Li Lei")


def test_a_required_answer_is_asked_for_before_anything_is_sent(open_box: Open, server: ChatServer) -> None:
    server.execute("UPDATE chat_formfield SET is_required = ? WHERE key = 'name'", True)
    try:
        box = open_box()
        box.write("我的卡被吞了")
        expect(box.frame.get_by_role("alert").filter(has_text="请先填好")).to_be_visible()
        expect(box.frame.get_by_label("怎么称呼您")).to_be_focused()
        expect(box.text).to_have_value("我的卡被吞了")
        box.frame.get_by_label("怎么称呼您").fill("李雷")
        box.text.press("Enter")
        expect(box.log.get_by_text("我的卡被吞了")).to_be_visible()
    finally:
        server.execute("UPDATE chat_formfield SET is_required = ? WHERE key = 'name'", False)


def test_the_conversation_and_the_draft_outlive_a_reload(open_box: Open, server: ChatServer) -> None:
    with WireAgent(server) as mei:
        box = open_box()
        box.says("我的卡被吞了")
        mei.take()
        box.text.fill("写到一半")
        box.page.reload()
        mei.say("您走开时我说的")

        # Under way: the frame is there before anybody opens it, and the launcher counts.
        again = Box(box.page, is_open=False)
        expect(again.log.get_by_text("您走开时我说的")).to_be_attached()
        again = Box(box.page)
        expect(again.log.get_by_text("我的卡被吞了")).to_be_visible()
        expect(again.text).to_have_value("写到一半")
        expect(again.log.locator(".message")).to_have_count(3)


def test_the_form_before_the_chat_outlives_a_reload_and_the_other_language(
    open_box: Open, server: ChatServer
) -> None:
    box = open_box()
    box.frame.get_by_label("怎么称呼您").fill("李雷")
    box.frame.get_by_label("事由").select_option("cards")
    box.page.reload()
    again = Box(box.page)
    expect(again.frame.get_by_label("怎么称呼您")).to_have_value("李雷")
    expect(again.frame.get_by_label("事由")).to_have_value("cards")
    again.frame.locator("#language").click()
    expect(again.frame.get_by_label("Your name")).to_have_value("李雷")
    again.says("我的卡被吞了")
    assert server.execute("SELECT name FROM chat_visitor") == [("李雷",)]
    # What the bank has got stays no longer in the browser.
    assert not any(key.endswith(".form") for key in again.kept())


def test_a_rating_outlives_a_selection_that_ends_outside_escape_a_cut_and_a_reload(
    open_box: Open, server: ChatServer
) -> None:
    words = "很快，谢谢；不过请在机器上写清楚电话。" * 8
    with WireAgent(server) as mei:
        box = open_box(allow=NETWORK_ERRORS)
        box.says("我的卡被吞了")
        mei.take()
        box.frame.get_by_role("button", name="结束", exact=True).click()
        # Escape, and a press beside it, close the question only: the chat goes on.
        box.page.keyboard.press("Escape")
        expect(box.frame.locator("#sure")).to_be_hidden()
        box.frame.get_by_role("button", name="结束", exact=True).click()
        box.frame.get_by_role("button", name="结束对话").click()
        box.frame.get_by_role("radio", name="满意", exact=True).check(force=True)
        comment = box.frame.get_by_label("想多说一句")
        comment.fill(words)
        place = comment.bounding_box()
        assert place is not None
        box.page.mouse.move(place["x"] + 40, place["y"] + 12)
        box.page.mouse.down()
        box.page.mouse.move(5, 5)
        box.page.mouse.up()
        expect(comment).to_have_value(words)
        comment.press("Escape")
        expect(comment).to_be_hidden()
        box.page.evaluate("() => Lianxin.open()")
        expect(comment).to_have_value(words)

        box.page.reload()
        again = Box(box.page, is_open=False)
        box.page.evaluate("() => Lianxin.open()")
        comment = again.frame.get_by_label("想多说一句")
        expect(comment).to_have_value(words)
        expect(again.frame.get_by_role("radio", name="满意", exact=True)).to_be_checked()
        again.frame.locator("#language").click()
        comment = again.frame.get_by_label("Anything to add?")
        expect(comment).to_have_value(words)

        server.kill()
        expect(again.frame.get_by_text("No connection. We're reconnecting")).to_be_visible()
        again.frame.get_by_role("button", name="Send rating").click()
        expect(comment).to_have_value(words)
    server.start()
    expect(again.frame.locator("#thanks")).not_to_be_empty(timeout=40_000)
    server.wait_for_rows("SELECT score, comment FROM chat_rating", [(4, words)])
    assert not any(key.endswith(".rating") for key in again.kept())


def test_days_are_named_by_the_servers_clock_and_anew_after_midnight(
    page_factory: PageFactory, host_page: HostPage
) -> None:
    page = page_factory()
    page.add_init_script(CLOCK_A_DAY_FAST)
    lines: list[WebSocketRoute] = []

    def between(line: WebSocketRoute) -> None:
        far = line.connect_to_server()
        lines.append(line)
        line.on_message(far.send)
        far.on_message(line.send)

    page.context.route_web_socket("**/ws/chat/", between)
    box = Box(page, host_page.url())
    box.says("我的卡被吞了")
    day = box.log.locator(".day")
    expect(day).to_have_text("今天")

    def later(days: int) -> None:
        now = int(time.time() * 1000) + days * DAY_MS
        lines[-1].send(json.dumps({"kind": "pong", "head": 0, "now": now}))

    later(1)
    expect(day).to_have_text("昨天")
    later(3)
    expect(day).to_have_text(re.compile("年.*星期"))


def test_what_is_written_without_a_network_arrives_once_and_in_order(
    open_box: Open, server: ChatServer
) -> None:
    with WireAgent(server) as mei:
        box = open_box(allow=NETWORK_ERRORS)
        box.says("第一句")
        mei.take()
        expect(box.frame.locator("#portrait")).to_have_attribute("data-initial", "林")
        server.kill()
        for words in ("第二句", "第三句", "第四句"):
            box.write(words)
        expect(box.mine("第四句").locator(".status")).to_have_text("尚未发出")
        expect(box.frame.get_by_text("网络断开了，正在重连")).to_be_visible()
        server.start()
        expect(box.log.get_by_text("第四句")).to_be_visible(timeout=40_000)
        expect(box.frame.get_by_text("网络断开了，正在重连")).to_be_hidden()
    stored = server.execute("SELECT seq, body FROM chat_message WHERE kind = 'text' ORDER BY seq")
    assert [body for _, body in stored] == ["第一句", "第二句", "第三句", "第四句"]
    assert [seq for (seq,) in server.execute("SELECT seq FROM chat_message ORDER BY seq")] == [1, 2, 3, 4, 5]


def test_the_first_words_outlive_a_dead_server_and_a_reload(open_box: Open, server: ChatServer) -> None:
    box = open_box(allow=NETWORK_ERRORS)
    server.kill()
    box.write("在吗，急")
    expect(box.mine("在吗，急").locator(".status")).to_have_text("尚未发出")
    server.start()
    box.page.reload()
    again = Box(box.page)
    expect(again.log.get_by_text("在吗，急")).to_be_visible(timeout=40_000)
    assert server.execute("SELECT count(*) FROM chat_message WHERE body = '在吗，急'") == [(1,)]
    assert server.execute("SELECT count(*) FROM chat_conversation") == [(1,)]


def test_two_tabs_are_one_conversation(open_box: Open, server: ChatServer) -> None:
    one = open_box()
    other = open_box(beside=one.page)
    one.says("从第一页")
    expect(other.log.get_by_text("从第一页")).to_be_visible()
    other.says("从第二页")
    expect(one.log.get_by_text("从第二页")).to_be_visible()
    assert server.execute("SELECT count(*) FROM chat_conversation") == [(1,)]


def test_logging_out_leaves_nothing_in_any_tab(open_box: Open, server: ChatServer) -> None:
    one = open_box()
    other = open_box(beside=one.page)
    one.says("我的秘密")
    expect(other.log.get_by_text("我的秘密")).to_be_visible()
    other.text.fill("写到一半的秘密")
    one.page.evaluate("() => Lianxin.logout()")
    for box in (one, other):
        expect(box.frame.get_by_role("button", name="卡被吞了")).to_be_visible()
        expect(box.frame.get_by_text("我的秘密")).to_have_count(0)
        expect(box.text).to_have_value("")
        assert box.kept() == {}
    expect(one.page.locator("body")).to_be_visible()
    assert one.page.evaluate("() => Object.keys(localStorage)") == []
    server.wait_for_rows("SELECT status FROM chat_conversation", [("closed",)])


def test_blocked_storage_does_not_keep_anybody_from_talking(
    page_factory: PageFactory, host_page: HostPage
) -> None:
    page = page_factory()
    page.add_init_script(BLOCKED_STORAGE)
    box = Box(page, host_page.url())
    box.says("我什么都不让存")
    box.frame.get_by_role("button", name="EN").click()
    expect(box.frame.get_by_placeholder("Write here…")).to_be_visible()
    expect(box.log.get_by_text("我什么都不让存")).to_be_visible()
    box.says("and in English")


def test_the_language_changes_in_the_middle_of_it(open_box: Open, server: ChatServer) -> None:
    with WireAgent(server) as mei:
        box = open_box()
        box.says("我的卡被吞了")
        mei.take()
        box.text.fill("写到一半")
        box.frame.get_by_role("button", name="EN").click()
        expect(box.frame.get_by_role("heading", level=1)).to_have_text("Mei Lin")
        expect(box.line).to_have_text("No. 1001 · Qinglan Bank")
        expect(box.text).to_have_value("写到一半")
        mei.say("still here")
        expect(box.log.get_by_text("still here")).to_be_visible()
        assert box.frame.evaluate("document.documentElement.lang") == "en"


def test_enter_never_sends_while_an_input_method_composes(open_box: Open) -> None:
    box = open_box()
    box.text.focus()
    keys = box.page.context.new_cdp_session(box.frame)
    keys.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    # What Chromium sends for the Enter that chooses a candidate.
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    keys.send("Input.dispatchKeyEvent", {"type": "keyDown", **enter})
    keys.send("Input.insertText", {"text": "你好"})
    # Safari ends the composition first; its Enter comes in the same turn with its own number.
    box.text.evaluate(
        """text => {
            text.dispatchEvent(new CompositionEvent("compositionstart"));
            text.dispatchEvent(new CompositionEvent("compositionend"));
            text.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
        }"""
    )
    expect(box.text).to_have_value("你好")
    expect(box.frame.locator(".message")).to_have_count(0)
    box.text.press("Enter")
    expect(box.log.get_by_text("你好")).to_be_visible()


def test_everything_is_reached_by_key(page_factory: PageFactory, host_page: HostPage) -> None:
    page = page_factory()
    page.add_init_script(OPEN_SHADOWS)
    box = Box(page, host_page.url(), is_open=False)
    launcher = page.get_by_role("button", name="在线客服")
    for _ in range(10):
        page.keyboard.press("Tab")
        if launcher.evaluate("button => button.matches(':focus')"):
            break
    page.keyboard.press("Enter")
    expect(box.text).to_be_focused()
    expect(launcher).to_be_hidden()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(box.frame.get_by_role("button", name="😊")).to_be_focused()
    page.keyboard.press("Enter")
    expect(box.text).to_have_value("😊")
    expect(box.text).to_be_focused()
    page.keyboard.press("Escape")
    expect(launcher).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(box.frame.get_by_role("button", name="😊")).to_be_hidden()
    expect(box.text).to_be_visible()


def test_the_launcher_counts_what_was_not_seen(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer
) -> None:
    with WireAgent(server) as mei:
        page = page_factory()
        page.add_init_script(OPEN_SHADOWS)
        box = Box(page, host_page.url())
        events = page.evaluate_handle(
            """() => {
                const seen = [];
                for (const name of ["open", "close", "unread", "started", "ended"])
                    Lianxin.on(name, (detail) => seen.push(detail === undefined ? name : `${name} ${detail}`));
                return seen;
            }"""
        )
        box.says("我的卡被吞了")
        mei.take()
        page.evaluate("() => Lianxin.close()")
        mei.say("一")
        mei.say("二")
        launcher = page.get_by_role("button", name="在线客服, 2 条新消息")
        expect(launcher).to_be_visible()
        launcher.click()
        expect(box.log.get_by_text("二", exact=True)).to_be_visible()
        page.evaluate("() => Lianxin.close()")
        expect(page.get_by_role("button", name="在线客服", exact=True)).to_be_visible()
        mei.ends()
        expect(box.frame.locator("#ending")).to_be_attached()
        wait_until(page, "seen => seen.includes('ended')", events)
        assert [name for name in events.json_value() if " 0" not in name] == [
            "started", "close", "unread 1", "unread 2", "open", "close", "ended",
        ]  # fmt: skip


def test_a_customer_who_is_logged_in_is_known_anywhere(open_box: Open, server: ChatServer) -> None:
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

    box = open_box()
    box.page.evaluate("token => Lianxin.identify(token)", token(1))
    box.says("我是李雷")
    elsewhere = open_box()
    elsewhere.page.evaluate("token => Lianxin.identify(() => Promise.resolve(token))", token(2))
    expect(elsewhere.log.get_by_text("我是李雷")).to_be_visible()


def test_identity_token_with_this_browsers_nonce_is_taken_and_a_copied_one_is_not(
    open_box: Open, server: ChatServer
) -> None:
    """As docs/embed.md has it: the page's function is given the nonce, and fetches a token that carries it."""
    server.execute("UPDATE chat_site SET requires_nonce = ?", True)

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

    heard: list[str] = []
    box = open_box()

    def fetch_token(nonce: str) -> str:
        heard.append(nonce)
        return token(nonce)

    box.page.expose_function("fetchToken", fetch_token)
    box.page.evaluate("() => Lianxin.identify((nonce) => fetchToken(nonce))")
    box.says("我是李雷")
    assert server.execute("SELECT level FROM chat_visitor WHERE customer_reference = 'C-7'") == [
        ("verified",)
    ]
    assert len(heard) == 1, "asked once, however often the box is welcomed"

    thief = open_box()
    thief.page.evaluate("token => Lianxin.identify(token)", token(heard[0]))
    thief.says("我才是李雷")
    expect(thief.log.get_by_text("我是李雷", exact=True)).to_have_count(0)
    assert server.execute("SELECT COUNT(*) FROM chat_visitor WHERE level = 'verified'") == [(1,)]

    box.page.evaluate("() => Lianxin.logout()")
    expect(box.log.get_by_text("我是李雷")).to_have_count(0)
    server.wait_for_rows("SELECT level FROM chat_visitor WHERE customer_reference = 'C-7'", [("claimed",)])


def test_pictures_and_papers_go_both_ways_and_programs_do_not(
    open_box: Open, server: ChatServer, tmp_path: Path, screenshot: Screenshot
) -> None:
    from PIL import Image

    picture, paper, program = tmp_path / "吞卡.png", tmp_path / "回单.pdf", tmp_path / "bad.exe"
    Image.new("RGB", (800, 500), "#8fc0aa").save(picture)
    Image.new("RGB", (300, 400), "#fff").save(paper)
    program.write_bytes(b"MZ")
    box = open_box()
    chooser = box.frame.locator("#file")
    chooser.set_input_files([picture, paper])
    shown = box.log.get_by_role("img", name="吞卡.png")
    expect(shown).to_have_attribute("src", re.compile("^blob:"))
    assert shown.evaluate("async image => { await image.decode(); return [image.width, image.height] }") == [
        240,
        150,
    ]
    with box.page.expect_download() as download:
        box.log.get_by_role("link", name="回单.pdf").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
    screenshot(box.page, "box-files")

    chooser.set_input_files(program)
    expect(box.frame.get_by_text("这种文件发不了。")).to_be_visible()
    assert server.execute("SELECT count(*) FROM chat_attachment") == [(2,)]


def test_on_a_phone_it_fills_the_screen_and_fingers_hit_it(
    open_box: Open, server: ChatServer, screenshot: Screenshot, axe: Axe
) -> None:
    with WireAgent(server) as mei:
        box = open_box(viewport=PHONE, has_touch=True, is_mobile=True)
        assert box.frame.evaluate("[innerWidth, innerHeight]") == [PHONE[0], PHONE[1]]
        box.says("我的卡被吞了")
        mei.take()
        mei.say("您好，我来帮您", choices=["好", "不用"])
        expect(box.frame.get_by_role("button", name="好", exact=True)).to_be_visible()
        small = box.frame.evaluate(
            """() => [...document.querySelectorAll("button, select, textarea, input:not([type=file])")]
                .filter((each) => each.checkVisibility())
                .filter((each) => each.getBoundingClientRect().height < 44 || each.getBoundingClientRect().width < 44)
                .map((each) => each.outerHTML)"""
        )
        assert small == []
        assert box.text.evaluate("text => parseFloat(getComputedStyle(text).fontSize)") >= 16
        axe(box.page)
        screenshot(box.page, "box-phone")


def test_it_is_readable_in_the_dark(
    open_box: Open, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    with WireAgent(server) as mei:
        box = open_box(language="en", color_scheme="dark")
        axe(box.page)
        box.says("My card was swallowed")
        mei.take()
        mei.say("I'm here. See https://www.bank.example/", choices=["Thanks", "More"])
        expect(box.frame.get_by_role("button", name="Thanks")).to_be_visible()
        axe(box.page)
        screenshot(box.page, "box-dark")
        mei.ends()
        box.frame.get_by_role("radio", name="Very happy").check(force=True)
        axe(box.page)


@pytest.mark.parametrize("accent", ["#ffe600", "#ff0000", "#00c8ff", "#000000", "#ffffff", "#7fff00"])
def test_any_colour_of_a_bank_keeps_its_contrast(
    open_box: Open, server: ChatServer, axe: Axe, accent: str
) -> None:
    server.execute("UPDATE chat_site SET accent = ? WHERE key = ?", accent, SITE_KEY)
    try:
        for scheme in ("light", "dark"):
            box = open_box(color_scheme=scheme)
            axe(box.page)
            box.says("看 https://www.bank.example/")
            axe(box.page)
            server.forget()
    finally:
        server.execute("UPDATE chat_site SET accent = '#1b5e4b' WHERE key = ?", SITE_KEY)


def test_only_pages_of_the_bank_may_show_it(page_factory: PageFactory, host_page: HostPage) -> None:
    page = page_factory(allow="frame-ancestors|ERR_BLOCKED_BY_RESPONSE")
    page.goto(host_page.foreign_url())
    wait_until(page, "Boolean(window.Lianxin)")
    with page.expect_event("requestfailed", lambda request: "/widget/" in request.url):
        page.evaluate("() => void Lianxin.open()")
    assert not any(frame.url.startswith("http") and "/widget/" in frame.url for frame in page.frames)


def test_it_neither_sets_nor_needs_a_cookie(open_box: Open) -> None:
    box = open_box()
    box.says("没有小甜饼")
    assert box.page.context.cookies() == []


def test_hundreds_of_messages_stay_in_order_and_at_their_end(open_box: Open, server: ChatServer) -> None:
    with WireAgent(server) as mei:
        box = open_box()
        box.says("开始")
        mei.take()
        for number in range(230):
            mei.say(f"第 {number} 句")
        expect(box.log.get_by_text("第 229 句", exact=True)).to_be_in_viewport()
        box.page.reload()
        again = Box(box.page)
        expect(again.log.get_by_text("第 229 句", exact=True)).to_be_in_viewport()
        bodies = again.log.locator(".theirs .body").all_text_contents()
        assert bodies == [f"第 {number} 句" for number in range(230)]
        again.frame.locator("#scroll").evaluate("scroll => scroll.scrollTo(0, 0)")
        expect(again.log.get_by_text("开始")).to_be_in_viewport()
        mei.say("新来的")
        again.frame.get_by_role("button", name="有新消息").click()
        expect(again.log.get_by_text("新来的")).to_be_in_viewport()
