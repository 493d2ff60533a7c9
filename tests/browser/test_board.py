"""Browser tests of the supervisor's board: it changes by itself, and a supervisor acts on it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import (
    DESKTOP,
    NETWORK_ERRORS,
    PHONE,
    Axe,
    ChatServer,
    OpenConsole,
    PageFactory,
    Screenshot,
    SignIn,
    Viewport,
)
from tests.browser.visitor import WireVisitor
from tests.browser.waiting import wait_until
from tests.people import MEI, YUN


def open_board(page: Page, sign_in: SignIn) -> Page:
    sign_in(page, YUN)
    page.goto("/console/board/")
    expect(page.locator("#board-status")).to_have_attribute("data-status", "open")
    return page


def test_board_follows_the_queue_and_a_supervisor_assigns_and_takes_back(
    console: OpenConsole, page_factory: PageFactory, sign_in: SignIn, server: ChatServer, axe: Axe
) -> None:
    mei = console(MEI)
    board = open_board(page_factory(locale="en"), sign_in)
    expect(board.locator("tr", has_text="1001")).to_have_attribute("data-status", "online")
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        expect(board.locator("tr", has_text="Cards").locator(".number").first).to_have_text("1")
        axe(board)
        board.get_by_role("button", name="Cards").click()
        dialog = board.get_by_role("dialog")
        expect(dialog.get_by_text("我的卡被吞了")).to_be_visible()
        axe(board)
        dialog.get_by_role("button", name="Assign").click()
        dialog.get_by_label("Transfer to", exact=True).select_option(index=2)
        dialog.get_by_role("button", name="Transfer").click()
        expect(dialog).to_be_hidden()
        expect(board.locator("tr", has_text="1001").locator("[data-label=Load]")).to_contain_text("1 / 8")
        expect(mei.locator("#mine .row")).to_have_count(1)

        board.get_by_role("button", name="林梅").click()
        axe(board)
        dialog.get_by_role("button", name="Transfer").click()
        dialog.get_by_label("Transfer to", exact=True).select_option(label="Cards")
        dialog.get_by_role("button", name="Transfer").click()
        expect(mei.locator("#mine .row")).to_have_count(0)
        expect(board.locator("tr", has_text="1001").locator("[data-label=Load]")).to_contain_text("0 / 8")


def test_agent_sees_at_once_which_supervisor_has_changed_the_state(
    console: OpenConsole, page_factory: PageFactory, sign_in: SignIn
) -> None:
    mei = console(MEI)
    board = open_board(page_factory(locale="en", allow="status of 409"), sign_in)
    board.get_by_role("button", name="林梅").click()
    board.get_by_role("dialog").get_by_role("button", name="on a break").click()
    expect(board.get_by_role("dialog")).to_be_hidden()
    expect(mei.locator("#presence")).to_have_attribute("data-status", "break")
    expect(mei.locator("#toasts")).to_contain_text("赵云")
    expect(board.locator("tr", has_text="1001")).to_have_attribute("data-status", "break")

    board.get_by_role("button", name="王军").click()
    board.get_by_role("dialog").get_by_role("button", name="online").click()
    expect(board.get_by_role("alert").filter(has_text="No console of this agent is open")).to_be_visible()


def test_emergency_rings_until_the_supervisor_confirms_it_with_a_key(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    board = open_board(page_factory(locale="en"), sign_in)
    server.execute("INSERT INTO chat_emergencyrule (word, exceptions, is_active) VALUES ('医院', '', true)")
    try:
        # The server reads the rules again after at most 15 seconds.
        with WireVisitor(server, name="李雷") as visitor:
            visitor.say("我在医院等着交押金")
            if not board.locator(".emergency").count():
                server.execute(
                    "UPDATE chat_conversation SET emergency = 'raised', emergency_reason = '医院', "
                    "revision = revision + 1"
                )
            expect(board.get_by_role("heading", name="1 emergency to confirm")).to_be_visible()
            expect(board).to_have_title("(1!) Board · Lianxin")
            wait_until(board, "document.documentElement.dataset.rung === '1'")
            board.keyboard.press("e")
            expect(board.locator(".emergency")).to_have_count(0)
            expect(board).to_have_title("Board · Lianxin")
            server.wait_for_rows("SELECT emergency FROM chat_conversation", [("confirmed",)])
    finally:
        server.execute("DELETE FROM chat_emergencyrule")


def test_board_says_that_its_figures_may_be_outdated_and_recovers(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    board = open_board(page_factory(locale="en", allow=NETWORK_ERRORS), sign_in)
    server.kill()
    expect(board.locator("#board-status")).to_contain_text("may be outdated")
    server.start()
    expect(board.locator("#board-status")).to_have_attribute("data-status", "open")


@pytest.mark.parametrize(("locale", "viewport"), [("en", DESKTOP), ("zh-CN", PHONE)])
def test_board_fits_the_screen(
    page_factory: PageFactory,
    sign_in: SignIn,
    screenshot: Screenshot,
    axe: Axe,
    locale: str,
    viewport: Viewport,
) -> None:
    dark = page_factory(locale=locale, viewport=viewport, color_scheme="dark")
    board = open_board(dark, sign_in)
    assert board.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axe(board)
    screenshot(board, f"board-{locale}", full_page=True)
