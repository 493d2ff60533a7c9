"""Browser tests of length limits and names.

Fields count characters as the server does, and bidirectional marks in names do not reorder other text.
"""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.browser.conftest import ChatServer, HostPage, PageFactory, SignIn
from tests.browser.visitor import WireVisitor
from tests.browser.widget import Widget
from tests.people import MEI, WEN

# U+2069 ends an isolate early; the override U+202E is never closed.
EVIL = "王\u2069五\u202e"
# Returns whether the characters of an element run from left to right, line by line.
IN_ORDER = """element => {
    const boxes = []
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
    for (let node; (node = walker.nextNode()); ) {
        for (let index = 0; index < node.data.length; index++) {
            if (!/\\S/.test(node.data[index])) continue
            const range = document.createRange()
            range.setStart(node, index)
            range.setEnd(node, index + 1)
            const { top, left } = range.getBoundingClientRect()
            boxes.push({ top, left })
        }
    }
    const follows = (box, before) => !before || box.top > before.top + 4 || box.left > before.left
    return boxes.length > 1 && boxes.every((box, index) => follows(box, boxes[index - 1]))
}"""


def is_in_order(element: Locator) -> bool:
    expect(element).to_be_visible()
    return bool(element.evaluate(IN_ORDER))


def test_console_counts_emoji_as_one_character(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    sign_in(page, MEI)
    page.goto("/console/")
    with WireVisitor(server, name="李雷") as visitor:
        expect(page.locator("#waiting .row")).to_have_count(1)
        page.keyboard.press("n")
        body = page.locator("#body")
        expect(body).to_be_focused()
        body.fill("😊" * 2001)
        expect(page.get_by_text("1 characters too many")).to_be_visible()
        body.fill("😊" * 2000)
        expect(page.locator("#unfilled")).to_be_hidden()
        page.get_by_role("button", name="Buttons for the customer").click()
        for number, emoji in ((1, "😊"), (2, "🏦")):
            page.get_by_label(f"Button {number}").fill(emoji * 40)
        body.press("Enter")
        assert visitor.wait_for_message("😊" * 2000)["payload"] == {"choices": ["😊" * 40, "🏦" * 40]}

    page.goto("/console/replies/new")
    title = page.get_by_label("Title")
    title.focus()
    title.evaluate("field => document.execCommand('insertText', false, '😊'.repeat(81))")
    assert title.evaluate("field => [field.value.length, field.validationMessage]") == [
        162,
        "At most 80 characters are allowed. The text has 81.",
    ]
    title.fill("😊" * 80)
    assert title.evaluate("field => field.validity.valid")


def test_widget_form_counts_emoji_as_one_character(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    widget = Widget(page, host_page.url(language="en"))
    name = widget.frame.locator("#field-name")
    name.fill("😊" * 61)
    widget.write("hello")
    expect(widget.frame.get_by_text("That is too long.")).to_be_visible()
    expect(name).to_be_focused()
    expect(widget.text).to_have_value("hello")
    name.fill("😊" * 60)
    widget.text.press("Enter")
    expect(widget.log.get_by_text("hello")).to_be_visible()
    assert server.execute("SELECT name FROM chat_visitor") == [("😊" * 60,)]


def test_bidi_controls_in_name_do_not_reorder_other_text(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    sign_in(page, MEI)
    page.goto("/console/")
    with WireVisitor(server, name=EVIL) as visitor:
        visitor.say("我的卡被吞了")
        expect(page.locator("#waiting .row")).to_have_count(1)
        page.keyboard.press("n")
        for selector in (
            "#messages .theirs time",
            "#conversation-about",
            ".row .excerpt",
            "#messages .theirs .body",
        ):
            assert is_in_order(page.locator(selector).first), selector
        visitor.send_typing()
        expect(page.locator("#typing")).to_have_text("王五 is typing …")
        expect(page.locator("#announce")).to_have_text("You took the conversation with 王五.")
        page.goto("/console/search")
        page.get_by_label("Keywords").fill("被吞")
        page.keyboard.press("Enter")
        assert is_in_order(page.locator(".hit-top time"))

        page.context.clear_cookies()
        sign_in(page, WEN)
        page.goto("/admin/chat/conversation/")
        row = page.locator("#result_list tbody tr")
        assert is_in_order(row.locator(".field-started_at"))
        who = row.locator(".field-who")
        expect(who).to_contain_text("(")
        assert who.evaluate("cell => getComputedStyle(cell.querySelector('bdi')).display") == "inline-block"
        row.locator("a").first.click()
        assert is_in_order(page.locator(".entry.visitor time").first)
