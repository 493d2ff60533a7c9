"""A new version goes in while people talk: nginx with the file of deploy/, two processes restarted one after the other.

Guards invariant 2 through a deploy: nothing lost, doubled or reordered, no request refused, no error on any screen.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ChatServer, PageFactory, SignIn
from tests.harness.servers import AppServer, Nginx, free_port
from tests.people import HAO, MEI, SITE_KEY
from tests.server.test_deploy_files import commands
from tests.simulation.transport import Frame, ReconnectingSocket, Thread

VISITORS = 12
# Between two things that one person says.
PACE_SECONDS = 0.2
CSRF = "c" * 32
# Whatever a screen says when something is wrong; that it connects anew is no error.
ALARMS = """
const alarms = new Set();
const wrong = `#notice, .toast, .error, .retry, [data-status=refused],
  #line[data-status=lost], #line[data-status=ended]`;
const look = () => {
  for (const each of document.querySelectorAll(wrong)) {
    if (each.checkVisibility({ visibilityProperty: true })) alarms.add(`${each.id} ${each.textContent.trim()}`.trim());
  }
};
setInterval(look, 20);
window.alarms = () => [...alarms];
"""
CONNECTING = re.compile(r"连接")


class Visitor:
    """Keeps what is not accepted, comes back with it, and places what comes, as the box does."""

    def __init__(self, nginx: Nginx, chance: random.Random) -> None:
        self.conversation = ""
        self.thread = Thread()
        self.accepted: dict[str, int] = {}
        self.problems: list[str] = []
        self.pending: dict[str, Frame] = {}
        self._token: str | None = None
        self._last = "bye"
        self.line = ReconnectingSocket(
            f"{nginx.websocket_url}/ws/chat/",
            origin=nginx.url,
            rng=chance,
            hello=self._hello,
            received=self._received,
        )

    def _hello(self) -> Frame:
        if self._last != "bye":
            self.problems.append(f"cut off after {self._last}, without a goodbye")
        hello: Frame = {
            "kind": "hello",
            "site": SITE_KEY,
            "version": 1,
            "language": "zh",
            "token": self._token,
        }
        if self.conversation:
            hello |= {"conversation": self.conversation, "after": self.thread.head}
        return hello

    def _received(self, frame: Frame) -> None:
        self._last = frame["kind"]
        match frame["kind"]:
            case "welcome":
                self._token = frame["token"]
                if frame["state"] is None:
                    self._send({"kind": "start", "client_id": str(uuid4()), "form": {"subject": "cards"}})
                    return
                self.conversation = frame["state"]["id"]
                self._place(frame["messages"], is_more=frame.get("more", False))
                for post in list(self.pending.values()):
                    self._send(post)
            case "accepted":
                self._settle(frame["client_id"], frame["seq"])
            case "message":
                self._place([frame["message"]])
            case "messages":
                self._place(frame["messages"], is_more=frame["more"])
            case "refused":
                self.problems.append(f"refused: {frame['code']}")

    def _place(self, messages: list[Frame], *, is_more: bool = False) -> None:
        is_behind = is_more
        for message in messages:
            if client_id := message.get("client_id", ""):
                self._settle(client_id, message["seq"])
            is_behind = self.thread.add(message) or is_behind
        if is_behind:
            self._send({"kind": "fetch", "after": self.thread.head})

    def _settle(self, client_id: str, seq: int) -> None:
        if self.pending.pop(client_id, None) or client_id in self.accepted:
            if self.accepted.setdefault(client_id, seq) != seq:
                self.problems.append(f"{client_id} has two places")
            self.line.notify()

    def _send(self, frame: Frame) -> None:
        self.task = asyncio.ensure_future(self.line.send(frame))

    async def talk(self, is_over: threading.Event) -> None:
        """Says one thing after the other, each when the one before is accepted."""
        running = asyncio.ensure_future(self.line.run())
        await self.line.until(lambda: bool(self.conversation), 10)
        while not is_over.is_set():
            client_id = str(uuid4())
            post = {"kind": "post", "client_id": client_id, "body": f"第{len(self.accepted) + 1}句"}
            self.pending[client_id] = post
            await self.line.send(post)
            if not await self.line.until(lambda: not self.pending, 10):
                self.problems.append("no answer within ten seconds")
                break
            await asyncio.sleep(PACE_SECONDS)
        # What is on its way to the screens arrives.
        await self.line.send({"kind": "fetch", "after": self.thread.head})
        await self.line.until(lambda: self.thread.head >= max(self.accepted.values(), default=0), 10)
        await self.line.close()
        # It may just be connecting.
        running.cancel()


class Agent:
    """Answers over requests, each made once: one that fails is a problem."""

    def __init__(self, nginx: Nginx, session: str) -> None:
        self._nginx = nginx
        self._cookies = f"sessionid={session}; csrftoken={CSRF}"
        self.answered: dict[str, int] = {}
        self.problems: list[str] = []

    def ask(self, path: str, data: Frame | str | None = None) -> Any:
        """A dictionary goes as JSON, a text as a form."""
        headers = {
            "Cookie": self._cookies,
            "X-CSRFToken": CSRF,
            "Origin": self._nginx.url,
            "Referer": self._nginx.url,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded"
            if isinstance(data, str)
            else "application/json",
        }
        body = None if data is None else (data if isinstance(data, str) else json.dumps(data)).encode()
        request = Request(f"{self._nginx.url}{path}", data=body, headers=headers)
        try:
            with urlopen(request, context=self._nginx.trust, timeout=20) as answer:
                return json.loads(answer.read() or "null") if body is not None else answer.read()
        except (HTTPError, URLError, OSError) as error:
            self.problems.append(f"{path}: {error}")
            return None

    def work(self, is_over: threading.Event) -> None:
        self.ask("/console/presence", "status=online")
        mine = [self.ask("/console/next", {})["conversation"] for _ in range(3)]
        while not is_over.wait(PACE_SECONDS):
            for conversation in mine:
                client_id = str(uuid4())
                said = {"client_id": client_id, "body": "好的。", "choices": []}
                answer = self.ask(f"/console/conversations/{conversation}/messages", said)
                if answer:
                    self.answered[client_id] = answer["accepted"]["seq"]
            for page in ("/console/", f"/widget/{SITE_KEY}/", "/widget.js"):
                self.ask(page)


class Site:
    """nginx and the two processes behind it, on what the server of the run has prepared."""

    def __init__(self, server: ChatServer, stack: ExitStack) -> None:
        env = dict(server.environment())
        state = env["LIANXIN_STATE_DIR"]
        ports = [free_port(), free_port()]
        self.nginx = Nginx(ports, Path(state))
        env = {name: value for name, value in env.items() if name.startswith("LIANXIN_")} | {
            "LIANXIN_BEHIND_TLS": "1",
            "LIANXIN_PROXY_COUNT": "1",
            "LIANXIN_OWN_ORIGINS": self.nginx.url,
            "LIANXIN_POSTS_PER_SECOND": "100",
        }
        # As deploy/systemd starts them: the same options.
        daphne, uvicorn, _ = commands()
        self.processes = [
            AppServer(env, prepare=False, options=_options(daphne)),
            AppServer(env, prepare=False, options=_options(uvicorn), server="uvicorn"),
        ]
        for process, port in zip(self.processes, ports, strict=True):
            process.port = port
            stack.enter_context(process)
        stack.enter_context(self.nginx)

    def roll(self) -> None:
        """What `systemctl restart` does for one after the other."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0
            process.start()
            process.wait_until(lambda process=process: is_ready(process), "it is not ready")  # type: ignore[misc]


def _options(command: list[str]) -> list[str]:
    """Those of the line in the unit, without address and application."""
    return command[5:-1]


def is_ready(process: AppServer) -> bool:
    try:
        with urlopen(f"{process.url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False


@pytest.fixture
def site(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with ExitStack() as stack:
        site = Site(server, stack)
        # What the clients of this test believe.
        monkeypatch.setenv("SSL_CERT_FILE", str(site.nginx.certificate))
        yield site


def alarms(page: Page) -> list[str]:
    found: list[str] = page.evaluate("() => alarms()")
    return [words for words in found if not CONNECTING.search(words)]


def test_nobody_notices_a_new_version(
    site: Site, server: ChatServer, page_factory: PageFactory, sign_in: SignIn
) -> None:
    # The box's page is no page of the bank here, and has no icon.
    box = page_factory(ignore_https_errors=True, allow="favicon")
    console = page_factory(ignore_https_errors=True)
    for page in (box, console):
        page.add_init_script(ALARMS)
    box.goto(f"{site.nginx.url}/widget/{SITE_KEY}/")
    said = ["有人在吗"]
    box.locator("#text").fill(said[0])
    box.locator("#text").press("Enter")
    expect(box.locator("#log").get_by_text(said[0])).to_be_visible()
    sign_in(console, MEI)
    console.goto(f"{site.nginx.url}/console/")
    expect(console.locator("#line")).to_have_attribute("data-status", "open")
    console.keyboard.press("n")
    composer = console.locator("#composer textarea")
    expect(composer).to_be_visible()
    expect(console.locator("#log").get_by_text(said[0])).to_be_visible()

    is_over = threading.Event()
    visitors = [Visitor(site.nginx, random.Random(number)) for number in range(VISITORS)]
    agent = Agent(site.nginx, server.session(HAO))

    async def crowd() -> None:
        await asyncio.gather(*(visitor.talk(is_over) for visitor in visitors))

    failed: list[BaseException] = []

    def tried(work: Any) -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)
            is_over.set()

    def wait_for_everybody() -> bool:
        return all(visitor.accepted for visitor in visitors)

    talking = threading.Thread(target=tried, args=(lambda: asyncio.run(crowd()),))
    talking.start()
    site.nginx.wait_until(wait_for_everybody, "the visitors do not talk")
    working = threading.Thread(target=tried, args=(lambda: agent.work(is_over),))
    working.start()
    site.nginx.wait_until(lambda: bool(agent.answered) or bool(failed), "the agent does not answer")
    rolling = threading.Thread(target=tried, args=(site.roll,))
    rolling.start()
    while rolling.is_alive():
        for page, text in ((box, box.locator("#text")), (console, composer)):
            said.append(f"话{len(said)}")
            text.fill(said[-1])
            text.press("Enter")
            for screen in (box, console):
                expect(screen.locator("#log").get_by_text(said[-1], exact=True)).to_be_visible()
            assert alarms(page) == []
    is_over.set()
    for thread in (rolling, working, talking):
        thread.join()
    assert not failed, failed

    # No error on any screen, no request refused, nobody cut off without a word.
    assert [alarms(page) for page in (box, console)] == [[], []]
    assert agent.problems == []
    assert [problem for visitor in visitors for problem in visitor.problems] == []
    requests = [line for line in site.nginx.requests if "favicon" not in line]
    statuses = {line.split('"')[2].split()[0] for line in requests}
    assert statuses <= {"101", "200", "204", "302", "304"}
    assert all(visitor.line.reconnects >= 1 for visitor in visitors)
    # Nothing lost, doubled or reordered: on the screens, at the protocol's end and in the database it is the same.
    shown = [page.locator("#log .message:not(.event) .body").all_inner_texts() for page in (box, console)]
    assert shown == [said, said]
    for visitor in visitors:
        stored = server.execute(
            "SELECT m.seq, m.client_id, m.body FROM chat_message m JOIN chat_conversation c"
            " ON c.id = m.conversation_id WHERE c.uuid = ? ORDER BY m.seq",
            visitor.conversation,
        )
        assert [seq for seq, _, _ in stored] == list(range(1, len(stored) + 1))
        by_id = {str(client_id): seq for seq, client_id, _ in stored if client_id}
        assert by_id.keys() - agent.answered.keys() == visitor.accepted.keys()
        assert all(by_id[client_id] == seq for client_id, seq in visitor.accepted.items())
        assert visitor.thread.errors == []
        held = [(message["seq"], message["body"]) for message in visitor.thread.messages]
        assert held == [(seq, body) for seq, _, body in stored][: len(held)]
        assert len(held) >= max(visitor.accepted.values())
    assert len(agent.answered) > 10
