"""What lies between the browsers and the processes: sockets and requests that take their time, and can be cut."""

from __future__ import annotations

import asyncio
import random
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import resolve

from accounts.models import Staff
from chat.widget.consumers import VisitorConsumer
from console.inbox.consumers import ConsoleConsumer
from tests.machine.clock import DELAYS

if TYPE_CHECKING:
    from tests.machine.process import Process
    from tests.machine.world import World

Message = dict[str, Any]

# After so long without a pong the server (Daphne or uvicorn, by its options) gives a line up.
SERVER_NOTICES_SECONDS = 35.0
# What is sent first arrives first: timers of the same moment have no order.
TICK = 1e-6
requests = RequestFactory()


class Session_:
    """Who is signed in on a browser: the cookie's session as the ASGI stack would hand it on."""

    def __init__(self, key: str) -> None:
        self.session_key = key


def signed_in(key: str) -> Staff | None:
    """Whose session this is, if it stands and they may still come in."""
    stored = Session.objects.filter(session_key=key).first()
    if stored is None:
        return None
    return Staff.objects.filter(pk=stored.get_decoded()["_auth_user_id"], is_active=True).first()


class Socket:
    """One WebSocket. What goes one way arrives in order, unless it is cut: then nothing more arrives."""

    def __init__(self, world: World, tab: str, wire: str, url: str) -> None:
        self.world = world
        self.tab = tab
        self.wire = wire
        self.is_console = url.endswith("/ws/console/")
        self.process: Process | None = None
        self.is_deaf = self.is_mute = False
        self.is_over = False
        self.last_sent = ""
        self._up: asyncio.Queue[Message] = asyncio.Queue()
        self._down_at = self._up_at = 0.0
        # Its own, so that the order in which a hub goes through its sockets changes nothing.
        self._dice = random.Random(f"{world.seed} {wire}")
        self._later(self._connect)

    # -- the browser's end ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self.is_deaf:
            # The browser has thought better of it.
            return
        self.process = self.world.some_process(self.tab)
        if self.process is None:
            self._closed(1006)
            return
        self._up.put_nowait({"type": "websocket.connect"})
        self.process.spawn(self._serve(self.process))

    def said(self, text: str) -> None:
        self.last_sent = text
        self._to_server({"type": "websocket.receive", "text": text})

    def closed_by_browser(self) -> None:
        """It says goodbye; if that cannot arrive, the server finds out by itself."""
        self.world.sockets.pop(self.wire, None)
        self.is_deaf = True
        if self.process is None:
            return
        if self.is_mute:
            self._later(self._end_at_server, SERVER_NOTICES_SECONDS)
        else:
            self._to_server({"type": "websocket.disconnect", "code": 1000})

    def _to_server(self, message: Message) -> None:
        if not self.is_mute:
            self._up_at = max(self._up_at + TICK, self.world.loop.time() + self._delay())
            self.world.loop.call_at(self._up_at, self._arrives, message, context=self.world.context)

    def _arrives(self, message: Message) -> None:
        if not self.is_mute or message["type"] == "websocket.disconnect":
            self._up.put_nowait(message)

    # -- faults --------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Reset: what is under way either way is lost, and both ends notice soon."""
        self.is_deaf = self.is_mute = True
        self._later(self._closed_now)
        self._later(self._end_at_server)

    def swallow(self, *, up: bool, down: bool) -> None:
        """Half-open: from now on nothing arrives in that direction, and nobody is told."""
        self.is_mute, self.is_deaf = self.is_mute or up, self.is_deaf or down
        self._later(self._end_at_server, SERVER_NOTICES_SECONDS)

    def repeat(self) -> None:
        """The browser's last frame arrives once more."""
        if self.last_sent:
            self.said(self.last_sent)

    def server_died(self) -> None:
        self.is_deaf = self.is_mute = True
        self._later(self._closed_now)

    def _end_at_server(self) -> None:
        self._up.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def _closed_now(self) -> None:
        self.world.sockets.pop(self.wire, None)
        self.world.browsers.do(self.tab, "closed", self.wire, 1006)

    def _closed(self, code: int) -> None:
        self.world.sockets.pop(self.wire, None)
        if not self.is_deaf:
            self.world.browsers.do(self.tab, "closed", self.wire, code)

    # -- the server's end ----------------------------------------------------------------------------------

    async def _serve(self, process: Process) -> None:
        scope: Message = {"type": "websocket", "path": "/", "headers": [], "cookies": {}}
        application = (ConsoleConsumer if self.is_console else VisitorConsumer).as_asgi()
        try:
            if self.is_console:
                self.world.ask_database()
                key = self.world.session_of_tab[self.tab]
                scope |= {"user": signed_in(key) or AnonymousUser(), "session": Session_(key)}
            await application(scope, self._up.get, self._send)
        except Exception as error:
            # As Daphne and uvicorn do it.
            self.world.judge.failed(error)
            self.is_over = True
            self._to_browser("closed", 1011)

    async def _send(self, message: Message) -> None:
        if self.is_over:
            raise RuntimeError("sent after the end")
        if message["type"] == "websocket.accept":
            self._to_browser("opened", None)
        elif message["type"] == "websocket.send":
            self.world.sent(self, message["text"])
            self._to_browser("frame", message["text"])
        elif message["type"] == "websocket.close":
            self.is_over = True
            self._to_browser("closed", message.get("code", 1000))
            self._later(self._end_at_server)

    def _to_browser(self, what: str, detail: Any) -> None:
        loop = self.world.loop
        self._down_at = max(self._down_at + TICK, loop.time() + self._delay())
        loop.call_at(self._down_at, self._heard, what, detail, context=self.world.context)

    def _heard(self, what: str, detail: Any) -> None:
        if self.is_deaf:
            return
        if what == "closed":
            self._closed(detail)
        else:
            self.world.browsers.do(self.tab, what, self.wire, detail)

    def _delay(self) -> float:
        return self._dice.choice(DELAYS)

    def _later(self, then: Any, seconds: float | None = None) -> None:
        delay = self._delay() if seconds is None else seconds
        self.world.loop.call_later(delay, then, context=self.world.context)


class Request:
    """One HTTP request of a console, through the real views. `lost`: where it is lost, "" if it is not."""

    def __init__(self, world: World, tab: str, wire: str, method: str, url: str, body: str) -> None:
        self.world, self.tab, self.wire = world, tab, wire
        self.method, self.url, self.body = method, url, body
        self.lost = world.loses_request(tab)
        self.process: Process | None = None
        self._later(self._arrives)

    def _arrives(self) -> None:
        self.process = self.world.some_process(self.tab)
        if self.process is None or self.lost == "up":
            self._answered(0, "")
            return
        self.world.requests[self] = None
        self.process.in_thread(self._serve)

    def _serve(self) -> None:
        request = getattr(requests, self.method.lower())(
            self.url, self.body, content_type="application/json", HTTP_ACCEPT="application/json"
        )
        request.COOKIES = SimpleCookie()
        request.htmx = False
        match = resolve(urlsplit(self.url).path)
        try:
            self.world.ask_database()
            request.user = signed_in(self.world.session_of_tab[self.tab]) or AnonymousUser()
            response: HttpResponse = match.func(request, *match.args, **match.kwargs)
            status, text = response.status_code, response.content.decode()
        except OperationalError:
            status, text = 500, ""
        self.world.answered(self, status, text)
        self.world.loop.call_later(
            self.world.loop.delay(), self._answered, status, text, context=self.world.context
        )

    def _answered(self, status: int, text: str) -> None:
        self.world.requests.pop(self, None)
        if self.lost == "down":
            status, text = 0, ""
        self.world.browsers.do(self.tab, "answer", self.wire, status, text)

    def server_died(self) -> None:
        """If its answer is not under way yet, none comes."""
        self.lost = "down"
        self._later(self._answered_not)

    def _answered_not(self) -> None:
        self._answered(0, "")

    def _later(self, then: Any) -> None:
        self.world.loop.call_later(self.world.loop.delay(), then, context=self.world.context)
