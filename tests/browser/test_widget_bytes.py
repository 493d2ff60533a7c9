"""Browser tests of the number of bytes that a visitor downloads for the widget, measured on real responses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Response

from tests.browser.conftest import ChatServer, HostPage, PageFactory
from tests.browser.waiting import wait_until
from tests.browser.widget import Widget

HOST_PAGE_BYTES = 3 * 1000
WIDGET_BYTES = 20 * 1000


@pytest.fixture
def suggestions(server: ChatServer) -> Iterator[None]:
    """Switch suggestions on during the test."""
    with server.site_setting("suggests_answers", True):
        yield


@pytest.mark.usefixtures("suggestions")
def test_loader_and_widget_stay_within_byte_budgets(
    page_factory: PageFactory, host_page: HostPage, server: ChatServer
) -> None:
    page = page_factory()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer) if answer.url.startswith(server.url) else None)
    page.goto(host_page.url())
    wait_until(page, "Boolean(window.Lianxin)")
    page.wait_for_load_state("networkidle")
    before = bytes_of(answers)
    assert set(before) == {"/widget.js", "/widget/qinglan/look.js"}
    assert sum(before.values()) <= HOST_PAGE_BYTES, before

    answers.clear()
    widget = Widget(page)
    # The page has already reached "networkidle", so wait for the response that comes last instead.
    with page.expect_response("**/answers"):
        widget.send("你好")
    after = bytes_of(answers)
    # The sizes of the bank's suggested answers and of messages do not count.
    assert after.pop("/widget/qinglan/answers")
    assert len(after) == 3, after
    assert sum(after.values()) <= WIDGET_BYTES, after
    print(
        f"on the bank's page {sum(before.values())} bytes, after opening {sum(after.values())}: {before | after}"
    )


def bytes_of(answers: list[Response]) -> dict[str, int]:
    """Return a dict from each path to the size of its response body as it was sent (compressed)."""
    sizes = {}
    for answer in answers:
        answer.finished()
        path = answer.url.split("/", 3)[3].split("?")[0]
        sizes[f"/{path}"] = answer.request.sizes()["responseBodySize"]
    return sizes
