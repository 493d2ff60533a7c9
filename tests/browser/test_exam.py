"""The exam and the drill in a real browser: by keyboard alone, through cuts, in two tabs, against the clock."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NETWORK_ERRORS, PHONE, Axe, ChatServer, PageFactory, Screenshot, SignIn
from tests.browser.visitor import WireVisitor
from tests.people import MEI, YUN, Person

# Three choices whose right option is the first written one; a gap; steps.
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
    questions.save_question(by=yun, point=point.pk, written=ParsedQuestion(*kind, "见要点。"))
"""
GAP_ONLY = QUESTIONS.replace("zip(points, kinds,", "zip(points, kinds[3:4],")
SET = QUESTIONS + "open_exam(yun, cards, question_count=5, pass_percent=80)"
BARRED = f"""{SET}
from accounts.models import QueueRestriction
from django.utils import timezone
mei = Staff.objects.get(username="mei")
QueueRestriction.objects.create(staff=mei, department=cards, key="exam/0", why="十月月考", since=timezone.localdate())
"""
PROPOSE = SET + "\nquestions.propose_questions(by=yun, category=None)\n"

Open = Callable[..., Page]


@pytest.fixture
def room(page_factory: PageFactory, sign_in: SignIn) -> Open:
    def open_page(person: Person = MEI, path: str = "/console/exams/", **options: object) -> Page:
        page = page_factory(locale="en", **options)  # type: ignore[arg-type]
        sign_in(page, person)
        page.goto(path)
        return page

    return open_page


def begin(page: Page) -> None:
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#progress")).to_have_text("0 of 5 answered")


def question(page: Page, words: str) -> None:
    """Makes the question with these words the one before the examinee, by keys."""
    for _ in range(5):
        if page.locator(".question[data-current]").filter(has_text=words).count():
            return
        page.keyboard.press("PageDown")
    for _ in range(5):
        if page.locator(".question[data-current]").filter(has_text=words).count():
            return
        page.keyboard.press("PageUp")
    raise AssertionError(words)


def number_of(page: Page, option: str) -> str:
    label = page.locator(".question[data-current] .option").filter(has_text=option)
    return label.locator("kbd").inner_text()


def answer_all(page: Page) -> None:
    """Everything right, by keyboard alone."""
    for stem, options in (("单选题", ["对的"]), ("多选题", ["对一", "对二"]), ("判断题", ["True"])):
        question(page, stem)
        for option in options:
            page.keyboard.press(number_of(page, option))
    question(page, "天内挂失")
    expect(page.locator(".question[data-current] .filling")).to_be_focused()
    page.keyboard.type("７")
    question(page, "排序题")
    steps = page.locator(".question[data-current] .step-text")
    wanted = ["第一步", "第二步", "第三步"]
    for place, text in enumerate(wanted):
        while steps.all_inner_texts()[place] != text:
            page.get_by_role("button", name=f"Up: {text}").focus()
            page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_have_text("5 of 5 answered")


def hand_in(page: Page) -> None:
    page.get_by_role("button", name="Hand in").click()
    page.locator("#finish-yes").click()


def test_an_examinee_answers_by_keyboard_alone_and_passes(
    room: Open, server: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    server.manage("shell", "-v0", "-c", SET)
    page = room()
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
    expect(page.locator("#finish-words")).to_have_text("All questions are answered.")
    page.locator("#finish-yes").click()
    expect(page.locator(".result-percent")).to_have_text("100 %")
    expect(page.get_by_text("Passed")).to_be_visible()
    axe(page)
    screenshot(page, "exam-result")


def test_what_could_not_be_saved_is_kept_through_a_cut_a_restart_and_a_reload(
    room: Open, server: ChatServer
) -> None:
    server.manage("shell", "-v0", "-c", SET)
    page = room(allow=NETWORK_ERRORS)
    begin(page)
    page.locator(".question[data-current]").wait_for()
    page.get_by_role("button", name="All on one page").click()
    server.kill()
    page.locator(".option").filter(has_text="对的").click()
    page.locator(".filling").fill("7")
    expect(page.locator("#saved")).to_have_text("Not saved yet; kept here.")
    server.start()
    page.reload()
    expect(page.locator(".option").filter(has_text="对的").locator("input")).to_be_checked()
    expect(page.locator(".filling")).to_have_value("7")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert server.execute("SELECT count(*) FROM exams_paperitem WHERE saved_at IS NOT NULL") == [(2,)]
    assert page.evaluate("sessionStorage.length") == 0


def test_two_tabs_are_one_attempt_and_an_old_one_undoes_nothing(
    room: Open, server: ChatServer, page_factory: PageFactory
) -> None:
    server.manage("shell", "-v0", "-c", SET)
    first = room()
    second = page_factory(locale="en", beside=first)
    second.goto("/console/exams/")
    begin(first)
    second.get_by_role("button", name="Begin").click()
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


def test_when_the_time_is_over_the_paper_hands_itself_in(room: Open, server: ChatServer) -> None:
    server.manage("shell", "-v0", "-c", SET)
    page = room()
    begin(page)
    page.get_by_role("button", name="All on one page").click()
    page.locator(".option").filter(has_text="对的").click()
    expect(page.locator("#saved")).to_have_text("Saved")
    # The page learns the time when it is opened: three seconds are left of it then.
    due = page.evaluate("new Date(Date.now() + 3000).toISOString()")
    server.execute("UPDATE exams_paper SET due_at = ?", due.replace("T", " ").replace("Z", "+00:00"))
    page.reload()
    expect(page.locator(".result-percent")).to_have_text("20 %")
    expect(page.get_by_text("Not passed")).to_be_visible()


def test_an_examinee_on_a_phone_appeals_and_a_supervisor_decides(
    room: Open, server: ChatServer, axe: Axe
) -> None:
    server.manage("shell", "-v0", "-c", SET)
    page = room(viewport=PHONE)
    begin(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    hand_in(page)
    expect(page.locator(".result-percent")).to_have_text("0 %")
    answer = page.locator(".answer").filter(has_text="判断题")
    answer.get_by_text("This was marked wrongly").click()
    answer.get_by_label("Why do you think so?").fill("题目有误")
    answer.get_by_role("button", name="Appeal").click()
    expect(page.get_by_text("Appeal: open")).to_be_visible()
    axe(page)
    supervisor = room(YUN, "/console/exams/appeals/")
    expect(supervisor.get_by_text("题目有误")).to_be_visible()
    axe(supervisor)
    supervisor.get_by_role("button", name="Accept: everybody who had the question").click()
    expect(supervisor.get_by_text("No appeal waits.")).to_be_visible()
    page.reload()
    expect(page.locator(".result-percent")).to_have_text("20 %")
    supervisor.goto("/console/exams/results/")
    expect(supervisor.locator(".plot-value").first).to_have_text("20 %")
    axe(supervisor)


def test_an_editor_judges_proposals_with_a_key_each(room: Open, server: ChatServer, axe: Axe) -> None:
    server.manage("shell", "-v0", "-c", PROPOSE)
    page = room(YUN, "/console/exams/questions/judging")
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
    expect(page.get_by_role("heading", name="Change the question")).to_be_visible()
    axe(page)
    states = server.execute("SELECT state FROM exams_question WHERE stem = ?", first)
    assert ("accepted",) in states


def test_a_barred_agent_is_told_why_offered_nothing_and_led_to_the_exam(
    room: Open, server: ChatServer, axe: Axe
) -> None:
    server.manage("shell", "-v0", "-c", BARRED)
    page = room(MEI, "/console/")
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        expect(page.get_by_role("button", name="Take the next")).to_be_disabled()
        page.locator("#waiting .row-link").filter(has_text="exam first").click()
        expect(page.get_by_text("You take nobody from this department")).to_be_visible()
        expect(page.locator("#talk-tools [data-do=take]")).to_be_hidden()
        axe(page)
        page.locator("#talk").get_by_role("link", name="To the exam").click()
    expect(page.get_by_role("button", name="Begin")).to_be_visible()


def test_a_question_in_a_quiet_minute_is_gone_as_soon_as_somebody_waits(
    room: Open, server: ChatServer, axe: Axe
) -> None:
    server.manage("shell", "-v0", "-c", QUESTIONS)
    page = room(MEI, "/console/")
    expect(page.locator("#line")).to_have_attribute("data-status", "open")
    page.get_by_role("button", name="One question").click()
    expect(page.locator(".drill .question")).to_be_visible()
    axe(page)
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        expect(page.locator(".drill .question")).to_be_hidden()
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        page.keyboard.press("Escape")
        assert server.execute("SELECT count(*) FROM exams_drillcard") == [(0,)]


def test_letters_typed_into_a_drill_gap_that_has_just_gone_take_nobody(
    room: Open, server: ChatServer
) -> None:
    server.manage("shell", "-v0", "-c", GAP_ONLY)
    page = room(MEI, "/console/")
    expect(page.locator("#line")).to_have_attribute("data-status", "open")
    page.get_by_role("button", name="One question").click()
    expect(page.locator(".drill .filling")).to_be_focused()
    taken: list[str] = []
    page.on("request", lambda request: taken.extend(re.findall(r"/console/next$", request.url)))
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        expect(page.locator(".drill .question")).to_be_hidden()
        page.keyboard.type("nnn")
        assert not taken
        # A key that moves the focus ends the rest: the next letter is a command again.
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        assert taken == ["/console/next"]


def test_an_answer_in_a_quiet_minute_is_marked_at_once_and_kept(room: Open, server: ChatServer) -> None:
    server.manage("shell", "-v0", "-c", QUESTIONS)
    page = room(MEI, "/console/")
    # After midnight there are ten again, and nine after this answer.
    for left in ("9", "[89]"):
        button = re.compile("One question|Another one")
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
        expect(page.locator("#drill-next")).to_have_text(re.compile(rf"^Another one \({left} left today\)$"))
    assert server.execute("SELECT count(*) FROM exams_drillcard WHERE reviews = 1") == [(2,)]
    page.get_by_role("button", name="Enough for now").click()
    expect(page.get_by_role("button", name="One question")).to_be_focused()


def test_a_drill_without_a_connection_says_so_keeps_the_answer_and_is_tried_again(
    room: Open, server: ChatServer, axe: Axe
) -> None:
    server.manage("shell", "-v0", "-c", GAP_ONLY)
    page = room(MEI, "/console/", allow=NETWORK_ERRORS)
    expect(page.locator("#line")).to_have_attribute("data-status", "open")
    drill = page.locator("#drill")
    failed = drill.get_by_role("alert")

    def cut(route: Route) -> None:
        route.abort()

    page.route("**/console/drill/*", cut)
    page.get_by_role("button", name="One question").click()
    expect(failed).to_have_text("The question could not be loaded.")
    axe(page)
    page.unroute("**/console/drill/*", cut)
    drill.get_by_role("button", name="Try again").click()
    expect(drill.locator(".filling")).to_be_focused()
    expect(failed).to_be_hidden()

    drill.locator(".filling").fill("8")
    page.route("**/console/drill/*", cut)
    page.locator("#drill-answer").click()
    expect(failed).to_have_text("Your answer was not sent. It is still here.")
    expect(drill.locator(".filling")).to_have_value("8")
    page.unroute("**/console/drill/*", cut)
    drill.get_by_role("button", name="Try again").click()
    expect(page.locator("#drill-next")).to_be_visible()
    expect(failed).to_be_hidden()
    server.wait_for_rows("SELECT count(*) FROM exams_drillcard WHERE reviews = 1", [(1,)])
