"""A widget on a bank page and a console in real Chromium. Their screens are read from the DOM."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from typing import TYPE_CHECKING

from playwright.async_api import Browser, BrowserContext, Error, Frame, Page, Playwright, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeout

from tests.browser.conftest import LIKE_CHROME
from tests.browser.widget import OPEN_SHADOWS

if TYPE_CHECKING:
    from tests.faults.scenario import Scenario

Rows = list[tuple[int, str]]

# Returns conversation, seq and text of every message that has a seq. Messages without a seq are not accepted yet.
READ_MESSAGES = """selector => [...document.querySelectorAll(selector)].map((element) => [
  element.id.slice("message-".length, "message-".length + 36), Number(element.dataset.seq),
  (element.querySelector(".body") ?? element).textContent])"""
# Returns the number of messages that are neither accepted nor refused for good.
PENDING = """() => [...document.querySelectorAll("#unplaced > *, #pending > *")]
  .filter((element) => !element.querySelector(".error, .refusal")).length"""
TIMEOUT_MS = 30_000
COMPOSER_TIMEOUT_MS = 2_000


class Browsers:
    """One visitor and one agent in Chromium. Both write from time to time, and their pages are read
    repeatedly."""

    def __init__(self, scenario: Scenario, rng: random.Random) -> None:
        self.scenario = scenario
        self.is_over = False
        self._rng = rng
        self._playwright: Playwright
        self._browser: Browser
        self._contexts: list[BrowserContext] = []
        self._widget_page: Page
        self._console: Page
        self._senders: dict[str, str] = {}
        self._shown: dict[str, tuple[str, Rows]] = {}
        self._pending: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._begun: set[str] = set()
        self._acked: set[str] = set()

    async def open(self) -> None:
        program = next(
            (
                path
                for name in ("chromium", "chromium-browser", "google-chrome")
                if (path := shutil.which(name))
            ),
            os.environ.get("CHROMIUM", ""),
        )
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", LIKE_CHROME]
        )
        self._widget_page = await self._page(720)
        self._console = await self._page(1440)
        session = self.scenario.bank.staff["hao"]["sessions"][0]
        await self._console.context.add_cookies(
            [{"name": "sessionid", "value": session, "url": self.scenario.url}]
        )
        await self._open_widget()
        await self._open_console()
        self._tasks = [
            self.scenario.spawn(self._write_in_widget()),
            self.scenario.spawn(self._write_in_console()),
        ]

    async def _page(self, width: int) -> Page:
        context = await self._browser.new_context(
            viewport={"width": width, "height": 900}, locale="zh-CN", base_url=self.scenario.url
        )
        context.set_default_timeout(TIMEOUT_MS)
        await context.add_init_script(OPEN_SHADOWS)
        self._contexts.append(context)
        return await context.new_page()

    async def _open_widget(self) -> None:
        await self._widget_page.goto(self.scenario.widget_page_url)
        await self._widget_page.wait_for_function("() => window.Lianxin")
        await self._widget_page.evaluate("() => Lianxin.open()")
        # The iframe is visible before its content has loaded, so wait for an element inside it.
        await self._widget_page.frame_locator("iframe").locator("#text").wait_for()

    @property
    def _widget_frame(self) -> Frame | None:
        return next((frame for frame in self._widget_page.frames if "/widget/" in frame.url), None)

    async def _open_console(self) -> None:
        await self._console.goto("/console/")
        await self._console.locator('#connection[data-status="open"]').wait_for(state="attached")
        await self._console.keyboard.press("p")
        await self._console.locator('#presences button[data-status="online"]').click()

    # -- writing -----------------------------------------------------------------------------------------------

    async def _write_in_widget(self) -> None:
        number = 0
        while not self.is_over:
            frame = self._widget_frame
            assert frame is not None
            text = frame.locator("#text")
            number += 1
            text_sent = f"widget·{number} {self.scenario.random_text(self._rng)}"
            conv, _ = self._shown.get("widget", ("", []))
            self.scenario.history.append(
                "send", who="widget", role="visitor", conv=conv, id=None, body=text_sent, connection=0
            )
            self._senders[text_sent] = "widget"
            await text.fill(text_sent)
            await text.press("Enter")
            # Wait until the last message is accepted, as a person would, so that unaccepted messages do not pile up.
            for _ in range(40):
                await self._read_page("widget", frame, "#log .message[data-seq]")
                if text_sent in self._acked:
                    break
                await asyncio.sleep(0.25)
            await asyncio.sleep(self._rng.uniform(0.3, 1.0))

    async def _write_in_console(self) -> None:
        number = 0
        page = self._console
        while not self.is_over:
            await self._read_page("console", page.main_frame, "#messages .message[data-seq]")
            if not await page.locator("#composer").is_visible():
                if await page.locator("#take-next").is_enabled():
                    await page.locator("#take-next").click()
                await asyncio.sleep(0.5)
                continue
            number += 1
            text_sent = f"console·{number} {self.scenario.random_text(self._rng)}"
            conv = await page.evaluate(
                "() => document.querySelector('#messages .message')?.id.slice(8, 44) ?? ''"
            )
            if not conv:
                await asyncio.sleep(0.2)
                continue
            try:
                await page.locator("#body").fill(text_sent, timeout=COMPOSER_TIMEOUT_MS)
                self.scenario.history.append(
                    "send", who="hao", role="agent", conv=conv, id=None, body=text_sent, connection=0
                )
                self._senders[text_sent] = "hao"
                await page.locator("#body").press("Enter", timeout=COMPOSER_TIMEOUT_MS)
            except PlaywrightTimeout:
                # The conversation has ended meanwhile, so its composer is hidden.
                continue
            await asyncio.sleep(self._rng.uniform(0.5, 1.5))

    # -- reading -----------------------------------------------------------------------------------------------

    async def _read_page(self, who: str, frame: Frame, selector: str) -> None:
        messages = await frame.evaluate(READ_MESSAGES, selector)
        self._pending[who] = await frame.evaluate(PENDING)
        if not messages:
            return
        conv = messages[0][0]
        rows: Rows = [(seq, text) for _, seq, text in messages]
        history = self.scenario.history
        if conv not in self._begun and who == "widget":
            self._begun.add(conv)
            history.append("begin", who="widget", conv=conv, department="cards")
        self._shown[who] = conv, rows
        history.append("dom", who=who, role="visitor" if who == "widget" else "agent", conv=conv, rows=rows)
        for seq, text in rows:
            if text in self._senders and text not in self._acked:
                self._acked.add(text)
                history.append("ack", who=self._senders[text], conv=conv, id=None, body=text, seq=seq)

    @property
    def is_settled(self) -> bool:
        """Whether both the visitor and the agent have stopped writing."""
        return all(task.done() for task in self._tasks)

    def shows(self, heads: dict[str, int]) -> bool:
        """Whether both pages showed all stored messages, and no unsent one, when they were last checked. Also starts
        the next check."""
        self.scenario.spawn(self.read_pages())
        return all(
            heads.get(conv) == (rows[-1][0] if rows else 0) for conv, rows in self._shown.values()
        ) and not any(self._pending.values())

    async def read_pages(self) -> None:
        if self._widget_frame is not None:
            await self._read_page("widget", self._widget_frame, "#log .message[data-seq]")
        await self._read_page("console", self._console.main_frame, "#messages .message[data-seq]")

    async def read(self) -> None:
        await self.read_pages()
        for who, (conv, rows) in self._shown.items():
            role = "visitor" if who == "widget" else "agent"
            self.scenario.history.append(
                "read",
                who=f"{who} page",
                role=role,
                conv=conv,
                rows=[[seq, None, text] for seq, text in rows],
            )

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            for context in self._contexts:
                await context.close()
            await self._browser.close()
        except Error:
            pass
        await self._playwright.stop()
