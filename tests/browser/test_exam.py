"""Browser tests of exams and the drill: by keyboard alone, through disconnects, in two tabs, until the time is over."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NETWORK_ERRORS, PHONE, Axe, ChatServer, PageFactory, Screenshot, SignIn
from tests.browser.visitor import WireVisitor
from tests.people import MEI, YUN, Person

# Three choice questions whose right options are written first, a fill-in question, and an ordering question.
QUESTIONS = """
from accounts.models import Department, Staff
from exams.actions import exams, questions
from exams.rules.question_parsing import ParsedQuestion
from tests.harness.exams import open_exam, publish_points
yun = Staff.objects.get(username="yun")
cards = Department.objects.get(code="cards")
points = publish_points(8, department=cards)
kinds = [
    ("single", "单选题？", ["对的", "错甲", "错乙"], [0]),
    ("multiple", "多选题？", ["对一", "对二", "错的"], [0, 1]),
    ("true_false", "判断题。", [], [1]),
    ("fill_in", "请在 ____ 天内挂失。", [], ["7"]),
    ("order", "排序题？", ["第一步", "第二步", "第三步"], [0, 1, 2]),
]
for point, kind in zip(points, kinds, strict=False):
    questions.save_question(by=yun, point=point.pk, parsed=ParsedQuestion(*kind, "见要点。"))
"""
FILL_IN_ONLY = QUESTIONS.replace("zip(points, kinds,", "zip(points, kinds[3:4],")
OPEN_EXAM = QUESTIONS + "open_exam(yun, cards, question_count=5, pass_percent=80)"
RESTRICTED = f"""{OPEN_EXAM}
from accounts.models import QueueRestriction
from django.utils import timezone
mei = Staff.objects.get(username="mei")
QueueRestriction.objects.create(staff=mei, department=cards, key="exam/0", why="十月月考", since=timezone.localdate())
"""
PROPOSED_QUESTIONS = OPEN_EXAM + "\nquestions.propose_questions(by=yun, category=None)\n"

OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(page_factory: PageFactory, sign_in: SignIn) -> OpenPage:
    def open_page(person: Person = MEI, path: str = "/console/exams/", **options: object) -> Page:
        page = page_factory(locale="en", **options)  # type: ignore[arg-type]
        sign_in(page, person)
        page.goto(path)
        return page

    return open_page


def begin(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#progress")).to_have_text("0 of 5 answered")


def go_to_question(page: Page, text: str) -> None:
    """Move by keyboard to the question that contains this text."""
    for _ in range(5):
        if page.locator(".question[data-current]").filter(has_text=text).count():
            return
        page.keyboard.press("PageDown")
    for _ in range(5):
        if page.locator(".question[data-current]").filter(has_text=text).count():
            return
        page.keyboard.press("PageUp")
    raise AssertionError(text)


def number_of(page: Page, option: str) -> str:
    label = page.locator(".question[data-current] .option").filter(has_text=option)
    return label.locator("kbd").inner_text()


def answer_all(page: Page) -> None:
    """Answer every question correctly, by keyboard alone."""
    for stem, options in (("单选题", ["对的"]), ("多选题", ["对一", "对二"]), ("判断题", ["True"])):
        go_to_question(page, stem)
        for option in options:
            page.keyboard.press(number_of(page, option))
    go_to_question(page, "天内挂失")
    expect(page.locator(".question[data-current] .filling")).to_be_focused()
    page.keyboard.type("７")
    go_to_question(page, "排序题")
    steps = page.locator(".question[data-current] .step-text")
    wanted = ["第一步", "第二步", "第三步"]
    for position, text in enumerate(wanted):
        while steps.all_inner_texts()[position] != text:
            page.get_by_role("button", name=f"Move up: {text}").focus()
            page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_have_text("5 of 5 answered")


def hand_in(page: Page) -> None:
    page.get_by_role("button", name="Hand in").click()
    page.locator("#finish-yes").click()


def test_examinee_answers_by_keyboard_alone_and_passes(
    open_page: OpenPage, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    server.run_python(OPEN_EXAM)
    page = open_page()
    axe(page)
    begin(page)
    axe(page)
    answer_all(page)
    expect(page.locator("#saved")).to_have_text("Saved")
    page.reload()
    expect(page.locator("#progress")).to_have_text("5 of 5 answered")
    assert "见要点" not in page.content()
    page.get_by_role("button", name="All on one page").click()
    expect(page.locator(".question:visible")).to_have_count(5)
    axe(page)
    screenshot(page, "exam-paper", full_page=True)
    page.get_by_role("button", name="Hand in").click()
    expect(page.locator("#finish-text")).to_have_text("All questions are answered.")
    page.locator("#finish-yes").click()
    expect(page.locator(".result-percent")).to_have_text("100 %")
    expect(page.get_by_text("Passed")).to_be_visible()
    axe(page)
    screenshot(page, "exam-result")


def test_unsaved_answers_survive_server_restart_and_reload(open_page: OpenPage, server: ChatServer) -> None:
    server.run_python(OPEN_EXAM)
    page = open_page(allow=NETWORK_ERRORS)
    begin(page)
    page.locator(".question[data-current]").wait_for()
    page.get_by_role("button", name="All on one page").click()
    server.kill()
    page.locator(".option").filter(has_text="对的").click()
    page.locator(".filling").fill("7")
    expect(page.locator("#saved")).to_have_text("Not saved yet. Your answers are kept here.")
    server.start()
    page.reload()
    expect(page.locator(".option").filter(has_text="对的").locator("input")).to_be_checked()
    expect(page.locator(".filling")).to_have_value("7")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert server.execute("SELECT count(*) FROM exams_paperitem WHERE saved_at IS NOT NULL") == [(2,)]
    assert page.evaluate("sessionStorage.length") == 0


def test_two_tabs_share_one_attempt_and_stale_tab_overwrites_no_answer(
    open_page: OpenPage, server: ChatServer, page_factory: PageFactory
) -> None:
    server.run_python(OPEN_EXAM)
    first = open_page()
    second = page_factory(locale="en", beside=first)
    second.goto("/console/exams/")
    begin(first)
    second.get_by_role("button", name="Start").click()
    expect(second).to_have_url(first.url)
    for page, option in ((second, "错甲"), (first, "对的")):
        page.get_by_role("button", name="All on one page").click()
        page.locator(".option").filter(has_text=option).click()
        expect(page.locator("#saved")).to_have_text("Saved")
    hand_in(second)
    expect(second.locator(".result-percent")).to_have_text("20 %")
    hand_in(first)
    expect(first.locator(".result-percent")).to_have_text("20 %")
    assert server.execute("SELECT count(*) FROM exams_paper") == [(1,)]


def test_paper_is_handed_in_automatically_when_time_is_over(open_page: OpenPage, server: ChatServer) -> None:
    server.run_python(OPEN_EXAM)
    page = open_page()
    begin(page)
    page.get_by_role("button", name="All on one page").click()
    page.locator(".option").filter(has_text="对的").click()
    expect(page.locator("#saved")).to_have_text("Saved")
    # The page receives the remaining time when it is opened: three seconds.
    due = page.evaluate("new Date(Date.now() + 3000).toISOString()")
    server.execute("UPDATE exams_paper SET due_at = ?", due.replace("T", " ").replace("Z", "+00:00"))
    page.reload()
    expect(page.locator(".result-percent")).to_have_text("20 %")
    expect(page.get_by_text("Not passed")).to_be_visible()


def test_examinee_appeals_on_phone_and_supervisor_decides(
    open_page: OpenPage, server: ChatServer, axe: Axe
) -> None:
    server.run_python(OPEN_EXAM)
    page = open_page(viewport=PHONE)
    begin(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    hand_in(page)
    expect(page.locator(".result-percent")).to_have_text("0 %")
    answer = page.locator(".answer").filter(has_text="判断题")
    answer.get_by_text("Appeal against this mark").click()
    answer.get_by_label("Why is the mark wrong?").fill("题目有误")
    answer.get_by_role("button", name="Appeal").click()
    expect(page.get_by_text("Appeal: open")).to_be_visible()
    axe(page)
    supervisor = open_page(YUN, "/console/exams/appeals/")
    expect(supervisor.get_by_text("题目有误")).to_be_visible()
    axe(supervisor)
    supervisor.get_by_role("button", name="Accept: everyone who had the question").click()
    expect(supervisor.get_by_text("No appeals are waiting.")).to_be_visible()
    page.reload()
    expect(page.locator(".result-percent")).to_have_text("20 %")
    supervisor.goto("/console/exams/results/")
    expect(supervisor.locator(".plot-value").first).to_have_text("20 %")
    axe(supervisor)


def test_editor_reviews_proposed_questions_with_one_key_each(
    open_page: OpenPage, server: ChatServer, axe: Axe
) -> None:
    server.run_python(PROPOSED_QUESTIONS)
    page = open_page(YUN, "/console/exams/questions/judging")
    left = int(page.locator("#left").inner_text())
    assert left > 8
    axe(page)
    first = page.locator("#judged-title").inner_text()
    page.keyboard.press("a")
    expect(page.locator("#left")).to_have_text(str(left - 1))
    page.keyboard.press("d")
    expect(page.locator("#left")).to_have_text(str(left - 2))
    page.keyboard.press("u")
    expect(page.locator("#left")).to_have_text(str(left - 1))
    page.keyboard.press("e")
    expect(page.get_by_role("heading", name="Edit the question")).to_be_visible()
    axe(page)
    states = server.execute("SELECT state FROM exams_question WHERE stem = ?", first)
    assert ("accepted",) in states


def test_restricted_agent_sees_reason_cannot_take_and_is_led_to_exam(
    open_page: OpenPage, server: ChatServer, axe: Axe
) -> None:
    server.run_python(RESTRICTED)
    page = open_page(MEI, "/console/")
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        expect(page.get_by_role("button", name="Take next")).to_be_disabled()
        page.locator("#waiting .row-link").filter(has_text="exam required").click()
        expect(page.get_by_text("You can't take conversations from this department")).to_be_visible()
        expect(page.locator("#conversation-tools [data-do=take]")).to_be_hidden()
        axe(page)
        page.locator("#conversation").get_by_role("link", name="Go to the exam").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()


def test_drill_question_is_hidden_as_soon_as_visitor_waits(
    open_page: OpenPage, server: ChatServer, axe: Axe
) -> None:
    server.run_python(QUESTIONS)
    page = open_page(MEI, "/console/")
    expect(page.locator("#connection")).to_have_attribute("data-status", "open")
    page.get_by_role("button", name="Show a question").click()
    expect(page.locator(".drill .question")).to_be_visible()
    axe(page)
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        expect(page.locator(".drill .question")).to_be_hidden()
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        page.keyboard.press("Escape")
        assert server.execute("SELECT count(*) FROM exams_drillcard") == [(0,)]


def test_letters_typed_into_drill_gap_that_was_just_hidden_take_no_conversation(
    open_page: OpenPage, server: ChatServer
) -> None:
    server.run_python(FILL_IN_ONLY)
    page = open_page(MEI, "/console/")
    expect(page.locator("#connection")).to_have_attribute("data-status", "open")
    page.get_by_role("button", name="Show a question").click()
    expect(page.locator(".drill .filling")).to_be_focused()
    taken: list[str] = []
    page.on("request", lambda request: taken.extend(re.findall(r"/console/next$", request.url)))
    with WireVisitor(server, name="李雷"):
        # Type without a pause while the question disappears. For one second after that, letters must be ignored.
        while page.locator(".drill .question").is_visible():
            page.keyboard.press("n")
        page.keyboard.type("nnn")
        assert not taken
        # A key that moves the focus ends the period in which letters are ignored.
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        assert taken == ["/console/next"]


def test_drill_answer_is_marked_immediately_and_stored(open_page: OpenPage, server: ChatServer) -> None:
    server.run_python(QUESTIONS)
    page = open_page(MEI, "/console/")
    # If midnight passes during the test, ten questions are available again, and nine are left after this answer.
    for left in ("9", "[89]"):
        button = re.compile("Show a question|Next question")
        page.get_by_role("button", name=button).click()
        page.locator("#drill-answer").wait_for()
        form = page.locator(".drill-form")
        kind = form.locator(".question").get_attribute("data-kind")
        if kind == "fill_in":
            form.locator(".filling").fill("8")
        elif kind == "order":
            form.locator("[data-move='1']").first.click()
        else:
            page.keyboard.press("1")
        page.locator("#drill-answer").click()
        expect(page.locator("#drill-next")).to_have_text(
            re.compile(rf"^Next question \({left} left today\)$")
        )
    assert server.execute("SELECT count(*) FROM exams_drillcard WHERE reviews = 1") == [(2,)]
    page.get_by_role("button", name="Stop for now").click()
    expect(page.get_by_role("button", name="Show a question")).to_be_focused()


def test_drill_without_connection_shows_error_keeps_answer_and_can_be_retried(
    open_page: OpenPage, server: ChatServer, axe: Axe
) -> None:
    server.run_python(FILL_IN_ONLY)
    page = open_page(MEI, "/console/", allow=NETWORK_ERRORS)
    expect(page.locator("#connection")).to_have_attribute("data-status", "open")
    drill = page.locator("#drill")
    failed = drill.get_by_role("alert")

    def abort(route: Route) -> None:
        route.abort()

    page.route("**/console/drill/*", abort)
    page.get_by_role("button", name="Show a question").click()
    expect(failed).to_have_text("The question could not be loaded. Try again.")
    axe(page)
    page.unroute("**/console/drill/*", abort)
    drill.get_by_role("button", name="Try again").click()
    expect(drill.locator(".filling")).to_be_focused()
    expect(failed).to_be_hidden()

    drill.locator(".filling").fill("8")
    page.route("**/console/drill/*", abort)
    page.locator("#drill-answer").click()
    expect(failed).to_have_text("Your answer was not sent, but it is still here. Try again.")
    expect(drill.locator(".filling")).to_have_value("8")
    page.unroute("**/console/drill/*", abort)
    drill.get_by_role("button", name="Try again").click()
    expect(page.locator("#drill-next")).to_be_visible()
    expect(failed).to_be_hidden()
    server.wait_for_rows("SELECT count(*) FROM exams_drillcard WHERE reviews = 1", [(1,)])
