"""Pages that outlive a sign-in, slow lines and impatient fingers, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NETWORK_ERRORS, Axe, ChatServer, PageFactory, SignIn
from tests.browser.test_exam import SET, begin, hand_in
from tests.browser.visitor import WireVisitor
from tests.people import AN, MEI, YUN

# What Chromium logs about an answer that is no success; each test says which one it provokes.
STALE = "status of 40[13]"
WORDS = "您好，您的卡已经寄出，请留意短信。" * 20


def sign_in_elsewhere(page: Page, sign_in: SignIn, server: ChatServer, person: Any = MEI) -> None:
    """As the sign-in form does it in another tab: another session, and another secret behind every token."""
    sign_in(page, person)
    page.context.add_cookies([{"name": "csrftoken", "value": "d" * 32, "url": server.url}])


def sign_out_elsewhere(page: Page) -> None:
    page.context.clear_cookies(name="sessionid")


def write_reply(page: Page, shortcut: str) -> None:
    page.goto("/console/replies/new")
    page.get_by_label("Shortcut").fill(shortcut)
    page.get_by_label("Title").fill(f"寄卡 {shortcut}")
    page.get_by_label("Text").fill(WORDS)


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()


def test_a_reply_written_after_the_session_has_ended_stays_and_is_saved_after_signing_in(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer, axe: Axe
) -> None:
    page = page_factory(locale="en")
    sign_in(page, MEI)
    write_reply(page, "ended")
    sign_out_elsewhere(page)
    save(page)
    expect(page.get_by_text("You are signed out. Your text is still here")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in (new tab)")).to_have_attribute("target", "_blank")
    expect(page.get_by_label("Text")).to_have_value(WORDS)
    axe(page)
    sign_in_elsewhere(page, sign_in, server)
    save(page)
    expect(page.get_by_role("link", name="寄卡 ended")).to_be_visible()
    assert server.execute("SELECT length(body) FROM chat_cannedreply WHERE shortcut = 'ended'") == [
        (len(WORDS),)
    ]


def test_a_form_is_not_sent_in_the_name_of_somebody_else_who_has_signed_in(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    sign_in(page, MEI)
    write_reply(page, "other")
    sign_in_elsewhere(page, sign_in, server, YUN)
    save(page)
    expect(page.get_by_text("Someone else has signed in in this browser.")).to_be_visible()
    expect(page.get_by_label("Text")).to_have_value(WORDS)
    assert server.execute("SELECT count(*) FROM chat_cannedreply WHERE shortcut = 'other'") == [(0,)]


def test_an_exam_goes_on_after_signing_in_in_another_tab(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    server.manage("shell", "-v0", "-c", SET)
    page = page_factory(locale="en", allow=STALE)
    sign_in(page, MEI)
    page.goto("/console/exams/")
    begin(page)
    page.get_by_role("button", name="All on one page").click()
    sign_out_elsewhere(page)
    page.locator(".option").filter(has_text="对的").click()
    expect(page.locator("#saved")).to_contain_text("You are signed out")
    sign_in_elsewhere(page, sign_in, server)
    page.locator(".filling").fill("7")
    expect(page.locator("#saved")).to_have_text("Saved")
    page.context.add_cookies([{"name": "csrftoken", "value": "e" * 32, "url": server.url}])
    hand_in(page)
    expect(page.locator(".result-percent")).to_have_text("40 %")


def test_a_note_in_a_dialog_goes_on_after_signing_in_in_another_tab(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en", allow=STALE)
    sign_in(page, MEI)
    page.goto("/console/")
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        page.locator("#talk-tools [data-do=note]").click()
        page.locator("#dialog textarea").fill("客户很着急")
        page.context.add_cookies([{"name": "csrftoken", "value": "d" * 32, "url": server.url}])
        page.get_by_role("button", name="Save the note").click()
        expect(page.locator("#dialog")).to_be_hidden()
        expect(page.locator("#messages").get_by_text("客户很着急")).to_be_visible()
        # A message goes by fetch.
        page.context.add_cookies([{"name": "csrftoken", "value": "e" * 32, "url": server.url}])
        page.locator("#body").fill("您好")
        page.locator("#body").press("Enter")
        expect(page.locator("#messages").get_by_text("您好")).to_be_visible()


@pytest.mark.parametrize("is_held_key", [False, True])
def test_a_form_pressed_twice_on_a_slow_line_creates_one_exam(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer, is_held_key: bool
) -> None:
    page = page_factory(locale="en")
    sign_in(page, YUN)
    page.goto("/console/exams/set/new")
    page.get_by_label("Name of the exam").fill("十二月月考")
    page.locator("#id_departments input").first.check()
    held: list[Route] = []
    page.route("**/console/token", lambda route: held.append(route))
    if is_held_key:
        page.get_by_label("Name of the exam").focus()
        for _ in range(5):
            page.keyboard.down("Enter")
        page.keyboard.up("Enter")
    else:
        page.get_by_role("button", name="Save").dblclick()
    expect(page.locator(".exam-form")).to_have_attribute("data-busy", "")
    expect(page.get_by_role("button", name="Save")).to_have_attribute("aria-disabled", "true")
    assert len(held) == 1
    held[0].continue_()
    expect(page.get_by_role("heading", name="十二月月考")).to_be_visible()
    assert server.execute("SELECT count(*) FROM exams_exam") == [(1,)]


def test_a_form_stays_while_the_server_does_not_answer(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en", allow=NETWORK_ERRORS)
    sign_in(page, MEI)
    write_reply(page, "away")
    page.route("**/console/token", lambda route: route.abort())
    save(page)
    expect(page.get_by_text("The server is not responding.")).to_be_visible()
    expect(page.get_by_label("Text")).to_have_value(WORDS)
    page.unroute("**/console/token")
    save(page)
    expect(page.get_by_role("link", name="寄卡 away")).to_be_visible()


def test_an_admin_form_keeps_its_words_while_the_session_has_ended(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    sign_in(page, AN)
    page.goto("/admin/accounts/department/add/")
    page.locator("#id_code").fill("fraud")
    page.locator("#id_name_zh").fill("反欺诈")
    page.locator("#id_name_en").fill("Fraud")
    sign_out_elsewhere(page)
    page.get_by_role("button", name="Save", exact=True).dblclick()
    expect(page.get_by_text("You are signed out. Your text is still here")).to_be_visible()
    sign_in_elsewhere(page, sign_in, server, AN)
    try:
        page.get_by_role("button", name="Save", exact=True).dblclick()
        # Customers see the name of a department: it is stored, and in use when somebody else has approved it.
        expect(page.get_by_text("Sent for approval: Fraud.")).to_be_visible()
        assert server.execute("SELECT is_active FROM accounts_department WHERE code = 'fraud'") == [(False,)]
        assert server.execute("SELECT title FROM accounts_approvalrequest") == [("Fraud",)]
    finally:
        # Other tests count on two departments.
        server.execute("DELETE FROM accounts_department WHERE code = 'fraud'")


def test_a_note_outlives_a_selection_that_ends_outside_escape_the_backdrop_and_a_reload(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    sign_in(page, MEI)
    page.goto("/console/")
    note = "客户很着急，已请当班同事去看。" * 9
    with WireVisitor(server, name="韩梅") as visitor:
        visitor.say("我的卡被吞了")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="韩梅")).to_be_visible()
        text = page.locator("#dialog textarea")

        def open_note() -> None:
            page.locator("#talk-tools [data-do=note]").click()
            expect(page.locator("#dialog")).to_be_visible()

        open_note()
        text.fill(note)
        box = text.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 40, box["y"] + 12)
        page.mouse.down()
        page.mouse.move(5, 5)
        page.mouse.up()
        expect(page.locator("#dialog")).to_be_visible()
        expect(text).to_have_value(note)
        page.mouse.click(5, 5)
        expect(page.locator("#dialog")).to_be_hidden()
        open_note()
        expect(text).to_have_value(note)
        page.keyboard.press("Escape")
        expect(page.locator("#dialog")).to_be_hidden()
        page.reload()
        expect(page.get_by_role("heading", name="韩梅")).to_be_visible()
        open_note()
        expect(text).to_have_value(note)
        expect(page.get_by_text("What you typed here before has been restored.")).to_be_visible()
        page.get_by_role("button", name="Save the note").click()
        expect(page.locator("#dialog")).to_be_hidden()
        open_note()
        expect(text).to_have_value("")
        text.fill("nicht mehr")
        page.get_by_role("button", name="Cancel").click()
        open_note()
        expect(text).to_have_value("")


def test_waiting_times_are_right_on_a_computer_whose_clock_is_wrong(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    page.add_init_script("Date.now = () => performance.timeOrigin + performance.now() + 86_400_000;")
    sign_in(page, MEI)
    with WireVisitor(server, name="周迅") as visitor:
        visitor.say("我的卡被吞了")
        page.goto("/console/")
        row = page.locator("#waiting .row").filter(has_text="周迅")
        expect(row.locator(".wait")).to_have_text(re.compile(r"^\d+ s$"))
