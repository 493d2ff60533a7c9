"""Browser tests of suggestions in the console: inserting an answer with one key, searching, refusing withdrawn
answers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Axe, ChatServer, PageFactory, SignIn
from tests.browser.visitor import WireVisitor
from tests.people import MEI

LOST = "您别急。打 95000 按 0 口头挂失，五天内带身份证到网点办书面挂失。"
LOAD = f"""
from knowledge.actions.imports import PointToImport, import_points
from knowledge.actions.branches import category_at
from knowledge.content import Content
from knowledge.models import Branch, Region
from accounts.models import Department
cards = Department.objects.get(code="cards")
def given(key, title, answer, *phrasings):
    category = category_at("银行卡/挂失")
    content = Content(title=title, answer=answer, note="先安抚客户", category=category, department=cards)
    return PointToImport(key, "zh", content, phrasings)
import_points(by=None, given=[
    given("browser-lost", "贝壳卡丢了怎么挂失？", "{LOST}", "卡找不到了", "贝壳卡挂失"),
    given("browser-swallowed", "贝壳机吞卡了怎么办？", "请在机器旁等候，三个工作日内领取。", "机器把卡吃了"),
    given("browser-rate", "贝壳存款利率是多少？", "一年定期年利率 1.35%。", "存一年多少利息"),
])
region, _ = Region.objects.get_or_create(name="望江区")
Branch.objects.get_or_create(key="browser-hospital", defaults=dict(kind="atm", name="市二院自助点", region=region,
    address="康宁路61号", weekday_hours="24h", saturday_hours="24h", sunday_hours="24h", aliases=["第二医院"],
    latitude="29.9", longitude="124.1", edition=1))
from knowledge.actions.editions import new_edition
Branch.objects.update(edition=new_edition())
"""
WITHDRAW = """
from accounts.models import Staff
from knowledge.actions.points import withdraw
from knowledge.models import Point
withdraw(by=Staff.objects.get(username="yun"), point=Point.objects.get(key="browser-rate").pk, reason="")
"""


@pytest.fixture
def page(server: ChatServer, page_factory: PageFactory, sign_in: SignIn) -> Page:
    server.run_python(LOAD)
    page = page_factory(locale="zh-CN", allow="status of 409")
    sign_in(page, MEI)
    page.goto("/console/")
    expect(page.locator("#connection")).to_have_attribute("data-status", "open")
    return page


def test_number_key_inserts_suggested_answer_and_enter_sends_it(
    page: Page, server: ChatServer, axe: Axe
) -> None:
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("钱包掉了，里面的贝壳卡怎么挂失")
        page.keyboard.press("n")
        composer = page.get_by_role("textbox", name="消息")
        expect(composer).to_be_focused()
        first = page.get_by_role("option").first
        expect(first).to_contain_text("贝壳卡丢了怎么挂失")
        # Without Alt, a digit is typed into the message.
        page.keyboard.press("1")
        expect(composer).to_have_value("1")
        page.keyboard.press("Backspace")
        page.keyboard.press("Alt+1")
        expect(composer).to_have_value(LOST)
        page.keyboard.press("Escape")
        expect(composer).to_have_value("")
        # While the list of suggestions has the focus, a digit inserts an answer without Alt.
        page.keyboard.press("Escape")
        page.locator("#points-list").focus()
        page.keyboard.press("1")
        expect(composer).to_have_value(LOST)
        page.keyboard.type("请放心。")
        axe(page)
        page.keyboard.press("Enter")
        visitor.wait_for_message(f"{LOST}请放心。")
        ((source,),) = server.execute("SELECT source FROM chat_message WHERE source <> ''")
        assert source.startswith("point/")
        # Digits typed in the composer stay digits.
        page.keyboard.type("第2步呢")
        expect(composer).to_have_value("第2步呢")


def test_search_finds_points_and_branches(page: Page, server: ChatServer) -> None:
    with WireVisitor(server, name="李雷") as visitor:
        page.keyboard.press("n")
        composer = page.get_by_role("textbox", name="消息")
        expect(composer).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("s")
        page.keyboard.type("bkjtk")
        chosen = page.locator("#points-list [aria-selected=true]")
        expect(chosen).to_contain_text("贝壳机吞卡了怎么办")
        expect(chosen).to_contain_text("先安抚客户")
        page.keyboard.press("Enter")
        expect(composer).to_have_value("请在机器旁等候，三个工作日内领取。")
        composer.fill("")
        page.keyboard.press("Alt+s")
        page.locator("#points-q").fill("二院")
        expect(chosen).to_contain_text("市二院自助点")
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        assert visitor.wait_for_message_containing("康宁路61号")["payload"] == {"card": "place"}


def test_inserted_answer_whose_point_was_withdrawn_is_not_sent(page: Page, server: ChatServer) -> None:
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("贝壳存款多少利率")
        page.keyboard.press("n")
        expect(page.get_by_role("option").first).to_contain_text("贝壳存款利率")
        page.keyboard.press("Alt+1")
        server.run_python(WITHDRAW)
        # The suggestions are refreshed automatically.
        expect(page.locator("#points-list")).not_to_contain_text("贝壳存款利率")
        page.keyboard.press("Enter")
        expect(page.get_by_text("这条答案刚刚更新或下线了")).to_be_visible()
        assert server.execute("SELECT count(*) FROM chat_message WHERE body LIKE ?", "%1.35%") == [(0,)]


def test_phone_shows_suggestions_above_composer(page: Page, server: ChatServer) -> None:
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("贝壳卡挂失")
        page.keyboard.press("n")
        option = page.get_by_role("option").first
        expect(option).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        option.click()
        option.get_by_role("button", name="插入消息").click()
        expect(page.get_by_role("textbox", name="消息")).to_have_value(LOST)
