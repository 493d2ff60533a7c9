"""Browser tests of a rolling restart during conversations, with the nginx configuration of deploy/.

Two processes are restarted one after the other. No message may be lost, doubled or reordered (invariant 2 of
tests/test_invariants.py), no request refused and no error shown.
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
from tests.browser.visitor import ReconnectingSocket
from tests.harness.reconnecting_socket import Frame
from tests.harness.servers import AppServer, Nginx, free_port
from tests.harness.thread import Thread
from tests.people import HAO, MEI, SITE_KEY
from tests.server.test_deploy_files import commands

VISITORS = 12
# Pause between two messages of one person.
PACE_SECONDS = 0.2
CSRF = "c" * 32
# Collects every error that a page shows; a notice that it is reconnecting is not an error.
ALARMS = """
const alarms = new Set();
const wrong = `#notice, .toast, .error, .retry, [data-status=refused],
  #connection[data-status=lost], #connection[data-status=ended]`;
const look = () => {
  for (const element of document.querySelectorAll(wrong)) {
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    alarms.add(`${element.id} ${element.textContent.trim()}`.trim());
  }
};
setInterval(look, 20);
window.alarms = () => [...alarms];
"""
# Notices that are no errors: the page is connecting, or a message has waited for two seconds, which happens on a busy
# machine.
HARMLESS = re.compile(r"连接|会自动发出")


class Visitor:
    """A visitor who behaves like the widget: keeps unaccepted messages, resends them after a reconnect, orders by
    seq."""

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
            self.problems.append(f"cut off after {self._last}, without a bye frame")
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
                self._add_messages(frame["messages"], is_more=frame.get("more", False))
                for post in list(self.pending.values()):
                    self._send(post)
            case "accepted":
                self._record_accepted(frame["client_id"], frame["seq"])
            case "message":
                self._add_messages([frame["message"]])
            case "messages":
                self._add_messages(frame["messages"], is_more=frame["more"])
            case "refused":
                self.problems.append(f"refused: {frame['code']}")

    def _add_messages(self, messages: list[Frame], *, is_more: bool = False) -> None:
        is_behind = is_more
        for message in messages:
            if client_id := message.get("client_id", ""):
                self._record_accepted(client_id, message["seq"])
            is_behind = self.thread.add(message) or is_behind
        if is_behind:
            self._send({"kind": "fetch", "after": self.thread.head})

    def _record_accepted(self, client_id: str, seq: int) -> None:
        if self.pending.pop(client_id, None) or client_id in self.accepted:
            if self.accepted.setdefault(client_id, seq) != seq:
                self.problems.append(f"{client_id} was accepted under two seqs")
            self.line.notify()

    def _send(self, frame: Frame) -> None:
        self.task = asyncio.ensure_future(self.line.send(frame))

    async def talk(self, stop: threading.Event) -> None:
        """Send messages until `stop` is set. Each message is sent after the previous one was accepted."""
        running = asyncio.ensure_future(self.line.run())
        await self.line.until(lambda: bool(self.conversation), 10)
        while not stop.is_set():
            client_id = str(uuid4())
            post = {"kind": "post", "client_id": client_id, "body": f"第{len(self.accepted) + 1}句"}
            self.pending[client_id] = post
            await self.line.send(post)
            if not await self.line.until(lambda: not self.pending, 10):
                self.problems.append("no answer within ten seconds")
                break
            await asyncio.sleep(PACE_SECONDS)
        # Wait for messages that are still being delivered.
        await self.line.send({"kind": "fetch", "after": self.thread.head})
        await self.line.until(lambda: self.thread.head >= max(self.accepted.values(), default=0), 10)
        await self.line.close()
        # Cancel `run`, because the client might be reconnecting at this moment.
        running.cancel()


class Agent:
    """An agent who answers by HTTP requests without retries. Every failed request is recorded as a problem."""

    def __init__(self, nginx: Nginx, session: str) -> None:
        self._nginx = nginx
        self._cookies = f"sessionid={session}; csrftoken={CSRF}"
        self.answered: dict[str, int] = {}
        self.problems: list[str] = []

    def request(self, path: str, data: Frame | str | None = None) -> Any:
        """Send a dictionary as JSON, or a string as form data; return the response."""
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

    def work(self, stop: threading.Event) -> None:
        self.request("/console/presence", "status=online")
        mine = [self.request("/console/next", {})["conversation"] for _ in range(3)]
        while not stop.wait(PACE_SECONDS):
            for conversation in mine:
                client_id = str(uuid4())
                post = {"client_id": client_id, "body": "好的。", "choices": []}
                answer = self.request(f"/console/conversations/{conversation}/messages", post)
                if answer:
                    self.answered[client_id] = answer["accepted"]["seq"]
            for page in ("/console/", f"/widget/{SITE_KEY}/", "/widget.js"):
                self.request(page)


class Site:
    """nginx and two server processes behind it. They use the database of the test run's server."""

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
        # Start the servers with the options of deploy/systemd.
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
        """Restart the processes one after the other, as `systemctl restart` would."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0
            process.start()
            process.wait_until(lambda process=process: is_ready(process), "it is not ready")  # type: ignore[misc]


def _options(command: list[str]) -> list[str]:
    """Return the options of the command in a systemd unit, without address and application."""
    port = next(number for number, word in enumerate(command) if "%i" in word)
    return command[port + 1 : -1]


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
        # Make the clients of this test trust nginx's certificate.
        monkeypatch.setenv("SSL_CERT_FILE", str(site.nginx.certificate))
        yield site


def alarms(page: Page) -> list[str]:
    texts: list[str] = page.evaluate("() => alarms()")
    return [text for text in texts if not HARMLESS.search(text)]


def test_rolling_restart_loses_no_message_and_shows_no_error(
    site: Site, server: ChatServer, page_factory: PageFactory, sign_in: SignIn
) -> None:
    # The widget's page, opened directly, has no icon.
    widget = page_factory(ignore_https_errors=True, allow="favicon")
    console = page_factory(ignore_https_errors=True)
    for page in (widget, console):
        page.add_init_script(ALARMS)
    widget.goto(f"{site.nginx.url}/widget/{SITE_KEY}/")
    sent = ["有人在吗"]
    widget.locator("#text").fill(sent[0])
    widget.locator("#text").press("Enter")
    expect(widget.locator("#log").get_by_text(sent[0])).to_be_visible()
    sign_in(console, MEI)
    console.goto(f"{site.nginx.url}/console/")
    expect(console.locator("#connection")).to_have_attribute("data-status", "open")
    console.keyboard.press("n")
    composer = console.locator("#composer textarea")
    expect(composer).to_be_visible()
    expect(console.locator("#log").get_by_text(sent[0])).to_be_visible()

    stop = threading.Event()
    visitors = [Visitor(site.nginx, random.Random(number)) for number in range(VISITORS)]
    agent = Agent(site.nginx, server.session(HAO))

    async def crowd() -> None:
        await asyncio.gather(*(visitor.talk(stop) for visitor in visitors))

    failed: list[BaseException] = []

    def record_failure(work: Any) -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)
            stop.set()

    def wait_for_everybody() -> bool:
        return all(visitor.accepted for visitor in visitors)

    talking = threading.Thread(target=record_failure, args=(lambda: asyncio.run(crowd()),))
    talking.start()
    site.nginx.wait_until(wait_for_everybody, "the visitors do not talk")
    working = threading.Thread(target=record_failure, args=(lambda: agent.work(stop),))
    working.start()
    site.nginx.wait_until(lambda: bool(agent.answered) or bool(failed), "the agent does not answer")
    rolling = threading.Thread(target=record_failure, args=(site.roll,))
    rolling.start()
    while rolling.is_alive():
        for page, text in ((widget, widget.locator("#text")), (console, composer)):
            sent.append(f"话{len(sent)}")
            text.fill(sent[-1])
            text.press("Enter")
            for screen in (widget, console):
                expect(screen.locator("#log").get_by_text(sent[-1], exact=True)).to_be_visible()
            assert alarms(page) == []
    stop.set()
    for thread in (rolling, working, talking):
        thread.join()
    assert not failed, failed

    # There must be no error on any page, no refused request, and no disconnection without a bye frame.
    assert [alarms(page) for page in (widget, console)] == [[], []]
    assert agent.problems == []
    assert [problem for visitor in visitors for problem in visitor.problems] == []
    requests = [line for line in site.nginx.requests if "favicon" not in line]
    statuses = {line.split('"')[2].split()[0] for line in requests}
    assert statuses <= {"101", "200", "204", "302", "304"}
    assert all(visitor.line.reconnects >= 1 for visitor in visitors)
    # No message may be lost, doubled or reordered: pages, protocol clients and database have the same messages.
    shown = [page.locator("#log .message:not(.event) .body").all_inner_texts() for page in (widget, console)]
    assert shown == [sent, sent]
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
