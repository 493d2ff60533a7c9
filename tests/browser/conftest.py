"""What browser tests are played with: a server with the cast, pages of a real Chromium, a bank's page.

    def test_a_visitor_writes(page_factory: PageFactory, host_page: HostPage) -> None:
        page = page_factory(viewport=PHONE, locale="en")
        page.goto(host_page.url(language="en"))

A page that logs an error, breaks a content security policy or throws fails its test; what a test provokes it
names in `allow`. Nothing here may touch Django's ORM: Playwright's event loop runs in this thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import psycopg
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Frame,
    Page,
    expect,
    sync_playwright,
)

from tests.browser.bank_page import BankPage
from tests.browser.waiting import wait_until
from tests.harness.servers import AppServer, create_database
from tests.harness.servers.process import ROOT
from tests.people import MEI, Person

SCREENSHOTS = ROOT / "var" / "screenshots"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

Viewport = tuple[int, int]
DESKTOP: Viewport = (1440, 900)
PHONE: Viewport = (390, 844)
# What a browser logs while its network is away. For `allow`.
NETWORK_ERRORS = r"net::ERR_|WebSocket connection to|status of 50[234]"

DAY_MS = 86_400_000
# For `page.add_init_script`: the machine's clock is wrong by a day.
CLOCK_A_DAY_FAST = f"""
const Clock = Date;
Date = class extends Clock {{
  constructor(...given) {{ super(...(given.length ? given : [Clock.now() + {DAY_MS}])) }}
  static now() {{ return Clock.now() + {DAY_MS} }}
}};
const origin = performance.timeOrigin;
Object.defineProperty(Performance.prototype, "timeOrigin", {{ get: () => origin + {DAY_MS} }});
"""
# In place of Playwright's own list: it switches off the partitions in which a browser keeps the storage of a frame
# from another site, and then denies the frame any.
LIKE_CHROME = "--disable-features=HttpsUpgrades,PaintHolding,MediaRouter,OptimizationHints"
# Two cores, and a server and two browsers on them.
expect.set_options(timeout=20_000)

SESSIONS_EACH = 160
LOAD = """
import json
from tests.people import PASSWORD, PEOPLE, create_cast, session_of
cast = create_cast(origins={origins!r}, password=PASSWORD)
people = [getattr(cast, person.username) for person in PEOPLE]
print("loaded", json.dumps({{staff.username: [session_of(staff) for _ in range({each})] for staff in people}}))
"""
# In an order that foreign keys allow.
TABLES_OF_A_TEST = (
    "knowledge_use",
    "knowledge_unansweredquestionexample",
    "knowledge_unansweredquestion",
    "chat_rating",
    "chat_assignment",
    "chat_attachment",
    "chat_note",
    "chat_message",
    "chat_conversation",
    "chat_visitor",
    "chat_identityuse",
    "accounts_queuerestriction",
    "exams_appeal",
    "exams_paperitem",
    "exams_paper",
    "exams_drillcard",
    "exams_drilloffer",
    "exams_examshare",
    "exams_exam_departments",
    "exams_exam",
    "exams_question",
    "accounts_presence",
    "accounts_auditentry",
    "accounts_approvalrequest_authors",
    "accounts_approvalrequest",
    "accounts_authorship",
)


class ChatServer(AppServer):
    """Lianxin with the cast in its database: on the PostgreSQL and Redis of the run, or on SQLite."""

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        env: dict[str, str] = {}
        self._postgres = ""
        if url := os.environ.get("LIANXIN_DATABASE_URL"):
            self._postgres = create_database(url)
            env |= {
                "LIANXIN_DATABASE_URL": self._postgres,
                "LIANXIN_REDIS_URL": os.environ["LIANXIN_REDIS_URL"],
                "LIANXIN_SECRET_KEY": os.environ["LIANXIN_SECRET_KEY"],
            }
        super().__init__(env | (settings or {}))
        self._sessions: dict[str, list[str]] = {}
        self._kept: list[tuple[Any, ...]] = []

    def load(self, origins: Sequence[str]) -> None:
        """Put the cast into the database; these origins may show the box."""
        printed = self.manage("shell", "-v0", "-c", LOAD.format(origins=list(origins), each=SESSIONS_EACH))
        loaded = next(line for line in printed.splitlines() if line.startswith("loaded "))
        self._sessions = json.loads(loaded.removeprefix("loaded "))
        self._kept = self.execute("SELECT session_key, session_data, expire_date FROM django_session")

    def session(self, person: Person) -> str:
        """A session of this person that no test has used: the value of their cookie."""
        return self._sessions[person.username].pop()

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """One statement of SQL (`?` for a value) on the server's database; what it returns."""
        if self._postgres:
            with psycopg.connect(self._postgres, autocommit=True) as connection:
                cursor = connection.execute(statement.replace("?", "%s").encode(), values)
                return cursor.fetchall() if cursor.description else []
        file = Path(self._env["LIANXIN_STATE_DIR"]) / "lianxin.sqlite3"
        with contextlib.closing(sqlite3.connect(file, timeout=20)) as database, database:
            return database.execute(statement, values).fetchall()

    def wait_for_rows(
        self, statement: str, expected: list[tuple[Any, ...]], *, seconds: float = 20.0
    ) -> None:
        """Wait until a query returns these rows: a screen may change before the server has stored anything."""
        deadline = time.monotonic() + seconds
        while (rows := self.execute(statement)) != expected:
            assert time.monotonic() < deadline, f"{statement}: {rows}"
            time.sleep(0.05)

    def forget(self) -> None:
        """Remove what former tests said and did; the cast, its sessions and its site stay.

        A test that switches somebody off ends their sessions: they come back for the next one.
        """
        rows = ", ".join(["(?, ?, ?)"] * len(self._kept))
        values = [value for row in self._kept for value in row]
        self.execute(f"INSERT INTO django_session VALUES {rows} ON CONFLICT DO NOTHING", *values)
        if self._postgres:
            self.execute(f"TRUNCATE {', '.join(TABLES_OF_A_TEST)} CASCADE")
            return
        for table in TABLES_OF_A_TEST:
            self.execute(f"DELETE FROM {table}")


@dataclass(frozen=True)
class HostPage:
    """A page of the bank on another site than ours (`localhost`, we are 127.0.0.1), with a strict policy of its own."""

    bank: BankPage

    def url(self, *, language: str = "zh-CN", **query: str) -> str:
        """The page that shows the box. `site` in the query names another site key."""
        return f"http://localhost:{self.bank.port}/?{urlencode({'lang': language, **query})}"

    def foreign_url(self) -> str:
        """The same page at an origin that may not show the box."""
        return f"http://127.0.0.1:{self.bank.port}/"

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.bank.port}"


@pytest.fixture(scope="session")
def bank() -> Iterator[BankPage]:
    with BankPage() as bank:
        yield bank


@pytest.fixture(scope="session")
def running_server(bank: BankPage) -> Iterator[ChatServer]:
    server = ChatServer()
    with server:
        bank.chat = server.url
        server.load([server.url, HostPage(bank).origin])
        yield server


@pytest.fixture
def server(running_server: ChatServer) -> ChatServer:
    """The server of the run, with nothing in it but the cast. A test that ends it starts it again."""
    running_server.start()
    running_server.forget()
    return running_server


@pytest.fixture
def host_page(server: ChatServer, bank: BankPage) -> HostPage:
    return HostPage(bank)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    programs = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    program = next((path for name in programs if name and (path := shutil.which(name))), None)
    if program is None:
        pytest.fail("Chromium is not installed; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", LIKE_CHROME])
        yield browser
        browser.close()


@dataclass
class Watch:
    """Notes what goes wrong on the pages of one test."""

    problems: list[str] = field(default_factory=list)

    def page(self, page: Page, allow: str) -> None:
        allowed = re.compile(allow) if allow else None

        def note(words: str) -> None:
            if allowed is None or not allowed.search(words):
                self.problems.append(words)

        def console(message: ConsoleMessage) -> None:
            if message.type == "error" or "Content Security Policy" in message.text:
                note(f"console: {message.text} ({message.location.get('url', '')})")

        def thrown(error: Error) -> None:
            note(f"thrown: {error.message}\n{error.stack or ''}")

        page.on("console", console)
        page.on("pageerror", thrown)
        page.on("crash", lambda _: note("the page crashed"))


class PageFactory(Protocol):
    def __call__(
        self,
        *,
        viewport: Viewport = DESKTOP,
        locale: str = "zh-CN",
        color_scheme: Literal["light", "dark"] = "light",
        allow: str = "",
        bypass_csp: bool = False,
        beside: Page | None = None,
        **options: Any,
    ) -> Page:
        """A page in a browser profile of its own, or with `beside` another tab of that page's profile.

        `allow` is a regular expression of errors that the test provokes, e.g. NETWORK_ERRORS. `options` are
        Playwright's: has_touch, reduced_motion, forced_colors, java_script_enabled ...
        Offline and back: `page.context.set_offline(True)`: an open socket then stalls, like a half-open one.
        `server.kill()` and `server.start()` cut it for good and bring it back.
        """


@pytest.fixture
def page_factory(browser: Browser, server: ChatServer) -> Iterator[PageFactory]:
    contexts: list[BrowserContext] = []
    watch = Watch()

    def make(
        *,
        viewport: Viewport = DESKTOP,
        locale: str = "zh-CN",
        color_scheme: Literal["light", "dark"] = "light",
        allow: str = "",
        bypass_csp: bool = False,
        beside: Page | None = None,
        **options: Any,
    ) -> Page:
        if beside is None:
            context = browser.new_context(
                viewport={"width": viewport[0], "height": viewport[1]},
                locale=locale,
                timezone_id="Asia/Shanghai",
                color_scheme=color_scheme,
                bypass_csp=bypass_csp,
                base_url=server.url,
                **options,
            )
            context.set_default_timeout(10_000)
            contexts.append(context)
        else:
            context = beside.context
        page = context.new_page()
        watch.page(page, allow)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not watch.problems, "the pages had errors:\n" + "\n".join(watch.problems)


class SignIn(Protocol):
    def __call__(self, page: Page, person: Person) -> None: ...


@pytest.fixture
def sign_in(server: ChatServer) -> SignIn:
    """Signs a person in on this page's profile, without the form; then `page.goto("/console/")`."""

    def sign_in(page: Page, person: Person) -> None:
        page.context.add_cookies([{"name": "sessionid", "value": server.session(person), "url": server.url}])

    return sign_in


class OpenConsole(Protocol):
    def __call__(self, person: Person = MEI, *, locale: str = "en", **options: Any) -> Page: ...


@pytest.fixture
def console(page_factory: PageFactory, sign_in: SignIn) -> OpenConsole:
    """Opens a person's console, in English unless another locale is given, and waits until its socket is open."""

    def open_console(person: Person = MEI, *, locale: str = "en", **options: Any) -> Page:
        page = page_factory(locale=locale, **options)
        sign_in(page, person)
        page.goto("/console/")
        expect(page.locator("#line")).to_have_attribute("data-status", "open")
        return page

    return open_console


class Axe(Protocol):
    def __call__(self, page: Page, *, without: Sequence[str] = ()) -> None: ...


@pytest.fixture(scope="session")
def axe() -> Axe:
    """Checks a page and all its frames with axe-core; fails with what it found. `without` names rules."""
    source = AXE.read_text(encoding="utf-8")

    def check(page: Page, *, without: Sequence[str] = ()) -> None:
        found = list[str]()
        for _ in range(2):
            # A colour on its way to another one is not what anybody reads; what is found twice is there.
            wait_until(page, "document.getAnimations().every((each) => each.playState !== 'running')")
            found = [line for frame in page.frames for line in _violations(frame, source, without)]
            if not found:
                break
            page.wait_for_timeout(500)
        assert not found, "axe found:\n" + "\n".join(found)

    return check


def _violations(frame: Frame, source: str, without: Sequence[str]) -> list[str]:
    if not frame.url.startswith("http"):
        return []
    # The protocol of the browser's own tools puts it there: no policy of the page has to be loosened.
    frame.evaluate(f"() => {{ {source} }}")
    options = {
        "runOnly": {"type": "tag", "values": AXE_TAGS},
        "rules": {rule: {"enabled": False} for rule in without},
        "iframes": False,
        # It would copy sheets that import others (Django's admin has one) into style elements: our policy forbids it.
        "preload": False,
        "resultTypes": ["violations"],
    }
    result = frame.evaluate("options => axe.run(document, options)", options)
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}\n"
        + "\n".join(
            f"    {node['html'][:200]}\n      {node['failureSummary']}" for node in violation["nodes"]
        )
        for violation in result["violations"]
    ]


class Screenshot(Protocol):
    def __call__(self, page: Page, name: str, *, full_page: bool = False) -> Path: ...


@pytest.fixture(scope="session")
def screenshot() -> Screenshot:
    """Keeps a picture of the page as var/screenshots/<name>.png."""

    def take(page: Page, name: str, *, full_page: bool = False) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        file = SCREENSHOTS / f"{name}.png"
        page.screenshot(path=file, full_page=full_page, animations="disabled")
        return file

    return take
