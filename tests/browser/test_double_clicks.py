"""Browser tests of repeated presses and of typing in the console.

Repeated presses of buttons and keys act only once. Typed text never triggers a shortcut.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import NETWORK_ERRORS, ChatServer, OpenConsole
from tests.browser.visitor import WireVisitor


def assignment_count(server: ChatServer) -> int:
    ((count,),) = server.execute("SELECT count(*) FROM chat_assignment")
    return int(count)


@pytest.mark.parametrize(
    "press", ["double click", "held key", "clicks on a slow connection", "clicks by script"]
)
def test_take_next_pressed_repeatedly_takes_one_conversation(
    console: OpenConsole, server: ChatServer, press: str
) -> None:
    page = console()
    button = page.locator("#take-next")
    with (
        WireVisitor(server, name="李雷"),
        WireVisitor(server, name="韩梅梅"),
        WireVisitor(server, name="林涛"),
    ):
        expect(page.locator("#waiting .row")).to_have_count(3)
        if press == "double click":
            button.dblclick()
        elif press == "held key":
            # Pressing down a key that is already down counts as a repeat.
            for _ in range(5):
                page.keyboard.down("n")
            page.keyboard.up("n")
        elif press == "clicks on a slow connection":
            held: list[Route] = []
            page.route("**/console/next", lambda route: held.append(route))
            for _ in range(3):
                button.dispatch_event("click")
            expect(button).to_have_attribute("aria-busy", "true")
            assert len(held) == 1
            held[0].continue_()
        else:
            page.evaluate(
                "() => { for (let i = 0; i < 4; i++) document.getElementById('take-next').click() }"
            )
        expect(page.locator("#mine .row")).to_have_count(1)
        expect(page.get_by_role("textbox", name="Message")).to_be_focused()
        expect(button).not_to_have_attribute("aria-disabled", "true")
        assert assignment_count(server) == 1


def test_take_next_pressed_again_after_lost_answer_takes_same_conversation(
    console: OpenConsole, server: ChatServer
) -> None:
    page = console(allow=NETWORK_ERRORS)
    with WireVisitor(server, name="李雷"), WireVisitor(server, name="韩梅梅"):
        expect(page.locator("#waiting .row")).to_have_count(2)
        lost: list[str] = []

        def lose_the_answer(route: Route) -> None:
            if lost:
                return route.continue_()
            lost.append(route.request.url)
            route.fetch()
            route.abort()
            return None

        page.route("**/console/next", lose_the_answer)
        page.keyboard.press("n")
        expect(page.get_by_text("No connection. Please try again")).to_be_visible()
        expect(page.locator("#take-next")).not_to_have_attribute("aria-disabled", "true")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        assert assignment_count(server) == 1


def test_text_typed_while_visitor_ends_is_kept_and_triggers_no_shortcut(
    console: OpenConsole, server: ChatServer
) -> None:
    page = console(permissions=["clipboard-read", "clipboard-write"])
    body = page.get_by_role("textbox", name="Message")
    with WireVisitor(server, name="李雷") as visitor, WireVisitor(server, name="韩梅梅"):
        page.keyboard.press("n")
        expect(body).to_be_focused()
        expect(page.locator("#draft-over")).to_be_hidden()
        page.keyboard.type("请您不要挂断")
        visitor.end()
        expect(page.get_by_text("The customer ended the conversation.")).to_be_visible()
        page.keyboard.type("nntmc?/p1")
        expect(body).to_have_value("请您不要挂断")
        expect(body).to_have_attribute("readonly", "")
        assert assignment_count(server) == 1
        expect(page.locator("dialog[open], [popover]:popover-open")).to_have_count(0)
        page.get_by_role("button", name="Copy").click()
        expect(page.locator("#announce")).to_have_text("Copied.")
        assert page.evaluate("navigator.clipboard.readText()") == "请您不要挂断"
        # The text survives a reload, until it is discarded.
        page.reload()
        expect(body).to_have_value("请您不要挂断")
        page.get_by_role("button", name="Discard").click()
        expect(page.locator("#composer")).to_be_hidden()


def test_letters_typed_just_after_empty_field_disappears_trigger_no_shortcut(
    console: OpenConsole, server: ChatServer
) -> None:
    page = console()
    with WireVisitor(server, name="李雷") as visitor, WireVisitor(server, name="韩梅梅"):
        page.keyboard.press("n")
        expect(page.get_by_role("textbox", name="Message")).to_be_focused()
        visitor.end()
        expect(page.locator("#composer")).to_be_hidden()
        page.keyboard.type("nntmcp/?", delay=40)
        expect(page.locator("dialog[open], [popover]:popover-open")).to_have_count(0)
        assert assignment_count(server) == 1
        # Escape ends the period in which letters are ignored.
        page.keyboard.press("Escape")
        # Wait until the first press of "n" has settled: a second one would count as the same press.
        expect(page.locator("#take-next")).not_to_have_attribute("aria-disabled", "true")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="韩梅梅")).to_be_visible()


def test_digit_begins_a_message(console: OpenConsole, server: ChatServer) -> None:
    page = console()
    body = page.get_by_role("textbox", name="Message")
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        page.keyboard.press("n")
        expect(body).to_be_focused()
        page.keyboard.type("3个工作日内寄出")
        expect(body).to_have_value("3个工作日内寄出")


def test_chinese_slash_opens_canned_replies(console: OpenConsole, server: ChatServer) -> None:
    server.execute(
        "INSERT INTO chat_cannedreply (language, shortcut, title, body, initials, is_active, source)"
        " VALUES ('zh', 'nh', '问候', '您好，请讲。', 'wh', ?, '')",
        True,
    )
    page = console(locale="zh-CN")
    body = page.get_by_role("textbox", name="消息")
    with WireVisitor(server):
        page.keyboard.press("n")
        for slash in ("/", "、", "／"):
            expect(body).to_be_focused()
            page.keyboard.insert_text(f"{slash}nh")
            expect(page.get_by_role("option", name=re.compile("问候"))).to_be_visible()
            page.keyboard.press("Enter")
            expect(body).to_have_value("您好，请讲。")
            body.fill("")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.evaluate(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
            " { key: '、', code: 'Slash', bubbles: true, cancelable: true }))"
        )
        expect(body).to_be_focused()
        expect(page.get_by_role("option", name=re.compile("问候"))).to_be_visible()


def test_single_letter_shortcuts_can_be_switched_off(console: OpenConsole, server: ChatServer) -> None:
    page = console()
    with WireVisitor(server, name="李雷"):
        expect(page.locator("#waiting .row")).to_have_count(1)
        page.keyboard.press("Shift+?")
        page.get_by_label("Single letters are shortcuts").uncheck()
        page.keyboard.press("Escape")
        page.reload()
        expect(page.locator("#connection")).to_have_attribute("data-status", "open")
        page.keyboard.press("n")
        page.keyboard.press("Shift+?")
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.keyboard.press("Alt+n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        assert assignment_count(server) == 1
