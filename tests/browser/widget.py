"""The box on a bank's page, as a test handles it."""

from __future__ import annotations

from playwright.sync_api import Frame, Locator, Page, expect

from tests.browser.waiting import wait_until

# The launcher stands in a closed shadow root, which no script of the page and no locator looks into.
OPEN_SHADOWS = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (options) { return attach.call(this, { ...options, mode: "open" }) };
"""


class Box:
    """Opens the box of the page at `url`; with `is_open=False` only waits for its launcher."""

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
        return self._frame or self._wait()

    @property
    def _frame(self) -> Frame | None:
        return next((frame for frame in self.page.frames if "/widget/" in frame.url), None)

    def _wait(self) -> Frame:
        self.page.wait_for_event("framenavigated", lambda frame: "/widget/" in frame.url)
        assert self._frame
        return self._frame

    @property
    def text(self) -> Locator:
        return self.frame.locator("#text")

    @property
    def log(self) -> Locator:
        # Not by its role: while the box is folded, nothing in it has one.
        return self.frame.locator("#log")

    @property
    def line(self) -> Locator:
        return self.frame.locator("#line")

    def write(self, words: str) -> None:
        self.text.fill(words)
        self.text.press("Enter")

    def says(self, words: str) -> None:
        """Writes, and waits until it stands in the log: then it is stored."""
        self.write(words)
        expect(self.log.get_by_text(words)).to_be_visible()

    def mine(self, words: str) -> Locator:
        return self.frame.locator(".message.mine").filter(has_text=words)

    def kept(self) -> dict[str, str]:
        """What the frame keeps in this browser."""
        found: dict[str, str] = self.frame.evaluate(
            """() => Object.fromEntries([localStorage, sessionStorage].flatMap((storage) => Object.entries(storage))
                .filter(([key]) => key.startsWith("lianxin.")))"""
        )
        return found
