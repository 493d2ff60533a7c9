"""The simulated network between browsers and processes: sockets and requests that are delayed and can be cut."""

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
    from tests.machine.schedule import Schedule

Message = dict[str, Any]

# Seconds without a pong after which Daphne and uvicorn give a connection up, as set by their command-line options.
SERVER_NOTICES_SECONDS = 35.0
# Added to the time of each message to keep messages in order, because timers that are due at the same moment have no
# order.
TICK = 1e-6
requests = RequestFactory()


class FakeSession:
    """A fake of the session in a console's ASGI scope."""

    def __init__(self, key: str) -> None:
        self.session_key = key


def signed_in(key: str) -> Staff | None:
    """Return the staff member of a session, or None if the session has ended or the account is disabled."""
    stored = Session.objects.filter(session_key=key).first()
    if stored is None:
        return None
    return Staff.objects.filter(pk=stored.get_decoded()["_auth_user_id"], is_active=True).first()


class Socket:
    """One WebSocket. Each direction delivers in order until it is cut; after that, nothing more arrives."""

    def __init__(self, schedule: Schedule, tab: str, number: str, url: str) -> None:
        self.schedule = schedule
        self.tab = tab
        self.number = number
        self.is_console = url.endswith("/ws/console/")
        self.process: Process | None = None
        self.is_down_cut = self.is_up_cut = False
        self.is_over = False
        self.last_sent = ""
        self._up: asyncio.Queue[Message] = asyncio.Queue()
        self._down_at = self._up_at = 0.0
        # Each socket has its own random generator, so that the delays do not depend on the order in which a hub uses
        # its sockets.
        self._rng = random.Random(f"{schedule.seed} {number}")
        self._call_later(self._connect)

    # -- the browser's end ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self.is_down_cut:
            # The browser has closed the socket before it connected.
            return
        self.process = self.schedule.pick_process(self.tab)
        if self.process is None:
            self._closed(1006)
            return
        self._up.put_nowait({"type": "websocket.connect"})
        self.process.spawn(self._serve(self.process))

    def send_from_browser(self, text: str) -> None:
        self.last_sent = text
        self._to_server({"type": "websocket.receive", "text": text})

    def closed_by_browser(self) -> None:
        """Close the socket from the browser's side.

        If the close frame cannot arrive, the server detects the end by its ping timeout.
        """
        self.schedule.sockets.pop(self.number, None)
        self.is_down_cut = True
        if self.process is None:
            return
        if self.is_up_cut:
            self._call_later(self._end_at_server, SERVER_NOTICES_SECONDS)
        else:
            self._to_server({"type": "websocket.disconnect", "code": 1000})

    def _to_server(self, message: Message) -> None:
        if not self.is_up_cut:
            self._up_at = max(self._up_at + TICK, self.schedule.loop.time() + self._delay())
            self.schedule.loop.call_at(self._up_at, self._arrives, message, context=self.schedule.context)

    def _arrives(self, message: Message) -> None:
        if not self.is_up_cut or message["type"] == "websocket.disconnect":
            self._up.put_nowait(message)

    # -- faults --------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Reset the connection: all data in flight in both directions is lost, and both ends notice soon."""
        self.is_down_cut = self.is_up_cut = True
        self._call_later(self._closed_now)
        self._call_later(self._end_at_server)

    def make_half_open(self, *, up: bool, down: bool) -> None:
        """Make the given directions half-open: nothing arrives there any more, and neither end is notified."""
        self.is_up_cut, self.is_down_cut = self.is_up_cut or up, self.is_down_cut or down
        self._call_later(self._end_at_server, SERVER_NOTICES_SECONDS)

    def repeat(self) -> None:
        """Deliver the browser's last frame once more."""
        if self.last_sent:
            self.send_from_browser(self.last_sent)

    def server_died(self) -> None:
        self.is_down_cut = self.is_up_cut = True
        self._call_later(self._closed_now)

    def _end_at_server(self) -> None:
        self._up.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def _closed_now(self) -> None:
        self.schedule.sockets.pop(self.number, None)
        self.schedule.browsers.do(self.tab, "closed", self.number, 1006)

    def _closed(self, code: int) -> None:
        self.schedule.sockets.pop(self.number, None)
        if not self.is_down_cut:
            self.schedule.browsers.do(self.tab, "closed", self.number, code)

    # -- the server's end ----------------------------------------------------------------------------------

    async def _serve(self, process: Process) -> None:
        scope: Message = {"type": "websocket", "path": "/", "headers": [], "cookies": {}}
        application = (ConsoleConsumer if self.is_console else VisitorConsumer).as_asgi()
        try:
            if self.is_console:
                self.schedule.use_database()
                key = self.schedule.session_of_tab[self.tab]
                scope |= {"user": signed_in(key) or AnonymousUser(), "session": FakeSession(key)}
            await application(scope, self._up.get, self._send)
        except Exception as error:
            # Close with 1011, as Daphne and uvicorn do.
            self.schedule.checker.add_failure(error)
            self.is_over = True
            self._to_browser("closed", 1011)

    async def _send(self, message: Message) -> None:
        if self.is_over:
            raise RuntimeError("sent after the close")
        if message["type"] == "websocket.accept":
            self._to_browser("opened", None)
        elif message["type"] == "websocket.send":
            self.schedule.sent(self, message["text"])
            self._to_browser("frame", message["text"])
        elif message["type"] == "websocket.close":
            self.is_over = True
            self._to_browser("closed", message.get("code", 1000))
            self._call_later(self._end_at_server)

    def _to_browser(self, what: str, detail: Any) -> None:
        loop = self.schedule.loop
        self._down_at = max(self._down_at + TICK, loop.time() + self._delay())
        loop.call_at(self._down_at, self._deliver, what, detail, context=self.schedule.context)

    def _deliver(self, what: str, detail: Any) -> None:
        if self.is_down_cut:
            return
        if what == "closed":
            self._closed(detail)
        else:
            self.schedule.browsers.do(self.tab, what, self.number, detail)

    def _delay(self) -> float:
        return self._rng.choice(DELAYS)

    def _call_later(self, then: Any, seconds: float | None = None) -> None:
        delay = self._delay() if seconds is None else seconds
        self.schedule.loop.call_later(delay, then, context=self.schedule.context)


class Request:
    """One HTTP request of a console to the real views.

    `lost` says in which direction it gets lost: "up" for the request, "down" for the response, "" for neither.
    """

    def __init__(self, schedule: Schedule, tab: str, number: str, method: str, url: str, body: str) -> None:
        self.schedule, self.tab, self.number = schedule, tab, number
        self.method, self.url, self.body = method, url, body
        self.lost = schedule.where_request_is_lost(tab)
        self.process: Process | None = None
        self._call_later(self._arrives)

    def _arrives(self) -> None:
        self.process = self.schedule.pick_process(self.tab)
        if self.process is None or self.lost == "up":
            self._answered(0, "")
            return
        self.schedule.requests[self] = None
        self.process.in_thread(self._serve)

    def _serve(self) -> None:
        request = getattr(requests, self.method.lower())(
            self.url, self.body, content_type="application/json", HTTP_ACCEPT="application/json"
        )
        request.COOKIES = SimpleCookie()
        request.htmx = False
        match = resolve(urlsplit(self.url).path)
        try:
            self.schedule.use_database()
            request.user = signed_in(self.schedule.session_of_tab[self.tab]) or AnonymousUser()
            response: HttpResponse = match.func(request, *match.args, **match.kwargs)
            status, text = response.status_code, response.content.decode()
        except OperationalError:
            status, text = 500, ""
        self.schedule.answered(self, status, text)
        self.schedule.loop.call_later(
            self.schedule.loop.delay(), self._answered, status, text, context=self.schedule.context
        )

    def _answered(self, status: int, text: str) -> None:
        self.schedule.requests.pop(self, None)
        if self.lost == "down":
            status, text = 0, ""
        self.schedule.browsers.do(self.tab, "answer", self.number, status, text)

    def server_died(self) -> None:
        """Handle the death of the process: if it has not sent its response yet, the browser will get none."""
        self.lost = "down"
        self._call_later(self._answer_lost)

    def _answer_lost(self) -> None:
        self._answered(0, "")

    def _call_later(self, then: Any) -> None:
        self.schedule.loop.call_later(self.schedule.loop.delay(), then, context=self.schedule.context)
