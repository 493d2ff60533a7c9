"""Fixtures of the browser tests: a server with the test people, pages in a real Chromium, and a page of the bank.

    def test_a_visitor_writes(page_factory: PageFactory, host_page: HostPage) -> None:
        page = page_factory(viewport=PHONE, locale="en")
        page.goto(host_page.url(language="en"))

A test fails if one of its pages logs an error, violates a content security policy or throws. Errors that the test
provokes are named in `allow`. This module must not use Django's ORM, because Playwright's event loop runs in the same
thread.
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
from tests.browser.python_shell import PythonShell
from tests.browser.waiting import wait_until
from tests.harness.servers import AppServer, create_database, emptying
from tests.harness.servers.app import SLOW
from tests.harness.servers.process import ROOT
from tests.people import MEI, Person

SCREENSHOTS = ROOT / "var" / "screenshots"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

Viewport = tuple[int, int]
DESKTOP: Viewport = (1440, 900)
PHONE: Viewport = (390, 844)
# A value for `allow`: the errors that a browser logs while its network is down.
NETWORK_ERRORS = r"net::ERR_|WebSocket connection to|status of 50[234]"

DAY_MS = 86_400_000
# A script for `page.add_init_script` that sets the browser's clock one day ahead.
CLOCK_A_DAY_FAST = f"""
const Clock = Date;
Date = class extends Clock {{
  constructor(...given) {{ super(...(given.length ? given : [Clock.now() + {DAY_MS}])) }}
  static now() {{ return Clock.now() + {DAY_MS} }}
}};
const origin = performance.timeOrigin;
Object.defineProperty(Performance.prototype, "timeOrigin", {{ get: () => origin + {DAY_MS} }});
"""
# Replaces Playwright's own list of disabled features, which disables storage partitioning and so denies storage to a
# frame of another site. The last two features are pop-ups of the address bar: Chromium would load them for every
# window, which takes a second of CPU time.
LIKE_CHROME = "--disable-features=" + ",".join(
    (
        *("HttpsUpgrades", "PaintHolding", "MediaRouter", "OptimizationHints"),
        *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    )
)
# This timeout is generous, because a server and two browsers share two cores.
expect.set_options(timeout=20_000)

SESSIONS_PER_PERSON = 160
LOAD = """
import json
from tests.people import PASSWORD, PEOPLE, create_cast, session_of
cast = create_cast(origins={origins!r}, password=PASSWORD)
people = [getattr(cast, person.username) for person in PEOPLE]
print("loaded", json.dumps({{staff.username: [session_of(staff) for _ in range({count})] for staff in people}}))
"""
# The tables to empty after a test, in an order that respects foreign keys.
TEST_TABLES = (
    "knowledge_use",
    "knowledge_unansweredquestionexample",
    "knowledge_unansweredquestion",
    "routing_offer",
    "routing_departmentpolicy",
    "chat_emergencyrule",
    "chat_rating",
    "chat_assignment",
    "chat_attachment",
    "chat_note",
    "chat_message",
    "chat_conversation",
    "chat_visitor",
    "chat_identityuse",
    "chat_cannedreply",
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
    """A Lianxin server with the test people in its database. It uses the test run's PostgreSQL and Redis, or SQLite."""

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
        application = "tests.browser.slow_server" if os.environ.get(SLOW) else "config.asgi"
        super().__init__(env | (settings or {}), application=f"{application}:application")
        self._shell: PythonShell | None = None
        self._sessions: dict[str, list[str]] = {}
        self._initial_sessions: list[tuple[Any, ...]] = []

    def load(self, origins: Sequence[str]) -> None:
        """Store the test people in the database and allow these origins to show the widget."""
        printed = self.run_python(LOAD.format(origins=list(origins), count=SESSIONS_PER_PERSON))
        loaded = next(line for line in printed.splitlines() if line.startswith("loaded "))
        self._sessions = json.loads(loaded.removeprefix("loaded "))
        self._initial_sessions = self.execute(
            "SELECT session_key, session_data, expire_date FROM django_session"
        )

    def run_python(self, code: str) -> str:
        """Run Python code in a child process with Django set up and the server's settings, and return what it
        printed."""
        if self._shell is None:
            self._shell = PythonShell(self.environment())
        return self._shell.run(code)

    def close(self) -> None:
        if self._shell is not None:
            self._shell.close()
        super().close()

    def session(self, person: Person) -> str:
        """Return the key of a session of this person, which is the value of the cookie. No test has used this session
        before."""
        return self._sessions[person.username].pop()

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one SQL statement on the server's database and return its rows. Each `?` stands for one of `values`."""
        if self._postgres:
            with psycopg.connect(self._postgres, autocommit=True) as connection:
                cursor = connection.execute(statement.replace("?", "%s").encode(), values)
                return cursor.fetchall() if cursor.description else []
        file = Path(self._env["LIANXIN_STATE_DIR"]) / "lianxin.sqlite3"
        with contextlib.closing(sqlite3.connect(file, timeout=20)) as database, database:
            return database.execute(statement, values).fetchall()

    def set_presence(self, person: Person, status: str) -> None:
        """Store the presence of a person, without telling open consoles."""
        self.execute(
            "INSERT INTO accounts_presence (staff_id, status, since, seen_at)"
            " SELECT id, ?, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM accounts_staff WHERE username = ?"
            " ON CONFLICT (staff_id) DO UPDATE SET status = excluded.status",
            status,
            person.username,
        )

    @contextlib.contextmanager
    def site_setting(self, column: str, value: Any) -> Iterator[None]:
        """Set a column of all sites to this value inside the `with` block, and restore the former values afterwards."""
        before = self.execute(f"SELECT {column}, id FROM chat_site")
        self.execute(f"UPDATE chat_site SET {column} = ?", value)
        try:
            yield
        finally:
            for former, site in before:
                self.execute(f"UPDATE chat_site SET {column} = ? WHERE id = ?", former, site)

    def wait_for_rows(
        self, statement: str, expected: list[tuple[Any, ...]], *, seconds: float = 20.0
    ) -> None:
        """Wait until a query returns these rows, because a page may change before the server has stored anything."""
        deadline = time.monotonic() + seconds
        while (rows := self.execute(statement)) != expected:
            assert time.monotonic() < deadline, f"{statement}: {rows}"
            time.sleep(0.05)

    def reset(self) -> None:
        """Empty TEST_TABLES, which hold data of former tests. The test people, their sessions, the site and the
        knowledge points stay.

        Sessions that ended in a former test are restored, for example those of a deactivated staff member.
        """
        rows = ", ".join(["(?, ?, ?)"] * len(self._initial_sessions))
        values = [value for row in self._initial_sessions for value in row]
        self.execute(f"INSERT INTO django_session VALUES {rows} ON CONFLICT DO NOTHING", *values)
        if self._postgres:
            with psycopg.connect(self._postgres, autocommit=True) as connection:
                connection.execute(emptying(TEST_TABLES))
            return
        for table in TEST_TABLES:
            self.execute(f"DELETE FROM {table}")


@dataclass(frozen=True)
class HostPage:
    """The bank's page with a strict content security policy. The page's host is `localhost`, and the server's host is
    127.0.0.1."""

    bank: BankPage

    def url(self, *, language: str = "zh-CN", **query: str) -> str:
        """Return the URL of the page that shows the widget. `query` can name another site key as `site`."""
        return f"http://localhost:{self.bank.port}/?{urlencode({'lang': language, **query})}"

    def foreign_url(self) -> str:
        """Return the URL of the page at an origin that is not allowed to show the widget."""
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
    """Return the server of the test run after a reset. Start it again if an earlier test has stopped it."""
    running_server.start()
    running_server.reset()
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
class PageMonitor:
    """Records errors on the pages of one test."""

    problems: list[str] = field(default_factory=list)

    def attach(self, page: Page, allow: str) -> None:
        allowed = re.compile(allow) if allow else None

        def record(problem: str) -> None:
            if allowed is None or not allowed.search(problem):
                self.problems.append(problem)

        def console(message: ConsoleMessage) -> None:
            if message.type == "error" or "Content Security Policy" in message.text:
                record(f"console: {message.text} ({message.location.get('url', '')})")

        def thrown(error: Error) -> None:
            record(f"thrown: {error.message}\n{error.stack or ''}")

        page.on("console", console)
        page.on("pageerror", thrown)
        page.on("crash", lambda _: record("the page crashed"))


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
        """Open a page in a new browser profile, or, if `beside` is given, in another tab of that page's profile.

        `allow` is a regular expression for errors that the test provokes, such as NETWORK_ERRORS. `options` are those
        of Playwright: has_touch, reduced_motion, forced_colors, java_script_enabled ...

        `page.context.set_offline(True)` makes open sockets stall, as on a half-open connection. `server.kill()` closes
        them, and `server.start()` brings the server back.
        """


@pytest.fixture
def page_factory(browser: Browser, server: ChatServer) -> Iterator[PageFactory]:
    contexts: list[BrowserContext] = []
    monitor = PageMonitor()

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
        monitor.attach(page, allow)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not monitor.problems, "the pages had errors:\n" + "\n".join(monitor.problems)


class SignIn(Protocol):
    def __call__(self, page: Page, person: Person) -> None: ...


@pytest.fixture
def sign_in(server: ChatServer) -> SignIn:
    """Return a function that signs a person in without the form, in the browser profile of a page.

    The person is online, so that they may take conversations.

    The test then calls `page.goto("/console/")`.
    """

    def sign_in(page: Page, person: Person) -> None:
        server.set_presence(person, "online")
        page.context.add_cookies([{"name": "sessionid", "value": server.session(person), "url": server.url}])

    return sign_in


class OpenConsole(Protocol):
    def __call__(self, person: Person = MEI, *, locale: str = "en", **options: Any) -> Page: ...


@pytest.fixture
def console(page_factory: PageFactory, sign_in: SignIn) -> OpenConsole:
    """Return a function that opens a person's console and waits until its socket is open.

    The console is in English unless another locale is given.
    """

    def open_console(person: Person = MEI, *, locale: str = "en", **options: Any) -> Page:
        page = page_factory(locale=locale, **options)
        sign_in(page, person)
        page.goto("/console/")
        expect(page.locator("#connection")).to_have_attribute("data-status", "open")
        return page

    return open_console


class Axe(Protocol):
    def __call__(self, page: Page, *, without: Sequence[str] = ()) -> None: ...


@pytest.fixture(scope="session")
def axe() -> Axe:
    """Return a function that checks a page and all its frames with axe-core. The function fails with a list of the
    violations, if there are any.

    `without` names rules to skip.
    """
    source = AXE.read_text(encoding="utf-8")

    def check(page: Page, *, without: Sequence[str] = ()) -> None:
        violations = list[str]()
        for _ in range(2):
            # Wait for colour transitions to end. If the first round finds violations, the second round checks again.
            wait_until(
                page, "document.getAnimations().every((animation) => animation.playState !== 'running')"
            )
            violations = [text for frame in page.frames for text in _violations(frame, source, without)]
            if not violations:
                break
            page.wait_for_timeout(500)
        assert not violations, "axe found:\n" + "\n".join(violations)

    return check


def _violations(frame: Frame, source: str, without: Sequence[str]) -> list[str]:
    if not frame.url.startswith("http"):
        return []
    if not frame.evaluate("() => 'axe' in window"):
        # The DevTools protocol injects the script. The page's content security policy does not restrict that protocol.
        frame.evaluate(f"() => {{ {source} }}")
    options = {
        "runOnly": {"type": "tag", "values": AXE_TAGS},
        "rules": {rule: {"enabled": False} for rule in without},
        "iframes": False,
        # Preloading would copy style sheets with @import, such as that of Django's admin, into style elements. Our
        # policy forbids such elements.
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
    """Return a function that saves a screenshot of a page as var/screenshots/<name>.png."""

    def take(page: Page, name: str, *, full_page: bool = False) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        file = SCREENSHOTS / f"{name}.png"
        page.screenshot(path=file, full_page=full_page, animations="disabled")
        return file

    return take
