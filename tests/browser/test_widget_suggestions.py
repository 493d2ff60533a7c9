"""The bank's answers in the box while somebody waits, and a branch as a card on both screens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import FloatRect, Locator, Page, Route, expect

from tests.browser.agent import WireAgent
from tests.browser.conftest import PHONE, Axe, ChatServer, HostPage, PageFactory, Screenshot, SignIn
from tests.browser.widget import Box
from tests.people import MEI

Open = Callable[..., Box]

LOST = "银行卡丢了怎么挂失？"
SWALLOWED = "取款机吞卡了怎么办？"
LOAD_POINTS = """
from accounts.models import Department
from knowledge.actions.imports import PointToImport, import_points
from knowledge.actions.branches import category_at
from knowledge.content import Content
from knowledge.models import Branch, Region

def given(key, language, title, phrasings, answer, links=()):
    content = Content(
        title=title, answer=answer, category=category_at("银行卡/挂失"),
        department=Department.objects.get(code="cards"), is_public=True, links=[list(link) for link in links],
    )
    return PointToImport(f"answers-{key}", language, content, phrasings)

steps = "".join(f"\\n第 {number} 步：请照手机银行里的提示做，做完再看下一步，不用着急。" for number in range(1, 16))
import_points(by=None, given=[
    given("lost", "zh", "银行卡丢了怎么挂失？", ["卡丢了要挂失", "我的卡丢了", "卡被吞了还是丢了"],
          "您先口头挂失：打 95000 按 1，马上生效。五天内带身份证到任一网点办书面挂失。",
          [("挂失指南", "https://www.bank.example/lost")]),
    given("swallowed", "zh", "取款机吞卡了怎么办？", ["我的卡被吞了", "卡被取款机吞了", "吞卡怎么取回来"],
          "请先不要离开机器，等 30 秒看看卡会不会退出来。" + steps),
    given("hostile", "zh", "<img src=x onerror=alert(1)>怎么办？", ["标签注入"],
          "<script>alert(1)</script> javascript:alert(1)"),
    given("en", "en", "What if the machine keeps my card?", ["the machine swallowed my card"],
          "Please stay at the machine for thirty seconds. Then call 95000; we block the card at once.",
          [("More about cards", "https://www.bank.example/cards")]),
])
region, _ = Region.objects.get_or_create(name="望江区")
branch = Branch.objects.create(
    key="answers-west", name="西门支行", region=region, address="西街 1 号", weekday_hours="24h"
)
print("place", f"place/{branch.pk}/{branch.edition}")
"""
WITHDRAW_POINTS = """
from accounts.models import Staff
from knowledge.actions.points import withdraw
from knowledge.models import Point
for point in Point.objects.filter(key__startswith="answers-"):
    withdraw(by=Staff.objects.get(username="yun"), point=point.pk, reason="")
"""
PLACE = "西门支行\n西街 1 号\n营业时间：24 小时\nhttps://map.bank.example/?position=120.15,30.24&name=%E8%A5%BF%E9%97%A8"


@pytest.fixture(scope="module")
def place(running_server: ChatServer) -> Iterator[str]:
    """The points and one branch are in the library for these tests; what names the branch."""
    running_server.start()
    printed = running_server.manage("shell", "-v0", "-c", LOAD_POINTS)
    yield next(line for line in printed.splitlines() if line.startswith("place ")).split()[1]
    running_server.start()
    running_server.manage("shell", "-v0", "-c", WITHDRAW_POINTS)


@pytest.fixture(autouse=True)
def answers(server: ChatServer, place: str) -> Iterator[None]:
    """Other tests of the box go without: they have their own things on screen."""
    server.execute("UPDATE chat_site SET suggests_answers = ?", True)
    yield
    server.execute("UPDATE chat_site SET suggests_answers = ?", False)


@pytest.fixture
def open_box(page_factory: PageFactory, host_page: HostPage) -> Open:
    def make(*, language: str = "zh-CN", beside: Page | None = None, **options: object) -> Box:
        page = page_factory(beside=beside, **options)  # type: ignore[arg-type]
        return Box(page, host_page.url(language=language))

    return make


def offers(box: Box) -> Locator:
    return box.frame.locator("#answers")


def summary(box: Box, title: str) -> Locator:
    return offers(box).locator("summary").filter(has_text=title)


def button(box: Box, name: str) -> Locator:
    return box.frame.get_by_role("button", name=name, exact=True)


def place_of(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found
    return found


def told(server: ChatServer) -> dict[str, bool | None]:
    """What was shown, by title, and the visitor's word on it."""
    rows = server.execute(
        "SELECT v.title, u.is_helpful FROM knowledge_use u JOIN knowledge_version v ON v.id = u.version_id"
        " WHERE u.by = 'box'"
    )
    return {title: None if helpful is None else bool(helpful) for title, helpful in rows}


def test_who_waits_reads_an_answer_and_still_wants_a_person(
    open_box: Open, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    box = open_box()
    expect(offers(box)).to_be_hidden()
    box.says("我的卡被吞了")
    expect(summary(box, SWALLOWED)).to_be_visible()
    expect(box.text).to_be_focused()
    expect(offers(box)).to_contain_text("等候的时候")
    expect(box.frame.get_by_role("status").filter(has_text="等候的时候")).to_have_count(1)
    expect(box.mine("我的卡被吞了")).to_be_in_viewport()
    expect(box.frame.locator("#waiting")).to_be_in_viewport()
    expect(button(box, "这就解决了")).to_be_hidden()
    axe(box.page)
    screenshot(box.page, "answers-closed")

    # By key alone, and nothing above it moves.
    before = place_of(summary(box, SWALLOWED)), place_of(box.text)
    summary(box, SWALLOWED).focus()
    summary(box, SWALLOWED).press("Enter")
    expect(offers(box).get_by_text("第 15 步")).to_be_attached()
    expect(summary(box, SWALLOWED)).to_be_in_viewport()
    expect(summary(box, SWALLOWED)).to_be_focused()
    assert place_of(box.text) == before[1]
    assert place_of(summary(box, SWALLOWED))["y"] <= before[0]["y"]
    # However long the answer, and wherever it is scrolled to.
    for where in ("start", "center", "end"):
        offers(box).locator("details[open]").evaluate(
            "(answer, block) => answer.scrollIntoView({ block })", where
        )
        expect(button(box, "我要找人工")).to_be_in_viewport(ratio=1)
    expect(button(box, "这就解决了")).to_be_visible()
    axe(box.page)
    screenshot(box.page, "answers-open")

    with box.page.expect_response("**/answers/judge"):
        button(box, "我要找人工").click()
    expect(offers(box)).to_be_hidden()
    expect(box.text).to_be_focused()
    expect(box.line).to_have_text("同事一上线就回复您")
    assert told(server)[SWALLOWED] is False
    box.says("取款机在医院")
    box.page.reload()
    again = Box(box.page)
    expect(again.log.get_by_text("取款机在医院")).to_be_visible()
    expect(again.frame.locator("#waiting")).to_be_visible()
    expect(offers(again)).to_be_hidden()


def test_an_answer_that_solves_it_ends_the_chat_or_lets_them_wait(
    open_box: Open, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    box = open_box()
    box.says("我的卡丢了，要挂失")
    summary(box, LOST).click()
    link = offers(box).get_by_role("link")
    expect(link).to_have_attribute("href", "https://www.bank.example/lost")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    with box.page.expect_response("**/answers/judge"):
        button(box, "这就解决了").click()
    expect(button(box, "继续等候")).to_be_focused()
    axe(box.page)
    screenshot(box.page, "answers-solved")
    button(box, "继续等候").click()
    expect(offers(box)).to_be_hidden()
    expect(box.text).to_be_focused()
    assert told(server)[LOST] is True

    other = open_box()
    other.says("我的卡丢了，要挂失")
    summary(other, LOST).click()
    button(other, "这就解决了").click()
    other.frame.locator("#helped").get_by_role("button", name="结束对话").click()
    expect(other.frame.locator("#ending")).to_be_visible()
    expect(offers(other)).to_be_hidden()
    assert server.execute("SELECT status FROM chat_conversation ORDER BY id") == [("waiting",), ("closed",)]


def test_they_are_gone_when_somebody_comes_and_the_agent_knows(
    open_box: Open, page_factory: PageFactory, sign_in: SignIn, server: ChatServer, screenshot: Screenshot
) -> None:
    box = open_box()
    box.says("我的卡被吞了")
    summary(box, SWALLOWED).click()
    page = page_factory()
    sign_in(page, MEI)
    with WireAgent(server) as mei:
        mei.take()
        mei.say("您人在机器旁边吗？")
        expect(box.log.get_by_text("您人在机器旁边吗？")).to_be_in_viewport()
        expect(offers(box)).to_be_hidden()
        expect(offers(box).locator("details")).to_have_count(0)
        page.goto(f"/console/conversations/{mei.conversation}/")
        card = page.locator("#card-body")
        expect(card.get_by_text(SWALLOWED)).to_be_visible()
        expect(card.get_by_text("没有表态").first).to_be_visible()
        screenshot(page, "answers-console")


def test_in_english_on_a_phone_in_the_dark(
    open_box: Open, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    box = open_box(
        language="en",
        viewport=PHONE,
        locale="en",
        color_scheme="dark",
        has_touch=True,
        reduced_motion="reduce",
    )
    box.says("The machine swallowed my card")
    expect(summary(box, "What if the machine keeps my card?")).to_be_visible()
    axe(box.page)
    screenshot(box.page, "answers-phone-closed")
    summary(box, "What if the machine keeps my card?").tap()
    expect(button(box, "This solved it")).to_be_in_viewport(ratio=1)
    expect(button(box, "I want a person")).to_be_in_viewport(ratio=1)
    assert place_of(summary(box, "What if the machine"))["height"] >= 44
    axe(box.page)
    screenshot(box.page, "answers-phone-open")
    box.frame.locator("html").evaluate("html => html.dir = 'rtl'")
    width = box.frame.locator("#scroll").evaluate("place => place.scrollWidth - place.clientWidth")
    assert width == 0
    screenshot(box.page, "answers-phone-rtl")
    box.frame.get_by_role("button", name="中文").click()
    expect(offers(box)).to_contain_text("等候的时候")


def test_where_the_site_shows_none_nothing_is_asked_for(open_box: Open, server: ChatServer) -> None:
    server.execute("UPDATE chat_site SET suggests_answers = ?", False)
    box = open_box()
    asked: list[str] = []
    box.page.on("request", lambda request: asked.append(request.url) if "answers" in request.url else None)
    box.says("我的卡被吞了")
    expect(box.line).to_have_text("同事一上线就回复您")
    expect(offers(box)).to_have_count(0)
    assert not [url for url in asked if "/widget/" in url and url.endswith("/answers")]


def test_a_question_that_fails_or_never_ends_holds_up_no_word(open_box: Open, server: ChatServer) -> None:
    box = open_box(allow="net::ERR")
    box.page.route("**/answers", lambda route: route.abort())
    with box.page.expect_event("requestfailed"):
        box.says("我的卡被吞了")
    box.page.unroute("**/answers")
    held: list[Route] = []
    box.page.route("**/answers", lambda route: held.append(route))
    box.says("在医院门口")
    box.says("有人吗")
    expect(offers(box)).to_be_hidden()
    with WireAgent(server) as mei:
        mei.take()
        mei.say("在的")
        expect(box.log.get_by_text("在的")).to_be_visible()
    assert len(held) == 1
    held[0].abort()


def test_words_of_a_point_stay_words_and_storage_may_be_blocked(
    page_factory: PageFactory, host_page: HostPage
) -> None:
    page = page_factory()
    page.add_init_script(
        """for (const name of ["localStorage", "sessionStorage"])
             Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError") } });"""
    )
    box = Box(page, host_page.url())
    box.says("标签注入")
    expect(offers(box).get_by_text("<img src=x onerror=alert(1)>怎么办？")).to_be_visible()
    offers(box).locator("summary").first.click()
    expect(offers(box).get_by_text("<script>alert(1)</script>")).to_be_visible()
    expect(offers(box).locator("img, script, a")).to_have_count(0)
    button(box, "我要找人工").click()
    expect(offers(box)).to_be_hidden()
    box.says("取款机吞卡了怎么办？")
    expect(offers(box)).to_be_hidden()


def test_what_somebody_reads_is_not_taken_away_by_their_next_words_or_another_tab(
    open_box: Open, server: ChatServer
) -> None:
    one = open_box()
    one.says("我的卡被吞了")
    summary(one, SWALLOWED).click()
    two = open_box(beside=one.page)
    expect(summary(two, SWALLOWED)).to_be_visible()
    with two.page.expect_response(lambda answer: answer.url.endswith("/answers")):
        two.says("不对，我的卡丢了，怎么挂失")
    expect(one.log.get_by_text("不对，我的卡丢了")).to_be_visible()
    expect(offers(one).get_by_text("请先不要离开机器")).to_be_attached()
    button(two, "我要找人工").click()
    expect(offers(two)).to_be_hidden()
    expect(offers(one)).to_be_visible()
    assert len(told(server)) == len(set(told(server)))


def test_a_branch_is_a_card_in_the_box_and_in_the_console(
    open_box: Open,
    page_factory: PageFactory,
    sign_in: SignIn,
    server: ChatServer,
    place: str,
    axe: Axe,
    screenshot: Screenshot,
) -> None:
    box = open_box(viewport=PHONE)
    box.says("西门支行在哪儿")
    page = page_factory()
    sign_in(page, MEI)
    with WireAgent(server) as mei:
        mei.take()
        mei.say(PLACE, source=place)
        page.goto(f"/console/conversations/{mei.conversation}/")
        for card in (box.log.locator(".place"), page.locator("#messages .place")):
            expect(card.locator("strong")).to_have_text("西门支行")
            expect(card).to_contain_text("营业时间：24 小时")
            expect(card).not_to_contain_text("https://")
            link = card.get_by_role("link", name="地图")
            expect(link).to_have_attribute("href", PLACE.splitlines()[-1])
            expect(link).to_have_attribute("target", "_blank")
        expect(box.log.get_by_role("link", name="地图")).to_be_in_viewport(ratio=1)
        axe(box.page)
        axe(page)
        screenshot(box.page, "place-box")
        screenshot(page, "place-console")
        # What an agent adds to the address is there to be read.
        mei.say(f"{PLACE} 从北门进", source=place)
        expect(box.log.locator(".place").last).to_contain_text("https://map.bank.example/")
        expect(box.log.locator(".place").last).to_contain_text("从北门进")
