"""Browser tests of the console: an agent's work, shortcuts, drafts, lost connections, alerts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, WebSocketRoute, expect

from tests.browser.agent import WireAgent
from tests.browser.conftest import (
    CLOCK_A_DAY_FAST,
    DAY_MS,
    NETWORK_ERRORS,
    PHONE,
    Axe,
    ChatServer,
    OpenConsole,
    PageFactory,
    Screenshot,
    SignIn,
)
from tests.browser.visitor import WireVisitor
from tests.browser.waiting import wait_until
from tests.people import HAO, MEI, PASSWORD, YUN, Person


def take_next(page: Page) -> None:
    page.get_by_role("button", name="Take next").click()
    expect(composer(page)).to_be_focused()


def composer(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message")


def row(page: Page, name: str) -> Locator:
    return page.locator(".row-link").filter(has_text=name)


def go_online(page: Page) -> None:
    page.keyboard.press("p")
    page.get_by_role("form", name="My presence").get_by_role("button", name="online", exact=True).click()
    expect(page.locator("#presence")).to_have_attribute("data-status", "online")


def test_agent_takes_conversation_and_exchanges_messages(
    console: OpenConsole, server: ChatServer, axe: Axe
) -> None:
    page = console()
    go_online(page)
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        expect(page.locator("#waiting").get_by_text("我的卡被吞了")).to_be_visible()
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        expect(page.get_by_role("log").get_by_text("我的卡被吞了")).to_be_visible()
        expect(page.locator("#card").get_by_text("nobody has verified it")).to_be_visible()

        composer(page).fill("您人在机器旁边吗？")
        composer(page).press("Enter")
        received = visitor.wait_for_message("您人在机器旁边吗？")
        own_message = page.locator(f"#message-{visitor.conversation}-{received['seq']}")
        expect(own_message).to_contain_text("Sent")
        expect(composer(page)).to_have_value("")
        visitor.mark_read(received["seq"])
        expect(own_message).to_contain_text("Read")
        visitor.send_typing()
        expect(page.get_by_text("李雷 is typing")).to_be_visible()
        visitor.say("在")
        expect(page.get_by_text("李雷 is typing")).to_be_hidden()
        axe(page)


def test_draft_belongs_to_its_conversation(console: OpenConsole, server: ChatServer) -> None:
    page = console()
    with WireVisitor(server, name="李雷"), WireVisitor(server, name="韩梅梅"):
        take_next(page)
        take_next(page)
        row(page, "李雷").click()
        composer(page).fill("给李雷的话")
        row(page, "韩梅梅").click()
        expect(page.get_by_role("heading", name="韩梅梅")).to_be_visible()
        expect(composer(page)).to_have_value("")
        composer(page).fill("给韩梅梅的话")
        page.reload()
        expect(composer(page)).to_have_value("给韩梅梅的话")
        page.keyboard.press("Alt+ArrowUp")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        expect(composer(page)).to_have_value("给李雷的话")


def test_message_written_offline_arrives_once(console: OpenConsole, server: ChatServer) -> None:
    page = console(allow=NETWORK_ERRORS)
    with WireVisitor(server, name="李雷") as visitor:
        take_next(page)
        page.context.set_offline(True)
        composer(page).fill("我在，别急")
        composer(page).press("Enter")
        expect(page.get_by_role("alert").filter(has_text="Not sent yet: 1")).to_be_visible()
        expect(page.locator("#pending")).to_contain_text("Not sent yet")
        page.context.set_offline(False)
        visitor.wait_for_message("我在，别急")
        expect(page.locator("#pending .message")).to_have_count(0)
        expect(page.get_by_role("log").get_by_text("我在，别急")).to_have_count(1)
        assert [m["body"] for m in visitor.all_messages()].count("我在，别急") == 1


def test_unaccepted_messages_survive_reload(console: OpenConsole, server: ChatServer) -> None:
    page = console(allow=NETWORK_ERRORS)
    with WireVisitor(server, name="李雷") as visitor:
        take_next(page)
        page.route("**/messages", lambda route: route.abort())
        for body in ("第一句", "第二句"):
            composer(page).fill(body)
            composer(page).press("Enter")
        expect(page.locator("#pending .message")).to_have_count(2)
        page.unroute("**/messages")
        page.reload()
        visitor.wait_for_message("第一句")
        visitor.wait_for_message("第二句")
        expect(page.locator("#pending .message")).to_have_count(0)


def test_message_whose_response_was_lost_is_stored_once(console: OpenConsole, server: ChatServer) -> None:
    page = console(allow=NETWORK_ERRORS)
    with WireVisitor(server) as visitor:
        take_next(page)
        lost: list[str] = []

        def lose_the_answer(route: Route) -> None:
            if lost:
                route.continue_()
                return
            lost.append(route.request.url)
            # Let the server store the message, but lose its response.
            route.fetch()
            route.abort()

        page.route("**/messages", lose_the_answer)
        composer(page).fill("只说一次")
        composer(page).press("Enter")
        expect(page.locator("#messages").get_by_text("只说一次")).to_be_visible()
        wait_until(page, "!Object.keys(sessionStorage).some(key => key.includes('outbox'))")
        assert len(lost) == 1
        assert [m["body"] for m in visitor.all_messages()].count("只说一次") == 1


def test_transfer_carries_note_and_leaves_own_list(
    console: OpenConsole, server: ChatServer, axe: Axe
) -> None:
    mei, hao = console(MEI), console(HAO)
    go_online(hao)
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        take_next(mei)
        mei.keyboard.press("Alt+t")
        mei.get_by_label("Transfer to", exact=True).select_option(label="Hao Chen 1002 · 0/8")
        mei.get_by_label("Note for your colleagues").fill("老客户，卡还在机器里")
        axe(mei)
        mei.get_by_role("dialog").get_by_role("button", name="Transfer").click()
        expect(mei.locator("#mine .row")).to_have_count(0)
        expect(hao.locator("#mine").get_by_text("李雷")).to_be_visible()
        row(hao, "李雷").click()
        expect(hao.locator(".note")).to_contain_text("老客户，卡还在机器里")
        assert all("老客户" not in message["body"] for message in visitor.all_messages())


def test_closing_requires_wrap_up_code_and_keeps_comment(
    console: OpenConsole, server: ChatServer, axe: Axe
) -> None:
    page = console(allow="422")
    with WireVisitor(server, name="李雷") as visitor:
        take_next(page)
        page.keyboard.press("Alt+c")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Comment").fill("卡已取回")
        dialog.get_by_role("button", name="Close the conversation").click()
        expect(dialog.get_by_role("alert")).to_contain_text("Choose a wrap-up code.")
        expect(dialog.get_by_label("Comment")).to_have_value("卡已取回")
        axe(page)
        dialog.get_by_label("What was the conversation about?").select_option(label="Solved")
        dialog.get_by_role("button", name="Close the conversation").click()
        expect(page.locator("#mine .row")).to_have_count(0)
        expect(page.get_by_text("No conversation selected.")).to_be_visible()
        visitor.wait_for_event("ended")


def test_note_that_could_not_be_saved_stays_in_dialog(console: OpenConsole, server: ChatServer) -> None:
    page = console(allow=NETWORK_ERRORS + "|htmx:")
    with WireVisitor(server, name="李雷") as visitor:
        take_next(page)
        page.keyboard.press("Alt+m")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Note").fill("卡还在机器里 <b>")
        page.context.set_offline(True)
        dialog.get_by_label("Note").press("Control+Enter")
        expect(dialog.get_by_role("alert")).to_contain_text(
            "The server is not responding. Your text is still here"
        )
        expect(dialog.get_by_label("Note")).to_have_value("卡还在机器里 <b>")
        page.context.set_offline(False)
        dialog.get_by_role("button", name="Save the note").click()
        expect(dialog).to_be_hidden()
        expect(page.locator(".note")).to_contain_text("卡还在机器里 <b>")
        expect(page.locator(".note")).to_have_count(1)
        assert all("机器里" not in message["body"] for message in visitor.all_messages())


def test_visitor_ends_and_agent_can_close(console: OpenConsole, server: ChatServer) -> None:
    page = console()
    with WireVisitor(server, name="李雷") as visitor:
        take_next(page)
        visitor.end()
        expect(page.get_by_text("The customer ended the conversation.")).to_be_visible()
        expect(composer(page)).to_be_hidden()
        expect(page.get_by_role("button", name="Close", exact=True)).to_be_visible()


def test_canned_reply_is_found_and_its_placeholders_are_filled(
    console: OpenConsole, server: ChatServer
) -> None:
    page = console(locale="zh-CN")
    page.goto("/console/replies/new")
    for label, text in (
        ("快捷", "nh"),
        ("标题", "问候"),
        ("文本|内容|文字", "{visitor_name}您好，我是{agent_number}号。"),
    ):
        page.get_by_label(re.compile(label)).last.fill(text)
    page.get_by_role("button", name="保存").click()
    # The form fetches a token before it is sent, so wait until the reply is saved. Leaving the page earlier would
    # cancel the request.
    expect(page.get_by_role("link", name="问候")).to_be_visible()
    page.goto("/console/")
    with WireVisitor(server) as visitor:
        page.keyboard.press("n")
        field = page.get_by_role("textbox", name="消息")
        expect(field).to_be_focused()
        page.keyboard.type("/wh")
        expect(page.get_by_role("option")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(field).to_have_value("{visitor_name}您好，我是1001号。")
        page.keyboard.press("Enter")
        expect(page.get_by_text("还没填")).to_be_visible()
        # The placeholder is selected, so typed text replaces it.
        page.keyboard.type("女士")
        page.keyboard.press("Enter")
        visitor.wait_for_message("女士您好，我是1001号。")


def test_reply_buttons_are_sent_with_message(console: OpenConsole, server: ChatServer) -> None:
    page = console()
    with WireVisitor(server) as visitor:
        take_next(page)
        page.get_by_role("button", name="Buttons for the customer").click()
        for number, text in ((1, "在旁边"), (2, "已经离开")):
            page.get_by_label(f"Button {number}").fill(text)
        composer(page).fill("您在机器旁边吗？")
        composer(page).press("Enter")
        assert visitor.wait_for_message("您在机器旁边吗？")["payload"] == {"choices": ["在旁边", "已经离开"]}
        expect(page.get_by_label("Reply buttons").get_by_text("已经离开")).to_be_visible()
        expect(page.get_by_label("Button 1")).to_be_hidden()


def test_shortcuts_do_not_act_while_agent_types(console: OpenConsole, server: ChatServer) -> None:
    page = console()
    with WireVisitor(server, name="李雷"), WireVisitor(server, name="韩梅梅"):
        take_next(page)
        page.keyboard.type("no reply? jk/tmc")
        expect(composer(page)).to_have_value("no reply? jk/tmc")
        expect(page.locator("#mine .row")).to_have_count(1)
        # An Enter that ends an input method's composition sends nothing.
        composer(page).evaluate(
            "field => field.dispatchEvent(new KeyboardEvent('keydown',"
            " { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }))"
        )
        expect(composer(page)).to_have_value("no reply? jk/tmc")
        page.keyboard.press("Shift+Enter")
        page.keyboard.press("Escape")
        page.keyboard.press("Shift+?")
        expect(page.get_by_role("dialog", name="Shortcuts")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        expect(page.locator("#mine .row")).to_have_count(2)
        expect(page.get_by_role("heading", name="韩梅梅")).to_be_visible()


def test_sound_plays_in_one_tab_and_title_counts_until_messages_are_read(
    console: OpenConsole, page_factory: PageFactory, server: ChatServer
) -> None:
    first = console()
    with WireVisitor(server, name="李雷") as visitor:
        take_next(first)
        first.goto("/console/")
        second = page_factory(beside=first)
        second.goto("/console/")
        expect(second.locator("#connection")).to_have_attribute("data-status", "open")
        expect(first.locator("#connection")).to_have_attribute("data-status", "open")
        visitor.say("有人吗")
        for page in (first, second):
            expect(page).to_have_title(re.compile(r"^\(1\) "))
        rung = [page.evaluate("document.documentElement.dataset.rung ?? ''") for page in (first, second)]
        assert sorted(rung) == ["", "1"]
        second.bring_to_front()
        row(second, "李雷").click()
        for page in (first, second):
            expect(page).not_to_have_title(re.compile(r"^\("))


def test_notification_shows_name_only_and_repeats_until_read(
    console: OpenConsole, server: ChatServer
) -> None:
    page = console(permissions=["notifications"])
    page.clock.install()
    # Record notifications in an attribute of the page, so that the test can wait for them.
    page.add_init_script(
        """document.hasFocus = () => window.isLookedAt === true
        const record = text => { document.documentElement.dataset.notices =
            (document.documentElement.dataset.notices ?? "") + text + "; " }
        window.Notification = class {
            static permission = "granted"
            constructor(title, { body }) { record(`${title}: ${body}`) }
            close() { record("closed") }
        }"""
    )
    page.goto("/console/")
    notices = page.locator("html")
    with WireVisitor(server, name="李雷") as visitor:
        expect(page.locator("#connection")).to_have_attribute("data-status", "open")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="李雷")).to_be_visible()
        visitor.say("我的密码是 hunter2")
        expect(notices).to_have_attribute("data-notices", "New message: 李雷; ")
        page.clock.run_for(16_000)
        twice = "New message: 李雷; New message: 李雷; "
        expect(notices).to_have_attribute("data-notices", twice)
        page.evaluate("() => { window.isLookedAt = true; window.dispatchEvent(new Event('focus')) }")
        expect(notices).to_have_attribute("data-notices", twice + "closed; ")
        page.clock.run_for(40_000)
        expect(notices).to_have_attribute("data-notices", twice + "closed; ")


def test_alerts_move_to_another_tab_when_leading_tab_closes(
    console: OpenConsole, page_factory: PageFactory, server: ChatServer
) -> None:
    first = console()
    with WireVisitor(server, name="李雷") as visitor:
        take_next(first)
        second = page_factory(beside=first)
        second.goto("/console/")
        expect(second.locator("#connection")).to_have_attribute("data-status", "open")
        first.close()
        visitor.say("有人吗")
        expect(second.locator("html")).to_have_attribute("data-rung", "1")


def test_signing_out_in_another_tab_is_shown_and_draft_is_kept(
    console: OpenConsole, page_factory: PageFactory, server: ChatServer
) -> None:
    page = console(allow="401|403|WebSocket")
    with WireVisitor(server, name="李雷"):
        take_next(page)
        composer(page).fill("还没写完的话")
        other = page_factory(beside=page)
        other.goto("/console/replies/")
        other.get_by_role("button", name="Sign out").click()
        expect(other).to_have_url(re.compile("/login/"))
        expect(page.get_by_role("alert").filter(has_text="You are signed out")).to_be_visible()
        page.get_by_role("link", name="Sign in").click()
        page.get_by_label("User name").fill(MEI.username)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(composer(page)).to_have_value("还没写完的话")


def test_agent_sends_picture_to_visitor(console: OpenConsole, server: ChatServer) -> None:
    page = console()
    with WireVisitor(server) as visitor:
        take_next(page)
        png = page.screenshot(clip={"x": 0, "y": 0, "width": 40, "height": 30})
        page.locator("#file").set_input_files({"name": "机器.png", "mimeType": "image/png", "buffer": png})
        received = visitor.wait_for_message("机器.png")
        assert received["type"] == "attachment"
        picture = page.get_by_role("log").get_by_role("img", name="机器.png")
        expect(picture).to_be_visible()
        wait_until(page, "image => image.complete && image.naturalWidth === 40", picture.element_handle())


def test_supervisor_sees_team_and_assigns_waiting_conversation(
    console: OpenConsole, server: ChatServer, axe: Axe
) -> None:
    mei, yun = console(MEI), console(YUN)
    go_online(mei)
    with WireVisitor(server, name="李雷"), WireVisitor(server, name="韩梅梅"):
        take_next(mei)
        expect(yun.locator("#team").get_by_text("李雷")).to_be_visible()
        row(yun, "韩梅梅").click()
        yun.get_by_role("button", name="Transfer").click()
        yun.get_by_label("Transfer to", exact=True).select_option(label="Mei Lin 1001 · 1/8")
        yun.get_by_role("dialog").get_by_role("button", name="Transfer").click()
        expect(mei.locator("#mine .row")).to_have_count(2)
        expect(yun.locator("#team .row")).to_have_count(2)
        row(yun, "李雷").click()
        expect(yun.get_by_text("You can only read it")).to_be_visible()
        expect(composer(yun)).to_be_hidden()
        axe(yun)


def test_message_among_many_conversations_redraws_one_row(console: OpenConsole, server: ChatServer) -> None:
    server.run_python(
        "from tests.people import *; from accounts.models import *; from chat.models import *\n"
        "cards, loans = Department.objects.order_by('order'); site = Site.objects.get()\n"
        "mei = Staff.objects.get(username='mei'); yun = Staff.objects.get(username='yun')\n"
        "cast = Cast(site, cards, loans, mei, mei, mei, yun, yun, yun, yun, WrapUpCode.objects.get())\n"
        "[start_with(cast, mei) for _ in range(50)]; [start(cast) for _ in range(110)]",
    )  # fmt: skip
    page = console()
    expect(page.locator("#mine .row")).to_have_count(50)
    expect(page.locator("#waiting .row")).to_have_count(100)
    expect(page.get_by_text("and 10 more")).to_be_visible()
    with WireVisitor(server, name="李雷") as visitor:
        expect(page.locator("#waiting-count")).to_have_text("111")
        page.evaluate(
            """() => {
                window.touched = new Set()
                new MutationObserver(records => {
                    for (const { target, type } of records) {
                        const row = (target.closest ? target : target.parentElement).closest(".row")
                        if (row && type === "childList" && target.matches(".excerpt")) window.touched.add(row.id)
                        if (target.matches?.(".rows")) window.touched.add("a whole list")
                    }
                }).observe(document.getElementById("lists"), { childList: true, subtree: true })
            }"""
        )
        visitor.say("第一百一十一位")
        first = page.locator("#mine .row").first
        conversation = first.get_attribute("data-id")
        assert conversation
        first.click()
        composer(page).fill("您好")
        composer(page).press("Enter")
        expect(first).to_contain_text("您好")
        assert page.evaluate("[...window.touched]") == [f"row-{conversation}"]


@pytest.mark.parametrize("person", [MEI, YUN])
@pytest.mark.parametrize("path", ["/console/", "/console/approvals/", "/console/points/"])
def test_pages_are_not_wider_than_small_phone(
    page_factory: PageFactory, sign_in: SignIn, person: Person, path: str
) -> None:
    page = page_factory(locale="en", viewport=(320, 640), allow="status of 403")
    sign_in(page, person)
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_phone_shows_one_column_at_a_time(console: OpenConsole, server: ChatServer, axe: Axe) -> None:
    page = console(viewport=PHONE, allow=NETWORK_ERRORS)
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        take_next(page)
        expect(page.locator("#lists")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        axe(page)
        page.locator("[data-do=card]").click()
        expect(page.locator("#card").get_by_text("Name not verified")).to_be_visible()
        page.locator("[data-do=card]").click()
        page.get_by_role("button", name="Back to the lists").click()
        expect(page.locator("#conversation")).to_be_hidden()
        # The message about a lost connection must not make the page wider than the phone either.
        page.context.set_offline(True)
        expect(page.get_by_text("No connection.")).to_be_visible(timeout=45_000)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        expect(row(page, "李雷")).to_be_visible()
        axe(page)


def test_search_result_opens_conversation_at_the_message(
    console: OpenConsole, server: ChatServer, axe: Axe
) -> None:
    page = console()
    with WireVisitor(server, name="李雷") as visitor:
        take_next(page)
        server.run_python(
        "from tests.people import say; from chat.models import Conversation\n"
            f"conversation = Conversation.objects.get(uuid='{visitor.conversation}')\n"
            "[say(conversation, f'第{index}句话' if index != 7 else '押金天亮前要交') for index in range(80)]",
        )  # fmt: skip
        page.goto("/console/search")
        page.get_by_label("Keywords").fill("天亮")
        page.keyboard.press("Enter")
        expect(page.locator("mark")).to_have_text("天亮")
        axe(page)
        assert "%" not in page.url
        page.locator(".hits a").click()
        expect(page.get_by_text("押金天亮前要交")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_pages_have_no_axe_violations(
    page_factory: PageFactory, sign_in: SignIn, axe: Axe, screenshot: Screenshot, scheme: Any, locale: str
) -> None:
    page = page_factory(color_scheme=scheme, locale=locale)
    page.goto("/console/login/")
    axe(page)
    screenshot(page, f"console-login-{scheme}-{locale}")
    sign_in(page, MEI)
    for name in ("", "search", "replies/", "replies/new"):
        page.goto(f"/console/{name}")
        axe(page)
    page.goto("/console/")
    page.keyboard.press("Shift+?")
    axe(page)
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    axe(page)


def test_refused_watch_is_repeated(page_factory: PageFactory, sign_in: SignIn, server: ChatServer) -> None:
    """Check that the page repeats a watch frame that was refused because of a brief database outage.

    The refusal does not close the socket, so no reconnect repeats the frame. The page watches another agent's
    conversation.
    """
    watches: list[str] = []

    def refuse_first_watch(route: WebSocketRoute) -> None:
        upstream = route.connect_to_server()

        def forward(text: str | bytes) -> None:
            if json.loads(text)["kind"] == "watch":
                watches.append(str(text))
                if len(watches) == 1:
                    refused = {"kind": "refused", "code": "unavailable", "words": "-", "retry_after_ms": 50}
                    route.send(json.dumps(refused))
                    return
            upstream.send(text)

        route.on_message(forward)

    page = page_factory(locale="en")
    page.route_web_socket(re.compile("/ws/console/"), refuse_first_watch)
    sign_in(page, HAO)
    with WireAgent(server) as mei, WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        mei.take_next()
        page.goto(f"/console/conversations/{visitor.conversation}/")
        expect(page.get_by_role("log").get_by_text("我的卡被吞了")).to_be_visible()
        visitor.say("还在吗")
        expect(page.get_by_role("log").get_by_text("还在吗")).to_be_visible()


def test_days_are_named_by_server_clock_and_renamed_after_midnight(
    page_factory: PageFactory, sign_in: SignIn, server: ChatServer
) -> None:
    page = page_factory(locale="en")
    page.add_init_script(CLOCK_A_DAY_FAST)
    days_later = 0

    def answer_later(route: Route) -> None:
        answer = route.fetch().json()
        route.fulfill(json={**answer, "now": answer["now"] + days_later * DAY_MS})

    page.route("**/console/clock", answer_later)
    sign_in(page, MEI)
    page.goto("/console/")
    with WireVisitor(server, name="李雷") as visitor:
        visitor.say("我的卡被吞了")
        take_next(page)
        day = page.locator("#messages .day")
        expect(day).to_have_text("Today")
        days_later = 1
        page.evaluate("() => dispatchEvent(new Event('focus'))")
        expect(day).to_have_text("Yesterday")
        days_later = 3
        page.evaluate("() => dispatchEvent(new Event('focus'))")
        expect(day).to_have_text(re.compile(r"^\w+day, "))


@pytest.mark.parametrize("width", [1280, 1440])
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_placeholder_of_knowledge_search_fits(
    console: OpenConsole, server: ChatServer, width: int, locale: str
) -> None:
    page = console(locale=locale, viewport=(width, 900))
    with WireVisitor(server, name="李雷"):
        page.keyboard.press("n")
        field = page.locator("#points-q")
        expect(field).to_be_visible()
        # Chromium does not report the width of a placeholder: measure the same text as a value.
        field.evaluate("field => { field.value = field.placeholder }")
        text_width, field_width = field.evaluate("field => [field.scrollWidth, field.clientWidth]")
        assert text_width <= field_width
