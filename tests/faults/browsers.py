"""A box on a bank's page and a console, in real Chromium: what they show is read from their elements."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from typing import TYPE_CHECKING

from playwright.async_api import Browser, BrowserContext, Error, Frame, Page, Playwright, async_playwright

from tests.browser.conftest import LIKE_CHROME
from tests.browser.widget import OPEN_SHADOWS

if TYPE_CHECKING:
    from tests.faults.world import World

Rows = list[tuple[int, str]]

# seq and text of every message that has a number: the others are not accepted yet.
READ = """selector => [...document.querySelectorAll(selector)].map((each) => [
  each.id.slice("message-".length, "message-".length + 36), Number(each.dataset.seq),
  (each.querySelector(".body") ?? each).textContent])"""
# What is neither accepted nor refused for good.
PENDING = """() => [...document.querySelectorAll("#unplaced > *, #pending > *")]
  .filter((each) => !each.querySelector(".error, .refusal")).length"""
PATIENCE_MS = 30_000


class Browsers:
    """One visitor and one agent. Each writes now and then, and is read again and again."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.is_over = False
        self._chance = chance
        self._playwright: Playwright
        self._browser: Browser
        self._contexts: list[BrowserContext] = []
        self._box_page: Page
        self._console: Page
        self._said: dict[str, str] = {}
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
        self._box_page = await self._page(720)
        self._console = await self._page(1440)
        session = self.world.bank.staff["hao"]["sessions"][0]
        await self._console.context.add_cookies(
            [{"name": "sessionid", "value": session, "url": self.world.url}]
        )
        await self._open_box()
        await self._open_console()
        self._tasks = [self.world.spawn(self._write_in_box()), self.world.spawn(self._write_in_console())]

    async def _page(self, width: int) -> Page:
        context = await self._browser.new_context(
            viewport={"width": width, "height": 900}, locale="zh-CN", base_url=self.world.url
        )
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(OPEN_SHADOWS)
        self._contexts.append(context)
        return await context.new_page()

    async def _open_box(self) -> None:
        await self._box_page.goto(self.world.box_url)
        await self._box_page.wait_for_function("() => window.Lianxin")
        await self._box_page.evaluate("() => Lianxin.open()")
        # The frame shows itself by its element; what it has loaded, by what is in it.
        await self._box_page.frame_locator("iframe").locator("#text").wait_for()

    @property
    def _box_frame(self) -> Frame | None:
        return next((frame for frame in self._box_page.frames if "/widget/" in frame.url), None)

    async def _open_console(self) -> None:
        await self._console.goto("/console/")
        await self._console.locator('#line[data-status="open"]').wait_for(state="attached")
        await self._console.keyboard.press("p")
        await self._console.locator('#presences button[data-status="online"]').click()

    # -- writing -----------------------------------------------------------------------------------------------

    async def _write_in_box(self) -> None:
        number = 0
        while not self.is_over:
            frame = self._box_frame
            assert frame is not None
            text = frame.locator("#text")
            number += 1
            words = f"box·{number} {self.world.words(self._chance)}"
            conv, _ = self._shown.get("box", ("", []))
            self.world.history.note("send", who="box", role="visitor", conv=conv, id=None, body=words, line=0)
            self._said[words] = "box"
            await text.fill(words)
            await text.press("Enter")
            # Not a flood of what is not accepted yet: a person looks whether it was sent.
            for _ in range(40):
                await self._look("box", frame, "#log .message[data-seq]")
                if words in self._acked:
                    break
                await asyncio.sleep(0.25)
            await asyncio.sleep(self._chance.uniform(0.3, 1.0))

    async def _write_in_console(self) -> None:
        number = 0
        page = self._console
        while not self.is_over:
            await self._look("console", page.main_frame, "#messages .message[data-seq]")
            if not await page.locator("#composer").is_visible():
                if await page.locator("#take-next").is_enabled():
                    await page.locator("#take-next").click()
                await asyncio.sleep(0.5)
                continue
            number += 1
            words = f"console·{number} {self.world.words(self._chance)}"
            conv = await page.evaluate(
                "() => document.querySelector('#messages .message')?.id.slice(8, 44) ?? ''"
            )
            if not conv:
                await asyncio.sleep(0.2)
                continue
            self.world.history.note("send", who="hao", role="agent", conv=conv, id=None, body=words, line=0)
            self._said[words] = "hao"
            await page.locator("#body").fill(words)
            await page.locator("#body").press("Enter")
            await asyncio.sleep(self._chance.uniform(0.5, 1.5))

    # -- reading -----------------------------------------------------------------------------------------------

    async def _look(self, who: str, frame: Frame, selector: str) -> None:
        found = await frame.evaluate(READ, selector)
        self._pending[who] = await frame.evaluate(PENDING)
        if not found:
            return
        conv = found[0][0]
        rows: Rows = [(seq, text) for _, seq, text in found]
        history = self.world.history
        if conv not in self._begun and who == "box":
            self._begun.add(conv)
            history.note("begin", who="box", conv=conv, department="cards")
        self._shown[who] = conv, rows
        history.note("dom", who=who, role="visitor" if who == "box" else "agent", conv=conv, rows=rows)
        for seq, text in rows:
            if text in self._said and text not in self._acked:
                self._acked.add(text)
                history.note("ack", who=self._said[text], conv=conv, id=None, body=text, seq=seq)

    @property
    def is_settled(self) -> bool:
        """Whether what both have written stands among the numbered messages."""
        return all(task.done() for task in self._tasks)

    def shows(self, heads: dict[str, int]) -> bool:
        """Looks again for the next time it is asked."""
        self.world.spawn(self.look())
        return all(
            heads.get(conv) == (rows[-1][0] if rows else 0) for conv, rows in self._shown.values()
        ) and not any(self._pending.values())

    async def look(self) -> None:
        if self._box_frame is not None:
            await self._look("box", self._box_frame, "#log .message[data-seq]")
        await self._look("console", self._console.main_frame, "#messages .message[data-seq]")

    async def read(self) -> None:
        await self.look()
        for who, (conv, rows) in self._shown.items():
            role = "visitor" if who == "box" else "agent"
            self.world.history.note(
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
