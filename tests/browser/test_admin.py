"""Browser tests of admin under our content security policy: configuration by administrators, records for auditors."""

from __future__ import annotations

import csv
import re
from io import StringIO
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Axe, ChatServer, PageFactory, Screenshot, SignIn
from tests.browser.visitor import WireVisitor
from tests.people import AN, MEI, PASSWORD, WEN, YUN

# Violations in Django's own pages: an image is the only label of the search field, and inline tables have an empty
# header.
DJANGO_RULES = ("label-title-only", "empty-table-header")


def test_administrator_signs_in_and_creates_staff_member_who_can_work_immediately(
    page_factory: PageFactory, axe: Axe, screenshot: Screenshot
) -> None:
    page = page_factory()
    page.goto("/admin/")
    expect(page).to_have_url(re.compile(r"/console/login/\?next=/admin/"))
    page.get_by_label("用户名").fill(AN.username)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    expect(page).to_have_url(re.compile(r"/admin/$"))
    expect(page.get_by_role("heading", name="设置与记录")).to_be_visible()
    expect(page.get_by_role("link", name="会话", exact=True)).to_have_count(0)
    screenshot(page, "admin-first-page")

    page.locator("#content").get_by_role("link", name="员工", exact=True).last.click()
    page.get_by_role("link", name="增加 员工").click()
    page.get_by_label(re.compile("^姓名")).fill("何新")
    page.get_by_label("工号").fill("1009")
    page.get_by_label("信用卡").check()
    page.get_by_label("用户名").fill("xin")
    page.get_by_label(re.compile("^密码:")).fill("short")
    page.get_by_label("密码确认").fill("short")
    page.get_by_role("button", name="保存", exact=True).click()
    expect(page.get_by_text("密码太短")).to_be_visible()
    screenshot(page, "admin-staff-mistake")
    page.get_by_label(re.compile("^密码:")).fill("a-lamp-at-night-3")
    page.get_by_label("密码确认").fill("a-lamp-at-night-3")
    page.get_by_label("您自己的密码").fill(PASSWORD)
    page.get_by_role("button", name="保存", exact=True).click()
    expect(page.get_by_role("row", name=re.compile("何新"))).to_contain_text("信用卡")
    axe(page, without=DJANGO_RULES)

    colleague = page_factory()
    colleague.goto("/console/")
    colleague.get_by_label("用户名").fill("xin")
    colleague.get_by_label("密码").fill("a-lamp-at-night-3")
    colleague.get_by_role("button", name="登录").click()
    # The administrator knows the first password, so the staff member must choose another one.
    expect(colleague).to_have_url(re.compile(r"/console/password/$"))
    screenshot(colleague, "first-password")
    colleague.get_by_label("当前密码").fill("a-lamp-at-night-3")
    colleague.get_by_label("新密码", exact=True).fill("a-lamp-of-my-own-5")
    colleague.get_by_label("再次输入新密码").fill("a-lamp-of-my-own-5")
    axe(colleague)
    colleague.get_by_role("button", name="修改密码").click()
    expect(colleague).to_have_url(re.compile(r"/console/$"))


def test_site_is_configured_with_origins_and_business_texts(
    page_factory: PageFactory, sign_in: SignIn, axe: Axe, screenshot: Screenshot, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    sign_in(page, AN)
    page.goto("/admin/chat/site/")
    page.get_by_role("link", name="青岚银行").click()
    expect(page.get_by_text('data-site="qinglan"')).to_be_visible()
    secret = server.execute("SELECT identity_secret FROM chat_site")[0][0]
    assert secret not in page.content()

    origins = page.get_by_label("Allowed origins")
    before = origins.input_value()
    origins.fill(before + "\nwww.bank.example/chat")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("“www.bank.example/chat” is not an origin")).to_be_visible()
    screenshot(page, "admin-site-mistake")
    page.get_by_label("Allowed origins").fill(before)

    page.get_by_text("Add another Business text").click()
    row = page.locator("#texts-0")
    row.get_by_label("Where it stands").or_(row.locator("select[name$=code]")).select_option("privacy")
    row.locator("select[name$=language]").select_option("en")
    row.locator("textarea").fill("Please write no passwords <here> & now.")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("Sent for approval")).to_be_visible()
    expect(page.get_by_text("was changed successfully")).to_have_count(0)
    assert server.execute("SELECT count(*) FROM chat_businesstext") == [(0,)]
    approve_all_requests(page_factory, sign_in, axe, screenshot)
    page.reload()
    expect(page.locator("#texts-0 textarea")).to_have_value("Please write no passwords <here> & now.")
    screenshot(page, "admin-site", full_page=True)
    axe(page, without=DJANGO_RULES)
    page.locator("#texts-0").get_by_role("checkbox").check()
    page.get_by_role("button", name="Save", exact=True).click()
    # The form fetches a token before it is sent, so the click returns before the page changes. Wait for the new page.
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert server.execute("SELECT count(*) FROM chat_businesstext") == [(0,)]
    verbs = [verb for (verb,) in server.execute("SELECT verb FROM accounts_auditentry ORDER BY id")]
    assert verbs == ["approval.requested", "setup.created", "approval.approved", "setup.removed"]


def approve_all_requests(
    page_factory: PageFactory, sign_in: SignIn, axe: Axe, screenshot: Screenshot
) -> None:
    """As the supervisor on a phone, open the page of pending requests, which must list exactly one, and approve it."""
    page = page_factory(locale="en", viewport=PHONE)
    sign_in(page, YUN)
    page.goto("/console/approvals/")
    axe(page)
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Review the selected requests").click()
    expect(page.locator(".changes ins").filter(has_text="<here> & now")).to_be_visible()
    axe(page)
    screenshot(page, "approvals-review-en", full_page=True)
    page.get_by_role("button", name="Approve the ticked requests").click()
    expect(page.get_by_role("heading", name="1 approved")).to_be_visible()
    axe(page)


def test_deactivating_staff_member_closes_their_console_immediately(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    console, admin = page_factory(allow="status of 401"), page_factory()
    sign_in(console, MEI)
    sign_in(admin, AN)
    closed: list[int] = []

    def watch(socket: object) -> None:
        socket.on("close", lambda *_: closed.append(1))  # type: ignore[attr-defined]

    console.on("websocket", watch)
    with console.expect_websocket() as opened:
        console.goto("/console/")
    opened.value.wait_for_event("framereceived")
    admin.goto("/admin/accounts/staff/")
    admin.get_by_role("link", name="林梅").click()
    try:
        with opened.value.expect_event("close", timeout=5000):
            admin.get_by_label("有效").or_(admin.locator("#id_is_active")).uncheck()
            admin.get_by_role("button", name="保存", exact=True).click()
            expect(admin.get_by_role("row", name=re.compile("林梅"))).to_be_visible()
        console.goto("/console/")
        expect(console).to_have_url(re.compile("/console/login/"))
    finally:
        server.execute("UPDATE accounts_staff SET is_active = ? WHERE username = ?", True, MEI.username)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_auditor_finds_reads_and_exports_conversation(
    page_factory: PageFactory,
    sign_in: SignIn,
    server: ChatServer,
    axe: Axe,
    screenshot: Screenshot,
    scheme: str,
    tmp_path: Path,
) -> None:
    page = page_factory(color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(page, WEN)
    bodies_sent = ["我的银行卡被吞了", "=1+1", "第一行\n  第二行\n\n<b>不是粗体</b>", "العربية \u202eabc"]
    with WireVisitor(server, name="欧阳女士") as visitor, WireVisitor(server, name="别人") as other:
        for body in bodies_sent:
            visitor.say(body)
        other.say("利率是多少")
        page.goto("/admin/chat/conversation/")
        expect(page.get_by_role("row", name=re.compile("欧阳女士|别人"))).to_have_count(2)
        page.locator("#searchbar").fill("行卡")
        page.locator("#searchbar").press("Enter")
        expect(page.get_by_role("row", name=re.compile("欧阳女士"))).to_be_visible()
        expect(page.get_by_role("row", name=re.compile("别人"))).to_have_count(0)
        screenshot(page, f"admin-conversations-{scheme}")
        axe(page, without=DJANGO_RULES)

        page.get_by_role("link", name=visitor.conversation[:8]).click()
        expect(page.get_by_role("heading", name="会话 " + visitor.conversation[:8])).to_be_visible()
        bodies = page.locator(".entry .body").all()
        assert [body.text_content() for body in bodies] == bodies_sent
        screenshot(page, f"admin-record-{scheme}")
        axe(page)

        with page.expect_download() as download:
            page.get_by_role("link", name="下载会话记录").click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert "\n    我的银行卡被吞了\n" in text
        assert "访客 欧阳女士" in text

        page.goto("/admin/chat/conversation/?q=行卡")
        page.get_by_role("link", name="导出").click()
        page.get_by_label("内容").select_option("1")
        page.get_by_label("文件格式").select_option("1")
        screenshot(page, f"admin-export-{scheme}")
        axe(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="导出").click()
        rows = list(csv.reader(StringIO(Path(download.value.path()).read_text("utf-8-sig"), newline="")))
        assert [row[-1].removeprefix("'") for row in rows[1:]] == bodies_sent

        page.goto("/admin/accounts/auditentry/")
        for verb in ("查看会话记录", "下载会话记录", "导出记录"):
            expect(page.get_by_role("cell", name=verb)).to_have_count(1)


def test_supervisor_reads_records_on_phone_in_dark_mode(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer, screenshot: Screenshot
) -> None:
    page = page_factory(viewport=PHONE, color_scheme="dark", locale="en")
    sign_in(page, YUN)
    with WireVisitor(server, name="Eileen", language="en") as visitor:
        visitor.say("how do i send 60,000 abroad " + "quickly" * 30)
        page.goto("/admin/chat/conversation/")
        screenshot(page, "admin-conversations-phone")
        page.get_by_role("link", name=visitor.conversation[:8]).click()
        expect(page.get_by_text("how do i send")).to_be_visible()
        screenshot(page, "admin-record-phone")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
@pytest.mark.parametrize("width", [390, 800, 1440])
def test_checkbox_label_fits_on_one_line(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer, locale: str, width: int
) -> None:
    page = page_factory(locale=locale, viewport=(width, 900))
    sign_in(page, AN)
    ((site,),) = server.execute("SELECT id FROM chat_site")
    page.goto(f"/admin/chat/site/{site}/change/")
    label = page.locator(".field-requires_nonce label")
    lines = label.evaluate(
        "label => { const range = document.createRange(); range.selectNodeContents(label);"
        " return new Set([...range.getClientRects()].map(({ top }) => top)).size }"
    )
    assert lines == 1
