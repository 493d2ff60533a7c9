"""Page object of the widget on a bank's page."""

from __future__ import annotations

from playwright.sync_api import Frame, Locator, Page, expect

from tests.browser.waiting import wait_until

# Makes every shadow root open. The launcher's is closed otherwise, and locators could not reach into it.
OPEN_SHADOWS = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (options) { return attach.call(this, { ...options, mode: "open" }) };
"""


class Widget:
    """The widget on the page at `url`. It is opened at once; with `is_open=False` only its loader is loaded."""

    def __init__(self, page: Page, url: str = "", *, is_open: bool = True) -> None:
        self.page = page
        if url:
            page.goto(url)
        wait_until(page, "Boolean(window.Lianxin)")
        if is_open:
            page.evaluate("() => Lianxin.open()")
            expect(self.frame.locator("body[data-stage]")).to_be_attached()
            expect(self.text).to_be_visible()

    @property
    def frame(self) -> Frame:
        return self._frame or self._wait_for_frame()

    @property
    def _frame(self) -> Frame | None:
        return next((frame for frame in self.page.frames if "/widget/" in frame.url), None)

    def _wait_for_frame(self) -> Frame:
        self.page.wait_for_event("framenavigated", lambda frame: "/widget/" in frame.url)
        assert self._frame
        return self._frame

    @property
    def text(self) -> Locator:
        return self.frame.locator("#text")

    @property
    def log(self) -> Locator:
        # The log has no ARIA role while the widget is closed, so locate it by its id.
        return self.frame.locator("#log")

    @property
    def status_line(self) -> Locator:
        return self.frame.locator("#status-line")

    def write(self, body: str) -> None:
        """Type a message and press Enter."""
        self.text.fill(body)
        self.text.press("Enter")

    def send(self, body: str) -> None:
        """Write a message and wait until it is in the log, which means that it is stored."""
        self.write(body)
        expect(self.log.get_by_text(body)).to_be_visible()

    def own_message(self, text: str) -> Locator:
        return self.frame.locator(".message.mine").filter(has_text=text)

    def stored_items(self) -> dict[str, str]:
        """Return the items of the widget in the frame's local and session storage."""
        items: dict[str, str] = self.frame.evaluate(
            """() => Object.fromEntries([localStorage, sessionStorage].flatMap((storage) => Object.entries(storage))
                .filter(([key]) => key.startsWith("lianxin.")))"""
        )
        return items
