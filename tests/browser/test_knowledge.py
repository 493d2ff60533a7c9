"""Browser tests of the knowledge pages: write, review, publish, list recipients, import."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Axe, ChatServer, PageFactory, Screenshot, SignIn
from tests.people import MEI, NING, YUN, Person

# Violations in Django's own pages.
DJANGO_RULES = ("label-title-only", "empty-table-header")
ANSWER = "您别急，请马上在手机银行里挂失：https://www.bank.example/loss 。"
PREVIEW = "您别急，请马上打 95000 挂失。\n手机银行挂失 https://www.bank.example/loss"
LOAD = """
from datetime import timedelta
from uuid import uuid4
from django.utils import timezone
from accounts.models import Staff
from chat.models import Message
from knowledge.actions import point_use, points
from knowledge.actions.editing import begin_point
from knowledge.actions.branches import category_at
from knowledge.content import Content
from knowledge.models import Phrasing, Point, UnansweredQuestion, UnansweredQuestionExample, Version
from tests.harness.approvals import approve_version
from tests.people import Cast, say, start_with
from chat.actions.posts import post_batch
from chat.actions.canned_replies import make_answer
from accounts.models import Department
from chat.models import Site, WrapUpCode
staff = {{member.username: member for member in Staff.objects.all()}}
cast = Cast(site=Site.objects.get(), cards=Department.objects.get(code="cards"),
    loans=Department.objects.get(code="loans"), done=WrapUpCode.objects.get(), **staff)
content = Content("卡丢了怎么挂失？", {answer!r}, category_at("银行卡/挂失"),
    note="先核实身份，再问最后一次用卡的时间。", department=cast.cards, links=[["手机银行挂失", "https://www.bank.example/loss"]],
    valid_until=timezone.localdate() + timedelta(days=9))
version = begin_point(by=cast.ning, key="card-lost", language="zh", owner=cast.ning, content=content,
    phrasings=["卡丢了", "钱包被偷了卡也在里面", "卡找不到了咋办"], is_ready=True)
approve_version(by=cast.yun, version=version.pk)
point = version.point
for text, count in (("刚在菜市场钱包被偷了", 7), ("卡掉了", 4), ("在吗", 2)):
    Phrasing.objects.create(point=point, text=text, state="suggested", count=count)
question = UnansweredQuestion.objects.create(text="周日开门吗", count=3)
for text in ("周日开门吗", "星期天上班吗", "礼拜天营业不"):
    conversation = start_with(cast, cast.mei)
    UnansweredQuestionExample.objects.create(
        gap=question, conversation=conversation, seq=say(conversation, text).seq, text=text)
UnansweredQuestion.objects.create(text="能不能换外币硬币", count=1)
version = Version.objects.get(point=point)
answer = {{"body": version.answer, "source": version.source}}
post_batch([make_answer(staff=cast.mei, uuid=conversation.uuid, client_id=uuid4(), **answer)])
point_use.record_use(by=cast.mei, version=version, conversation=conversation, seq=2, question="", is_edited=False)
"""
CLEANUP = (
    "DELETE FROM knowledge_use",
    "DELETE FROM knowledge_unansweredquestionexample",
    "DELETE FROM knowledge_unansweredquestion",
    "DELETE FROM knowledge_phrasing",
    "UPDATE knowledge_point SET published_id = NULL",
    "DELETE FROM knowledge_version",
    "DELETE FROM knowledge_point",
    "DELETE FROM accounts_approvalrequest_authors",
    "DELETE FROM accounts_approvalrequest",
    "DELETE FROM accounts_authorship",
)

STATE_COLOURS = """state => [...document.querySelectorAll(`.state[data-state=${state}]`)].map(pill => {
  const { color, backgroundColor, borderColor } = getComputedStyle(pill);
  return `${color} ${backgroundColor} ${borderColor}`;
})"""
OpenPage = Callable[..., Page]


def delete_knowledge(server: ChatServer) -> None:
    """Delete every knowledge point, including those that other tests left on the server."""
    for statement in CLEANUP:
        server.execute(statement)


@pytest.fixture
def server_with_point(server: ChatServer) -> Any:
    """Return a server with a published point, unanswered questions, and suggested phrasings."""
    delete_knowledge(server)
    server.run_python(LOAD.format(answer=ANSWER))
    yield server
    delete_knowledge(server)


@pytest.fixture
def open_page(page_factory: PageFactory, sign_in: SignIn, server_with_point: ChatServer) -> OpenPage:
    def make(person: Person = NING, path: str = "/console/", **options: Any) -> Page:
        page = page_factory(**options)
        sign_in(page, person)
        page.goto(path)
        return page

    return make


def test_editor_writes_point_supervisor_approves_and_agent_reads_it(
    open_page: OpenPage, axe: Axe, screenshot: Screenshot
) -> None:
    page = open_page(locale="en", allow="status of 422")
    expect(page).to_have_url(re.compile(r"/console/points/$"))
    expect(page.get_by_role("link", name="Conversations")).to_have_count(0)
    axe(page)
    screenshot(page, "knowledge-list-en")
    page.get_by_role("link", name="卡丢了怎么挂失？").click()
    expect(page.locator(".bubble a").first).to_have_attribute("href", "https://www.bank.example/loss")
    axe(page)
    screenshot(page, "knowledge-point-en", full_page=True)

    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Answer", exact=True).fill("您别急，请马上打 95000 挂失。")
    expect(page.locator("#preview")).to_have_text(PREVIEW)
    expect(page.locator("[data-count=answer]")).to_have_text("18 / 2000")
    page.reload()
    expect(page.get_by_text("Your unsaved changes")).to_be_visible()
    expect(page.get_by_label("Answer", exact=True)).to_have_value("您别急，请马上打 95000 挂失。")
    axe(page)
    screenshot(page, "knowledge-edit-en", full_page=True)
    page.get_by_label("Category", exact=True).fill("银行卡/没有的")
    page.get_by_role("button", name="Save and send for review").click()
    expect(page.get_by_text("There is no such category.")).to_be_visible()
    expect(page.get_by_label("Answer", exact=True)).to_have_value("您别急，请马上打 95000 挂失。")
    page.get_by_label("Category", exact=True).fill("银行卡/挂失")
    page.get_by_role("button", name="Save and send for review").click()
    expect(page.get_by_text("version 2 in review").first).to_be_visible()
    page.get_by_role("link", name=re.compile("version 2")).first.click()
    expect(page.locator(".history [aria-current] .state")).to_have_text("version 2 in review")
    colours = page.evaluate(STATE_COLOURS, "review")
    assert len(colours) > 1
    assert len(set(colours)) == 1, colours
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_text("Your unsaved changes")).to_be_hidden()

    supervisor = open_page(YUN, "/console/points/", locale="en")
    supervisor.get_by_role("link", name=re.compile("waiting for my approval")).click()
    supervisor.get_by_role("link", name="卡丢了怎么挂失？").click()
    supervisor.get_by_role("link", name=re.compile("version 2")).first.click()
    expect(supervisor.locator(".changes ins").first).to_contain_text("打 95000")
    axe(supervisor)
    screenshot(supervisor, "knowledge-review-en", full_page=True)
    supervisor.get_by_role("button", name="Approve").click()
    expect(supervisor.get_by_text("version 2 published").first).to_be_visible()

    agent = open_page(MEI, "/console/points/card-lost/", locale="en")
    expect(agent.locator(".bubble")).to_have_text(PREVIEW)
    agent.get_by_role("link", name="Save as my canned reply").click()
    agent.get_by_label("Shortcut").fill("gs")
    agent.get_by_role("button", name="Save", exact=True).click()
    expect(agent.get_by_role("link", name="From a knowledge point")).to_be_visible()

    supervisor.get_by_role("link", name="Recipients").click()
    expect(supervisor.get_by_text("1 customer", exact=True)).to_be_visible()
    axe(supervisor)
    screenshot(supervisor, "knowledge-recipients-en")


def test_suggested_phrasings_are_reviewed_with_one_key_each(
    open_page: OpenPage, server_with_point: ChatServer, axe: Axe, screenshot: Screenshot
) -> None:
    page = open_page(path="/console/phrasings/")
    expect(page.locator(".waiting-item")).to_have_count(3)
    axe(page)
    screenshot(page, "knowledge-phrasings")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("a")
    expect(page.locator(".waiting-item")).to_have_count(2)
    expect(page.locator(".waiting-item").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("d")
    expect(page.locator(".waiting-item")).to_have_count(1)
    expect(page.locator(".waiting-item")).to_be_focused()
    rows = server_with_point.execute("SELECT text, state FROM knowledge_phrasing ORDER BY id")
    assert rows[-3:] == [("刚在菜市场钱包被偷了", "accepted"), ("卡掉了", "suggested"), ("在吗", "declined")]


def test_unanswered_question_becomes_new_point(open_page: OpenPage, axe: Axe, screenshot: Screenshot) -> None:
    page = open_page(YUN, "/console/gaps/")
    expect(page.get_by_text("问过 3 次")).to_be_visible()
    page.locator("summary").first.click()
    # The server's index still has deleted points of other tests: search for a phrasing that only this point has.
    page.get_by_label("归到哪个知识点？").first.fill("钱包被偷了卡也在里面")
    expect(page.get_by_role("button", name=re.compile("卡丢了怎么挂失")).first).to_be_visible()
    axe(page)
    screenshot(page, "knowledge-unanswered-questions")
    page.get_by_role("link", name="据此新建知识点").first.click()
    expect(page.get_by_label("标题")).to_have_value("周日开门吗")
    expect(page.get_by_label("其他问法")).to_have_value(re.compile("星期天上班吗"))
    page.goto("/console/gaps/")
    page.get_by_role("button", name="无需处理").last.click()
    expect(page.locator(".waiting-item")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, (1440, 900)])
def test_knowledge_pages_are_accessible_in_dark_mode_and_on_phone(
    open_page: OpenPage, axe: Axe, screenshot: Screenshot, scheme: str, size: tuple[int, int]
) -> None:
    page = open_page(YUN, "/console/points/", color_scheme=scheme, viewport=size)
    for name, path in (
        ("list", "points/"),
        ("point", "points/card-lost/"),
        ("edit", "points/card-lost/edit"),
        ("recipients", "points/card-lost/told"),
        ("unanswered-questions", "gaps/"),
        ("phrasings", "phrasings/"),
    ):
        page.goto(f"/console/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        axe(page)
        screenshot(page, f"knowledge-{name}-{scheme}-{size[0]}", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name


def test_import_is_previewed_before_it_is_stored(
    open_page: OpenPage, axe: Axe, screenshot: Screenshot, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["标识", "标题", "答案", "分类", "失效日"])
    sheet.append(
        ["card-lost", "卡丢了怎么挂失？", "您别急，请马上打 95000 挂失。", "银行卡/挂失", "2030-12-31"]
    )
    sheet.append(["hours", "周日开门吗？", "看网点。", "网点", "某一天"])
    file = tmp_path / "points.xlsx"
    book.save(file)
    page = open_page(NING, "/admin/knowledge/point/")
    page.get_by_role("link", name="导入").click()
    expect(page.get_by_label("文件（XLSX 或 CSV）")).to_be_visible()
    axe(page, without=DJANGO_RULES)
    page.get_by_label("文件（XLSX 或 CSV）").set_input_files(file)
    page.get_by_role("button", name="预览改动").click()
    expect(page.get_by_text("“某一天”不是日期")).to_be_visible()
    expect(page.get_by_role("button", name="全部导入")).to_have_count(0)
    axe(page, without=DJANGO_RULES)
    screenshot(page, "knowledge-import-wrong", full_page=True)

    sheet["E3"] = "2030-01-31"
    book.save(file)
    page.get_by_label("文件（XLSX 或 CSV）").set_input_files(file)
    page.get_by_role("button", name="预览改动").click()
    expect(page.get_by_role("button", name="全部导入")).to_be_visible()
    expect(page.locator(".import-rows ins").first).to_be_visible()
    axe(page, without=DJANGO_RULES)
    screenshot(page, "knowledge-import", full_page=True)
    page.get_by_role("button", name="全部导入").click()
    expect(page.get_by_text("要由另一位同事批准后才会生效")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("hours"))).to_contain_text("审")
    screenshot(page, "knowledge-admin-list", full_page=True)
