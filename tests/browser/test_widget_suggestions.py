"""Browser tests of suggestions for a waiting visitor, and of branches as cards in the widget and the console."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import FloatRect, Locator, Page, Route, expect

from tests.browser.agent import WireAgent
from tests.browser.conftest import PHONE, Axe, ChatServer, HostPage, PageFactory, Screenshot, SignIn
from tests.browser.widget import Widget
from tests.people import MEI

OpenWidget = Callable[..., Widget]

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
BRANCH_TEXT = "西门支行\n西街 1 号\n营业时间：24 小时\nhttps://map.bank.example/?position=120.15,30.24&name=%E8%A5%BF%E9%97%A8"


@pytest.fixture(scope="module")
def branch_source(running_server: ChatServer) -> Iterator[str]:
    """Publish points and one branch for the tests of this module, and yield the message source of the branch."""
    running_server.start()
    printed = running_server.run_python(LOAD_POINTS)
    yield next(line for line in printed.splitlines() if line.startswith("place ")).split()[1]
    running_server.start()
    running_server.run_python(WITHDRAW_POINTS)


@pytest.fixture(autouse=True)
def enable_suggestions(server: ChatServer, branch_source: str) -> Iterator[None]:
    """Switch suggestions on for the tests of this module only, because other tests of the widget expect none."""
    with server.site_setting("suggests_answers", True):
        yield


@pytest.fixture
def open_widget(page_factory: PageFactory, host_page: HostPage) -> OpenWidget:
    def make(*, language: str = "zh-CN", beside: Page | None = None, **options: object) -> Widget:
        page = page_factory(beside=beside, **options)  # type: ignore[arg-type]
        return Widget(page, host_page.url(language=language))

    return make


def suggestions(widget: Widget) -> Locator:
    return widget.frame.locator("#answers")


def summary(widget: Widget, title: str) -> Locator:
    return suggestions(widget).locator("summary").filter(has_text=title)


def button(widget: Widget, name: str) -> Locator:
    return widget.frame.get_by_role("button", name=name, exact=True)


def bounds_of(locator: Locator) -> FloatRect:
    bounds = locator.bounding_box()
    assert bounds
    return bounds


def feedback(server: ChatServer) -> dict[str, bool | None]:
    """Return a dict from the title of each shown suggestion to the visitor's feedback, which is None if there is
    none."""
    rows = server.execute(
        "SELECT v.title, u.is_helpful FROM knowledge_use u JOIN knowledge_version v ON v.id = u.version_id"
        " WHERE u.by = 'box'"
    )
    return {title: None if helpful is None else bool(helpful) for title, helpful in rows}


def test_waiting_visitor_reads_suggestion_and_still_asks_for_agent(
    open_widget: OpenWidget, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    widget = open_widget()
    expect(suggestions(widget)).to_be_hidden()
    widget.send("我的卡被吞了")
    expect(summary(widget, SWALLOWED)).to_be_visible()
    expect(widget.text).to_be_focused()
    expect(suggestions(widget)).to_contain_text("等候的时候")
    expect(widget.frame.get_by_role("status").filter(has_text="等候的时候")).to_have_count(1)
    expect(widget.own_message("我的卡被吞了")).to_be_in_viewport()
    expect(widget.frame.locator("#waiting")).to_be_in_viewport()
    expect(button(widget, "问题解决了")).to_be_hidden()
    axe(widget.page)
    screenshot(widget.page, "answers-closed")

    # The keyboard alone is enough to open a suggestion, and nothing above it moves.
    before = bounds_of(summary(widget, SWALLOWED)), bounds_of(widget.text)
    summary(widget, SWALLOWED).focus()
    summary(widget, SWALLOWED).press("Enter")
    expect(suggestions(widget).get_by_text("第 15 步")).to_be_attached()
    expect(summary(widget, SWALLOWED)).to_be_in_viewport()
    expect(summary(widget, SWALLOWED)).to_be_focused()
    assert bounds_of(widget.text) == before[1]
    assert bounds_of(summary(widget, SWALLOWED))["y"] <= before[0]["y"]
    # The button stays visible, even if the answer is long or scrolled.
    for where in ("start", "center", "end"):
        suggestions(widget).locator("details[open]").evaluate(
            "(answer, block) => answer.scrollIntoView({ block })", where
        )
        expect(button(widget, "我要找人工")).to_be_in_viewport(ratio=1)
    expect(button(widget, "问题解决了")).to_be_visible()
    axe(widget.page)
    screenshot(widget.page, "answers-open")

    with widget.page.expect_response("**/answers/judge"):
        button(widget, "我要找人工").click()
    expect(suggestions(widget)).to_be_hidden()
    expect(widget.text).to_be_focused()
    expect(widget.status_line).to_have_text("同事一上线就回复您")
    assert feedback(server)[SWALLOWED] is False
    widget.send("取款机在医院")
    widget.page.reload()
    again = Widget(widget.page)
    expect(again.log.get_by_text("取款机在医院")).to_be_visible()
    expect(again.frame.locator("#waiting")).to_be_visible()
    expect(suggestions(again)).to_be_hidden()


def test_helpful_suggestion_lets_visitor_end_or_keep_waiting(
    open_widget: OpenWidget, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    widget = open_widget()
    widget.send("我的卡丢了，要挂失")
    summary(widget, LOST).click()
    link = suggestions(widget).get_by_role("link")
    expect(link).to_have_attribute("href", "https://www.bank.example/lost")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    with widget.page.expect_response("**/answers/judge"):
        button(widget, "问题解决了").click()
    expect(button(widget, "继续等候")).to_be_focused()
    axe(widget.page)
    screenshot(widget.page, "answers-solved")
    button(widget, "继续等候").click()
    expect(suggestions(widget)).to_be_hidden()
    expect(widget.text).to_be_focused()
    assert feedback(server)[LOST] is True

    other = open_widget()
    other.send("我的卡丢了，要挂失")
    summary(other, LOST).click()
    button(other, "问题解决了").click()
    other.frame.locator("#helped").get_by_role("button", name="结束对话").click()
    expect(other.frame.locator("#ending")).to_be_visible()
    expect(suggestions(other)).to_be_hidden()
    assert server.execute("SELECT status FROM chat_conversation ORDER BY id") == [("waiting",), ("closed",)]


def test_suggestions_disappear_when_agent_answers_and_agent_sees_them(
    open_widget: OpenWidget,
    page_factory: PageFactory,
    sign_in: SignIn,
    server: ChatServer,
    screenshot: Screenshot,
) -> None:
    widget = open_widget()
    widget.send("我的卡被吞了")
    summary(widget, SWALLOWED).click()
    page = page_factory()
    sign_in(page, MEI)
    with WireAgent(server) as mei:
        mei.take_next()
        mei.say("您人在机器旁边吗？")
        expect(widget.log.get_by_text("您人在机器旁边吗？")).to_be_in_viewport()
        expect(suggestions(widget)).to_be_hidden()
        expect(suggestions(widget).locator("details")).to_have_count(0)
        page.goto(f"/console/conversations/{mei.conversation}/")
        card = page.locator("#card-body")
        expect(card.get_by_text(SWALLOWED)).to_be_visible()
        expect(card.get_by_text("没有反馈").first).to_be_visible()
        screenshot(page, "answers-console")


def test_suggestions_work_in_english_on_phone_in_dark_mode(
    open_widget: OpenWidget, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    widget = open_widget(
        language="en",
        viewport=PHONE,
        locale="en",
        color_scheme="dark",
        has_touch=True,
        reduced_motion="reduce",
    )
    widget.send("The machine swallowed my card")
    expect(summary(widget, "What if the machine keeps my card?")).to_be_visible()
    axe(widget.page)
    screenshot(widget.page, "answers-phone-closed")
    summary(widget, "What if the machine keeps my card?").tap()
    expect(button(widget, "This solved it")).to_be_in_viewport(ratio=1)
    expect(button(widget, "Talk to a person")).to_be_in_viewport(ratio=1)
    assert bounds_of(summary(widget, "What if the machine"))["height"] >= 44
    axe(widget.page)
    screenshot(widget.page, "answers-phone-open")
    widget.frame.locator("html").evaluate("html => html.dir = 'rtl'")
    width = widget.frame.locator("#scroll").evaluate("element => element.scrollWidth - element.clientWidth")
    assert width == 0
    screenshot(widget.page, "answers-phone-rtl")
    widget.frame.get_by_role("button", name="中文").click()
    expect(suggestions(widget)).to_contain_text("等候的时候")


def test_site_without_suggestions_requests_none(open_widget: OpenWidget, server: ChatServer) -> None:
    server.execute("UPDATE chat_site SET suggests_answers = ?", False)
    widget = open_widget()
    requested: list[str] = []
    widget.page.on(
        "request", lambda request: requested.append(request.url) if "answers" in request.url else None
    )
    widget.send("我的卡被吞了")
    expect(widget.status_line).to_have_text("同事一上线就回复您")
    expect(suggestions(widget)).to_have_count(0)
    assert not [url for url in requested if "/widget/" in url and url.endswith("/answers")]


def test_suggestion_request_that_fails_or_hangs_delays_no_message(
    open_widget: OpenWidget, server: ChatServer
) -> None:
    widget = open_widget(allow="net::ERR")
    widget.page.route("**/answers", lambda route: route.abort())
    with widget.page.expect_event("requestfailed"):
        widget.send("我的卡被吞了")
    widget.page.unroute("**/answers")
    held: list[Route] = []
    widget.page.route("**/answers", lambda route: held.append(route))
    widget.send("在医院门口")
    widget.send("有人吗")
    expect(suggestions(widget)).to_be_hidden()
    with WireAgent(server) as mei:
        mei.take_next()
        mei.say("在的")
        expect(widget.log.get_by_text("在的")).to_be_visible()
    assert len(held) == 1
    held[0].abort()


def test_suggestion_text_is_not_html_and_storage_may_be_blocked(
    page_factory: PageFactory, host_page: HostPage
) -> None:
    page = page_factory()
    page.add_init_script(
        """for (const name of ["localStorage", "sessionStorage"])
             Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError") } });"""
    )
    widget = Widget(page, host_page.url())
    widget.send("标签注入")
    expect(suggestions(widget).get_by_text("<img src=x onerror=alert(1)>怎么办？")).to_be_visible()
    suggestions(widget).locator("summary").first.click()
    expect(suggestions(widget).get_by_text("<script>alert(1)</script>")).to_be_visible()
    expect(suggestions(widget).locator("img, script, a")).to_have_count(0)
    button(widget, "我要找人工").click()
    expect(suggestions(widget)).to_be_hidden()
    widget.send("取款机吞卡了怎么办？")
    expect(suggestions(widget)).to_be_hidden()


def test_open_suggestion_stays_after_next_message_and_in_another_tab(
    open_widget: OpenWidget, server: ChatServer
) -> None:
    first = open_widget()
    first.send("我的卡被吞了")
    summary(first, SWALLOWED).click()
    second = open_widget(beside=first.page)
    expect(summary(second, SWALLOWED)).to_be_visible()
    with second.page.expect_response(lambda answer: answer.url.endswith("/answers")):
        second.send("不对，我的卡丢了，怎么挂失")
    expect(first.log.get_by_text("不对，我的卡丢了")).to_be_visible()
    expect(suggestions(first).get_by_text("请先不要离开机器")).to_be_attached()
    button(second, "我要找人工").click()
    expect(suggestions(second)).to_be_hidden()
    expect(suggestions(first)).to_be_visible()
    assert len(feedback(server)) == len(set(feedback(server)))


def test_branch_is_shown_as_card_in_widget_and_console(
    open_widget: OpenWidget,
    page_factory: PageFactory,
    sign_in: SignIn,
    server: ChatServer,
    branch_source: str,
    axe: Axe,
    screenshot: Screenshot,
) -> None:
    widget = open_widget(viewport=PHONE)
    widget.send("西门支行在哪儿")
    page = page_factory()
    sign_in(page, MEI)
    with WireAgent(server) as mei:
        mei.take_next()
        mei.say(BRANCH_TEXT, source=branch_source)
        page.goto(f"/console/conversations/{mei.conversation}/")
        for card in (widget.log.locator(".branch"), page.locator("#messages .branch")):
            expect(card.locator("strong")).to_have_text("西门支行")
            expect(card).to_contain_text("营业时间：24 小时")
            expect(card).not_to_contain_text("https://")
            link = card.get_by_role("link", name="地图")
            expect(link).to_have_attribute("href", BRANCH_TEXT.splitlines()[-1])
            expect(link).to_have_attribute("target", "_blank")
        expect(widget.log.get_by_role("link", name="地图")).to_be_in_viewport(ratio=1)
        axe(widget.page)
        axe(page)
        screenshot(widget.page, "branch-widget")
        screenshot(page, "branch-console")
        # Text that an agent appends to the address must be visible.
        mei.say(f"{BRANCH_TEXT} 从北门进", source=branch_source)
        expect(widget.log.locator(".branch").last).to_contain_text("https://map.bank.example/")
        expect(widget.log.locator(".branch").last).to_contain_text("从北门进")
