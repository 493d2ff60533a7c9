"""Browser tests of offers, workload and alerts: accept by key, decline, miss, second tab, reload, hand-overs."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import NETWORK_ERRORS, PHONE, Axe, ChatServer, OpenConsole, PageFactory
from tests.browser.visitor import WireVisitor
from tests.people import HAO, MEI, YUN


def set_mode(server: ChatServer, mode: str, *, seconds: int = 60, capacity: int = 8) -> None:
    """Set the routing mode of the department for cards, and the capacity of all agents for the rest of the test."""
    server.run_python(
        "from routing.models import *; from accounts.models import *\n"
        "cards = Department.objects.get(code='cards')\n"
        f"DepartmentPolicy.objects.create(department=cards, mode='{mode}', offer_seconds={seconds})\n"
        f"Staff.objects.update(capacity={capacity})"
    )


def offers(page: Page) -> list[str]:
    return page.locator("#offers .name").all_inner_texts()


def go(page: Page, status: str) -> None:
    page.keyboard.press("p")
    page.get_by_role("button", name=status, exact=True).click()
    expect(page.locator("#presence")).to_have_attribute("data-status", re.compile(status.split()[-1]))


def test_offer_is_accepted_with_key_and_opens_conversation(
    console: OpenConsole, server: ChatServer, axe: Axe
) -> None:
    set_mode(server, "offer")
    page = console()
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        offer = page.locator("#offers .offer")
        expect(offer).to_contain_text("李雷")
        expect(offer).to_contain_text("我的卡被吞了")
        expect(offer).to_contain_text("You have the most free capacity")
        expect(offer.locator(".offer-left")).to_have_text(re.compile(r"^[1-6]?\d s$"))
        expect(page.locator("#waiting .row")).to_have_count(0)
        expect(page).to_have_title("(1) New offer")
        axe(page)
        page.keyboard.press("a")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        expect(page.get_by_role("textbox", name="Message")).to_be_focused()
        expect(page.locator("#offers-section")).to_be_hidden()
        expect(page.locator("#load")).to_contain_text("1 of 8")
        visitor.wait_for_event("assigned")
        # The agent's own accept is no hand-over.
        expect(page.locator("#attention li")).to_have_count(0)


def test_enter_on_offer_accepts_and_writing_accepts(console: OpenConsole, server: ChatServer) -> None:
    set_mode(server, "offer")
    page = console()
    with WireVisitor(server, name="李雷"):
        page.locator("#offers .row-link").filter(has_text="李雷").press("Enter")
        expect(page.locator("#mine").get_by_text("李雷")).to_be_visible()
    with WireVisitor(server, name="韩梅梅") as second:
        page.locator("#offers .row-link").filter(has_text="韩梅梅").click()
        expect(page.get_by_text("This conversation is offered to you.")).to_be_visible()
        page.get_by_role("textbox", name="Message").fill("您好")
        expect(page.locator("#mine").get_by_text("韩梅梅")).to_be_visible()
        page.get_by_role("textbox", name="Message").press("Enter")
        second.wait_for_message("您好")


def test_declined_offer_goes_to_colleague(console: OpenConsole, server: ChatServer) -> None:
    set_mode(server, "offer")
    mei = console(MEI)
    with WireVisitor(server, name="李雷"):
        expect(mei.locator("#offers .offer")).to_have_count(1)
        hao = console(HAO)
        mei.keyboard.press("d")
        expect(mei.get_by_text("You declined the conversation with 李雷.")).to_be_visible()
        expect(mei.locator("#offers .offer")).to_have_count(0)
        expect(hao.locator("#offers .offer")).to_contain_text("李雷")
        expect(mei.locator("#waiting .row")).to_contain_text("offered")
        mei.locator("#waiting .row-link").click()
        expect(mei.get_by_text("This conversation is offered to a colleague.")).to_be_visible()
        expect(mei.get_by_role("button", name="Take", exact=True)).to_be_hidden()


def test_two_missed_offers_set_agent_away_until_she_is_back(console: OpenConsole, server: ChatServer) -> None:
    set_mode(server, "offer", seconds=2)
    page = console()
    with WireVisitor(server, name="李雷"), WireVisitor(server, name="韩梅梅"):
        expect(page.get_by_text("The offer has expired.").first).to_be_visible()
        expect(page.locator("#presence")).to_have_attribute("data-status", "away")
        expect(page.get_by_text("You missed two offers, so you were set to away.")).to_be_visible()
        page.reload()
        expect(page.get_by_text("You missed two offers, so you were set to away.")).to_be_visible()
        expect(page.get_by_role("button", name="Take next")).to_be_disabled()
        page.get_by_role("button", name="I'm back").click()
        expect(page.locator("#presence")).to_have_attribute("data-status", "online")
        expect(page.get_by_role("button", name="Take next")).to_be_enabled()


def test_second_tab_and_reload_show_the_same_offer_and_one_tab_rings(
    console: OpenConsole, page_factory: PageFactory, server: ChatServer
) -> None:
    set_mode(server, "offer")
    first = console()
    second = page_factory(beside=first)
    second.goto("/console/")
    expect(second.locator("#connection")).to_have_attribute("data-status", "open")
    with WireVisitor(server, name="李雷"):
        for page in (first, second):
            expect(page.locator("#offers .offer")).to_have_count(1)
            expect(page).to_have_title("(1) New offer")
        rung = [page.evaluate("document.documentElement.dataset.rungFor ?? ''") for page in (first, second)]
        assert sorted(rung) == ["", "offer"]
        second.reload()
        expect(second.locator("#offers .offer")).to_contain_text("李雷")
        second.keyboard.press("a")
        expect(second.locator("#mine").get_by_text("李雷")).to_be_visible()
        expect(first.locator("#mine").get_by_text("李雷")).to_be_visible()
        expect(first.locator("#offers .offer")).to_have_count(0)
        expect(first.locator("#toasts .toast")).to_have_count(0)


def test_hand_over_is_announced_to_both_agents(console: OpenConsole, server: ChatServer, axe: Axe) -> None:
    mei, hao, yun = console(MEI), console(HAO), console(YUN)
    with WireVisitor(server, name="李雷"):
        mei.keyboard.press("n")
        expect(mei.get_by_role("heading", name="李雷")).to_be_visible()
        mei.goto("/console/")
        yun.locator("#team .row-link").click()
        yun.get_by_role("button", name="Transfer").click()
        yun.get_by_label("Transfer to", exact=True).select_option(label="Hao Chen 1002 · 0/8")
        yun.get_by_role("dialog").get_by_role("button", name="Transfer").click()
        # No message is unread.
        expect(hao.locator("#attention")).to_contain_text("赵云 handed you the conversation with 李雷.")
        expect(hao).to_have_title("(1) Conversation handed to you")
        expect(hao.locator("html")).to_have_attribute("data-rung-for", "gained")
        expect(hao.locator("#announce")).to_have_text(re.compile("赵云 handed you"))
        expect(mei.locator("#attention")).to_contain_text(
            "赵云 has given your conversation with 李雷 to 陈浩."
        )
        expect(mei.locator("html")).to_have_attribute("data-rung-for", "lost")
        axe(mei)
        # A reload does not lose what nobody has noticed.
        hao.reload()
        expect(hao.locator("#attention")).to_contain_text("赵云 handed you")
        hao.locator("#attention").get_by_role("button", name="Open").click()
        expect(hao.locator("#attention li")).to_have_count(0)
        mei.locator("#attention").get_by_role("button", name="OK").click()
        expect(mei.locator("#attention li")).to_have_count(0)
        mei.reload()
        expect(mei.locator("#connection")).to_have_attribute("data-status", "open")
        expect(mei.locator("#attention li")).to_have_count(0)


def test_emergency_rings_for_supervisor_until_confirmed(
    console: OpenConsole, server: ChatServer, axe: Axe
) -> None:
    mei, yun = console(MEI), console(YUN)
    with WireVisitor(server, name="李雷"), WireVisitor(server, name="韩梅梅"):
        go(yun, "on a break")
        expect(mei.locator("#waiting .row")).to_have_count(2)
        mei.locator("#waiting .row-link").filter(has_text="韩梅梅").click()
        expect(mei.get_by_text("Someone else has been waiting longer.")).to_be_visible()
        mei.keyboard.press("e")
        expect(mei.get_by_text("Emergency raised.")).to_be_visible()
        # An emergency may be taken out of order.
        expect(mei.get_by_role("button", name="Take", exact=True)).to_be_visible()
        expect(mei.locator("#waiting .row").first).to_contain_text("Emergency")
        expect(yun.locator("html")).to_have_attribute("data-rung-for", "emergency")
        expect(yun.locator("#announce-urgent")).to_contain_text("Emergency: 韩梅梅, Cards.")
        yun.locator("#attention").get_by_role("button", name="Open").click()
        expect(yun.get_by_role("heading", name="韩梅梅")).to_be_visible()
        expect(yun.locator("#attention li")).to_have_count(1)
        axe(yun)
        yun.get_by_role("button", name="Confirm emergency").click()
        expect(yun.locator("#attention li")).to_have_count(0)
        yun.get_by_role("button", name="Not an emergency").click()
        expect(mei.locator("#waiting .emergency:visible")).to_have_count(0)


def test_alert_kind_that_is_off_and_break_make_no_sound(console: OpenConsole, server: ChatServer) -> None:
    page = console()
    page.keyboard.press("l")
    dialog = page.get_by_role("dialog", name="Alerts")
    dialog.get_by_label("Unread messages").uncheck()
    dialog.get_by_role("button", name="Done").click()
    page.reload()
    with WireVisitor(server, name="李雷") as visitor:
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        page.goto("/console/")
        before = page.evaluate("document.documentElement.dataset.rung")
        visitor.say("有人吗")
        expect(page.locator("#mine .unread")).to_have_text("1")
        expect(page).to_have_title(re.compile(r"^\(1\) "))
        assert page.evaluate("document.documentElement.dataset.rung") == before
        page.keyboard.press("l")
        dialog.get_by_label("Unread messages").check()
        dialog.get_by_role("button", name="Done").click()
        expect(page.locator("html")).to_have_attribute("data-rung-for", "unread")


def test_capacity_is_shown_and_keeps_agent_from_taking_more(console: OpenConsole, server: ChatServer) -> None:
    set_mode(server, "pull", capacity=1)
    try:
        page = console(allow=NETWORK_ERRORS)
        with WireVisitor(server, name="李雷"), WireVisitor(server, name="韩梅梅"):
            expect(page.locator("#load")).to_contain_text("0 of 1")
            page.keyboard.press("n")
            expect(page.locator("#load")).to_contain_text("1 of 1")
            expect(page.get_by_role("button", name="Take next")).to_be_disabled()
            expect(page.locator("#take-next-reason")).to_contain_text("You have reached your capacity.")
            page.keyboard.press("Escape")
            page.locator("#waiting .row-link").click()
            expect(page.locator("#conversation-state")).to_contain_text("You have reached your capacity.")
            expect(page.get_by_role("button", name="Take", exact=True)).to_be_hidden()
    finally:
        server.run_python("from accounts.models import *; Staff.objects.update(capacity=8)")


def test_why_me_is_answered_in_a_dialog(console: OpenConsole, server: ChatServer, axe: Axe) -> None:
    set_mode(server, "push")
    page = console()
    with WireVisitor(server, name="李雷"):
        page.locator("#mine .row-link").click()
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        page.get_by_role("button", name="Why me?").click()
        dialog = page.get_by_role("dialog", name="Why me?")
        expect(dialog).to_contain_text("The router chose 林梅 1001, who had the most free capacity.")
        expect(dialog.get_by_role("row")).to_have_count(2)
        axe(page)
        page.keyboard.press("Escape")
        page.locator("#log").focus()
        page.keyboard.press("y")
        expect(dialog).to_be_visible()


def test_offer_fits_phone(console: OpenConsole, server: ChatServer, axe: Axe) -> None:
    set_mode(server, "offer")
    page = console(viewport=PHONE, locale="zh-CN")
    with WireVisitor(server, name="Maximiliane Katzenstein-Hohenlohe", language="en") as visitor:
        visitor.say("My card was swallowed " * 20)
        offer = page.locator("#offers .offer")
        expect(offer).to_contain_text("My card")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        axe(page)
        offer.locator("[data-offer=accept]").click()
        expect(page.locator("#body")).to_be_visible()
