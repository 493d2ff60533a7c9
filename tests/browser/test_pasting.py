"""What is pasted, dropped and chosen: words stay words, pasted pictures are shown first, and every file arrives."""

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
from tests.browser.widget import Box
from tests.people import MEI

# A clipboard, or what is being dragged, as a browser hands it over.
HAND_OVER = """(field, {kind, text, html, files}) => {
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


def hand_over(
    target: Locator, kind: str, *, text: str = "", html: str = "", files: tuple[dict[str, Any], ...] = ()
) -> bool:
    """Paste or drop on an element; whether the page has dealt with it itself."""
    given = {"kind": kind, "text": text, "html": html, "files": list(files)}
    return bool(target.evaluate(HAND_OVER, given))


def stored(server: ChatServer) -> int:
    ((count,),) = server.execute("SELECT count(*) FROM chat_attachment")
    return int(count)


class Side:
    """The box or the console, as far as both are the same here."""

    def __init__(self, where: Page | Frame, text: str, log: str, send: str, cancel: str) -> None:
        self.text = where.locator(text)
        self.pictures = where.locator(f"{log} .picture img")
        self.pasted = where.locator("#pasted")
        self.send = self.pasted.get_by_role("button", name=send)
        self.cancel = self.pasted.get_by_role("button", name=cancel)
        self.file = where.locator("#file")
        self.beside = where.locator(log)


@pytest.fixture(params=["box", "console"])
def side(
    request: pytest.FixtureRequest,
    page_factory: PageFactory,
    server: ChatServer,
    host_page: HostPage,
    sign_in: SignIn,
) -> Any:
    page = page_factory(locale="en", allow=NETWORK_ERRORS + "|429")
    if request.param == "box":
        box = Box(page, host_page.url(language="en"))
        with WireAgent(server):
            box.says("hello")
            yield Side(box.frame, "#text", "#log", "Send", "Cancel")
        return
    sign_in(page, MEI)
    page.goto("/console/")
    with WireVisitor(server, name="李雷"):
        expect(page.locator("#waiting .row")).to_have_count(1)
        page.keyboard.press("n")
        expect(page.locator("#body")).to_be_focused()
        yield Side(page, "#body", "#messages", "Send", "Cancel")


def test_pasted_cells_are_words_and_pasted_pictures_wait_for_a_press(side: Side, server: ChatServer) -> None:
    # The browser itself puts the words in.
    assert not hand_over(side.text, "paste", text="6222\t张三\n", html="<table>", files=(png(),))
    expect(side.pasted).to_be_hidden()

    assert hand_over(side.text, "paste", files=(png(),))
    expect(side.pasted.get_by_role("img", name="图.png")).to_be_visible()
    side.cancel.click()
    expect(side.pasted).to_be_hidden()
    assert stored(server) == 0

    assert hand_over(side.text, "paste", text="图.png", files=(png(),)), "as a file manager copies it"
    side.send.click()
    expect(side.pictures).to_have_count(1)
    assert stored(server) == 1


def test_dropped_words_go_into_the_message_and_dropped_files_are_sent(side: Side, server: ChatServer) -> None:
    side.text.fill("您好")
    # On the field the browser does it.
    assert not hand_over(side.text, "drop", text="，请看")
    # Beside it, we do.
    assert hand_over(side.beside, "drop", text="https://www.bank.example/", files=(png(),))
    expect(side.text).to_have_value("您好https://www.bank.example/")
    assert stored(server) == 0
    assert hand_over(side.beside, "drop", files=(png(), png("#000", "二.png")))
    expect(side.pictures).to_have_count(2)


def test_nine_pictures_chosen_at_once_all_arrive_in_order(side: Side, server: ChatServer) -> None:
    pictures = [png(name=f"{number}.png") for number in range(1, 10)]
    chosen: list[FilePayload] = [
        {"name": one["name"], "mimeType": one["type"], "buffer": base64.b64decode(one["data"])}
        for one in pictures
    ]
    side.file.set_input_files(chosen)
    expect(side.pictures).to_have_count(9, timeout=60_000)
    assert [image.get_attribute("alt") for image in side.pictures.all()] == [one["name"] for one in pictures]
    assert stored(server) == 9


def test_a_picture_that_was_lost_on_the_way_is_sent_again_and_can_be_taken_back(
    side: Side, server: ChatServer
) -> None:
    where = side.text.page
    lost: list[Route] = []

    def lose(route: Route) -> None:
        lost.append(route)
        route.abort()

    where.route("**/attachments", lose)
    hand_over(side.beside, "drop", files=(png(name="一.png"), png("#000", "二.png")))
    frame = side.text.element_handle().owner_frame()
    assert frame
    expect(frame.locator("progress")).to_have_count(2)
    frame.get_by_role("button", name="Cancel").last.click()
    expect(frame.locator("progress")).to_have_count(1)
    where.unroute("**/attachments", lose)
    expect(side.pictures).to_have_count(1, timeout=60_000)
    expect(side.pictures).to_have_attribute("alt", re.compile("一.png"))
    assert lost
    assert stored(server) == 1
