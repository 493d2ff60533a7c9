"""Browser tests of pasting, dropping and choosing files.

Text is inserted, pasted pictures are previewed, and every file is uploaded.
"""

from __future__ import annotations

import base64
import re
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Frame, Locator, Page, Route, expect

from tests.browser.agent import WireAgent
from tests.browser.conftest import NETWORK_ERRORS, ChatServer, HostPage, PageFactory, SignIn
from tests.browser.visitor import WireVisitor
from tests.browser.widget import Widget
from tests.people import MEI

# Dispatches a paste or drop event as a browser does; returns whether the page prevented the default.
DISPATCH = """(field, {kind, text, html, files}) => {
    const transfer = new DataTransfer()
    if (text) transfer.setData("text/plain", text)
    if (html) transfer.setData("text/html", html)
    for (const {name, type, data} of files) {
        const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0))
        transfer.items.add(new File([bytes], name, {type}))
    }
    const options = {bubbles: true, cancelable: true, clipboardData: transfer, dataTransfer: transfer}
    const event = kind === "paste" ? new ClipboardEvent(kind, options) : new DragEvent(kind, options)
    return !field.dispatchEvent(event)
}"""


def png(colour: str = "#8fc0aa", name: str = "图.png") -> dict[str, Any]:
    data = BytesIO()
    Image.new("RGB", (40, 30), colour).save(data, "PNG")
    return {"name": name, "type": "image/png", "data": base64.b64encode(data.getvalue()).decode()}


def dispatch(
    target: Locator, kind: str, *, text: str = "", html: str = "", files: tuple[dict[str, Any], ...] = ()
) -> bool:
    """Dispatch a paste or drop event on an element. Return whether the page handled the event itself."""
    transfer = {"kind": kind, "text": text, "html": html, "files": list(files)}
    return bool(target.evaluate(DISPATCH, transfer))


def stored_attachments(server: ChatServer) -> int:
    ((count,),) = server.execute("SELECT count(*) FROM chat_attachment")
    return int(count)


class ChatPage:
    """Locators of the composer and the messages, in the widget or in the console. Both behave alike in these tests."""

    def __init__(self, where: Page | Frame, text: str, log: str, send: str, cancel: str) -> None:
        self.text = where.locator(text)
        self.pictures = where.locator(f"{log} .picture img")
        self.preview = where.locator("#pasted")
        self.send = self.preview.get_by_role("button", name=send)
        self.cancel = self.preview.get_by_role("button", name=cancel)
        self.file = where.locator("#file")
        self.log = where.locator(log)


@pytest.fixture(params=["widget", "console"])
def chat_page(
    request: pytest.FixtureRequest,
    page_factory: PageFactory,
    server: ChatServer,
    host_page: HostPage,
    sign_in: SignIn,
) -> Any:
    page = page_factory(locale="en", allow=NETWORK_ERRORS + "|429")
    if request.param == "widget":
        widget = Widget(page, host_page.url(language="en"))
        with WireAgent(server):
            widget.send("hello")
            yield ChatPage(widget.frame, "#text", "#log", "Send", "Cancel")
        return
    sign_in(page, MEI)
    page.goto("/console/")
    with WireVisitor(server, name="李雷"):
        expect(page.locator("#waiting .row")).to_have_count(1)
        page.keyboard.press("n")
        expect(page.locator("#body")).to_be_focused()
        yield ChatPage(page, "#body", "#messages", "Send", "Cancel")


def test_pasted_text_is_inserted_and_a_pasted_picture_waits_for_confirmation(
    chat_page: ChatPage, server: ChatServer
) -> None:
    # The browser itself inserts the text, so the page does not prevent the default.
    assert not dispatch(chat_page.text, "paste", text="6222\t张三\n", html="<table>", files=(png(),))
    expect(chat_page.preview).to_be_hidden()

    assert dispatch(chat_page.text, "paste", files=(png(),))
    expect(chat_page.preview.get_by_role("img", name="图.png")).to_be_visible()
    chat_page.cancel.click()
    expect(chat_page.preview).to_be_hidden()
    assert stored_attachments(server) == 0

    assert dispatch(chat_page.text, "paste", text="图.png", files=(png(),)), (
        "a file manager adds the name as text"
    )
    chat_page.send.click()
    expect(chat_page.pictures).to_have_count(1)
    assert stored_attachments(server) == 1


def test_dropped_text_is_inserted_and_dropped_files_are_sent(chat_page: ChatPage, server: ChatServer) -> None:
    chat_page.text.fill("您好")
    # Text dropped on the field is inserted by the browser.
    assert not dispatch(chat_page.text, "drop", text="，请看")
    # Text dropped beside the field is inserted by the page.
    assert dispatch(chat_page.log, "drop", text="https://www.bank.example/", files=(png(),))
    expect(chat_page.text).to_have_value("您好https://www.bank.example/")
    assert stored_attachments(server) == 0
    assert dispatch(chat_page.log, "drop", files=(png(), png("#000", "二.png")))
    expect(chat_page.pictures).to_have_count(2)


def test_nine_pictures_chosen_at_once_arrive_in_order(chat_page: ChatPage, server: ChatServer) -> None:
    pictures = [png(name=f"{number}.png") for number in range(1, 10)]
    chosen: list[FilePayload] = [
        {"name": picture["name"], "mimeType": picture["type"], "buffer": base64.b64decode(picture["data"])}
        for picture in pictures
    ]
    chat_page.file.set_input_files(chosen)
    expect(chat_page.pictures).to_have_count(9, timeout=60_000)
    assert [image.get_attribute("alt") for image in chat_page.pictures.all()] == [
        picture["name"] for picture in pictures
    ]
    assert stored_attachments(server) == 9


def test_upload_that_fails_is_retried_and_can_be_cancelled(chat_page: ChatPage, server: ChatServer) -> None:
    where = chat_page.text.page
    aborted: list[Route] = []

    def lose(route: Route) -> None:
        aborted.append(route)
        route.abort()

    where.route("**/attachments", lose)
    dispatch(chat_page.log, "drop", files=(png(name="一.png"), png("#000", "二.png")))
    frame = chat_page.text.element_handle().owner_frame()
    assert frame
    expect(frame.locator("progress")).to_have_count(2)
    frame.get_by_role("button", name="Cancel").last.click()
    expect(frame.locator("progress")).to_have_count(1)
    where.unroute("**/attachments", lose)
    expect(chat_page.pictures).to_have_count(1, timeout=60_000)
    expect(chat_page.pictures).to_have_attribute("alt", re.compile("一.png"))
    assert aborted
    assert stored_attachments(server) == 1
