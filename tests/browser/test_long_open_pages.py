"""Browser tests of pages that stay open across sign-ins, on slow connections and under repeated presses."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NETWORK_ERRORS, Axe, ChatServer, PageFactory, SignIn
from tests.browser.test_exam import OPEN_EXAM, begin, hand_in
from tests.browser.visitor import WireVisitor
from tests.people import AN, MEI, YUN

# Errors that Chromium logs for the 401 and 403 responses that a test provokes.
STALE_PAGE = "status of 40[13]"
BODY = "您好，您的卡已经寄出，请留意短信。" * 20


def sign_in_in_other_tab(page: Page, sign_in: SignIn, server: ChatServer, person: Any = MEI) -> None:
    """Change the cookies in the same way as a sign-in in another tab: a new session and a new CSRF secret."""
    sign_in(page, person)
    page.context.add_cookies([{"name": "csrftoken", "value": "d" * 32, "url": server.url}])


def sign_out_in_other_tab(page: Page) -> None:
    page.context.clear_cookies(name="sessionid")


def write_reply(page: Page, shortcut: str) -> None:
    page.goto("/console/replies/new")
    page.get_by_label("Shortcut").fill(shortcut)
    page.get_by_label("Title").fill(f"寄卡 {shortcut}")
    page.get_by_label("Text").fill(BODY)


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()


def test_reply_submitted_after_session_ended_is_kept_and_saved_after_signing_in(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer, axe: Axe
) -> None:
    page = page_factory(locale="en")
    sign_in(page, MEI)
    write_reply(page, "ended")
    sign_out_in_other_tab(page)
    save(page)
    expect(page.get_by_text("You are signed out. Your text is still here")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in (new tab)")).to_have_attribute("target", "_blank")
    expect(page.get_by_label("Text")).to_have_value(BODY)
    axe(page)
    sign_in_in_other_tab(page, sign_in, server)
    save(page)
    expect(page.get_by_role("link", name="寄卡 ended")).to_be_visible()
    assert server.execute("SELECT length(body) FROM chat_cannedreply WHERE shortcut = 'ended'") == [
        (len(BODY),)
    ]


def test_form_is_not_sent_as_another_staff_member_who_has_signed_in(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    sign_in(page, MEI)
    write_reply(page, "other")
    sign_in_in_other_tab(page, sign_in, server, YUN)
    save(page)
    expect(page.get_by_text("Someone else has signed in to Lianxin here.")).to_be_visible()
    expect(page.get_by_label("Text")).to_have_value(BODY)
    assert server.execute("SELECT count(*) FROM chat_cannedreply WHERE shortcut = 'other'") == [(0,)]


def test_exam_continues_after_signing_in_in_another_tab(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    server.run_python(OPEN_EXAM)
    page = page_factory(locale="en", allow=STALE_PAGE)
    sign_in(page, MEI)
    page.goto("/console/exams/")
    begin(page)
    page.get_by_role("button", name="All on one page").click()
    sign_out_in_other_tab(page)
    page.locator(".option").filter(has_text="对的").click()
    expect(page.locator("#saved")).to_contain_text("You are signed out")
    sign_in_in_other_tab(page, sign_in, server)
    page.locator(".filling").fill("7")
    expect(page.locator("#saved")).to_have_text("Saved")
    page.context.add_cookies([{"name": "csrftoken", "value": "e" * 32, "url": server.url}])
    hand_in(page)
    expect(page.locator(".result-percent")).to_have_text("40 %")


def test_note_dialog_and_message_work_after_signing_in_in_another_tab(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en", allow=STALE_PAGE)
    sign_in(page, MEI)
    page.goto("/console/")
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        page.locator("#conversation-tools [data-do=note]").click()
        page.locator("#dialog textarea").fill("客户很着急")
        page.context.add_cookies([{"name": "csrftoken", "value": "d" * 32, "url": server.url}])
        page.get_by_role("button", name="Save the note").click()
        expect(page.locator("#dialog")).to_be_hidden()
        expect(page.locator("#messages").get_by_text("客户很着急")).to_be_visible()
        # Change the token again: htmx sent the note above, but the console sends messages by `fetch`.
        page.context.add_cookies([{"name": "csrftoken", "value": "e" * 32, "url": server.url}])
        page.locator("#body").fill("您好")
        page.locator("#body").press("Enter")
        expect(page.locator("#messages").get_by_text("您好")).to_be_visible()


@pytest.mark.parametrize("is_held_key", [False, True])
def test_form_submitted_twice_on_slow_connection_creates_one_exam(
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


def test_form_is_kept_while_server_does_not_answer(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en", allow=NETWORK_ERRORS)
    sign_in(page, MEI)
    write_reply(page, "away")
    page.route("**/console/token", lambda route: route.abort())
    save(page)
    expect(page.get_by_text("The server is not responding.")).to_be_visible()
    expect(page.get_by_label("Text")).to_have_value(BODY)
    page.unroute("**/console/token")
    save(page)
    expect(page.get_by_role("link", name="寄卡 away")).to_be_visible()


def test_admin_form_keeps_input_after_session_has_ended(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    sign_in(page, AN)
    page.goto("/admin/accounts/department/add/")
    page.locator("#id_code").fill("fraud")
    page.locator("#id_name_zh").fill("反欺诈")
    page.locator("#id_name_en").fill("Fraud")
    sign_out_in_other_tab(page)
    page.get_by_role("button", name="Save", exact=True).dblclick()
    expect(page.get_by_text("You are signed out. Your text is still here")).to_be_visible()
    sign_in_in_other_tab(page, sign_in, server, AN)
    try:
        page.get_by_role("button", name="Save", exact=True).dblclick()
        # Visitors see the name of a department, so it is stored inactive until somebody else approves it.
        expect(page.get_by_text("Sent for approval: Fraud.")).to_be_visible()
        assert server.execute("SELECT is_active FROM accounts_department WHERE code = 'fraud'") == [(False,)]
        assert server.execute("SELECT title FROM accounts_approvalrequest") == [("Fraud",)]
    finally:
        # Other tests expect exactly two departments.
        server.execute("DELETE FROM accounts_department WHERE code = 'fraud'")


def test_note_survives_selection_ending_outside_escape_backdrop_click_and_reload(
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
            page.locator("#conversation-tools [data-do=note]").click()
            expect(page.locator("#dialog")).to_be_visible()

        open_note()
        text.fill(note)
        bounds = text.bounding_box()
        assert bounds is not None
        page.mouse.move(bounds["x"] + 40, bounds["y"] + 12)
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
        expect(page.get_by_text("Your earlier text has been restored.")).to_be_visible()
        page.get_by_role("button", name="Save the note").click()
        expect(page.locator("#dialog")).to_be_hidden()
        open_note()
        expect(text).to_have_value("")
        text.fill("nicht mehr")
        page.get_by_role("button", name="Cancel").click()
        open_note()
        expect(text).to_have_value("")


def test_waiting_times_are_right_on_computer_with_wrong_clock(
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
