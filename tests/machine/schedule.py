"""One schedule: its processes, channel layer, network and browsers, the actions of people, and the faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import msgspec
from channels.layers import channel_layers
from django.core.exceptions import PermissionDenied
from django.db import OperationalError

from accounts.models import Staff
from chat.errors import Refusal
from console.inbox.initial_state import initial_state
from tests.machine.browsers import Browsers, Screen
from tests.machine.clock import START, SimulatedLoop, clock
from tests.machine.invariants import InvariantChecker
from tests.machine.network import Request, Socket
from tests.machine.notifications import UnreliableChannelLayer
from tests.machine.process import Process
from tests.people import Cast

if TYPE_CHECKING:
    from tests.machine.environment import Environment

# Simulated seconds after healing within which every screen must show everything.
MAX_HEALING_SECONDS = 120.0


class Schedule:
    def __init__(self, environment: Environment, seed: int) -> None:
        environment.restore()
        environment.socket_count = 0
        self.seed = seed
        self.cast: Cast = environment.cast
        self.sessions: dict[str, list[str]] = {who: list(keys) for who, keys in environment.sessions.items()}
        self.loop = clock.loop = SimulatedLoop()
        self.loop.rng.seed(seed)
        self.loop.set_exception_handler(self._handle_exception)
        self.context = copy_context()
        self.is_database_down = False
        self.is_network_down: set[str] = set()
        self.frozen: set[str] = set()
        self.sockets: dict[str, Socket] = {}
        self.requests: dict[Request, None] = {}
        self.session_of_tab: dict[str, str] = {}
        self.staff_of_tab: dict[str, Staff] = {}
        self.channel_layer = UnreliableChannelLayer(self.loop)
        channel_layers.set("default", self.channel_layer)
        self.checker = InvariantChecker(self)
        self.processes = [Process(self), Process(self)]
        self.browsers = self._run_on_loop(lambda: Browsers(self, environment.node, seed))

    def milliseconds(self) -> int:
        return round((START.timestamp() + self.loop.time()) * 1000)

    def seconds_at(self, milliseconds: float) -> float:
        return milliseconds / 1000 - START.timestamp() + 0.0005

    # -- time ----------------------------------------------------------------------------------------------

    def run_for(self, seconds: float) -> None:
        """Run the loop for `seconds` of simulated time."""
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def _run_on_loop(self, work: Callable[[], Any]) -> Any:
        """Run `work` on the loop, where it may set timers, but outside any server process."""

        async def run() -> Any:
            return work()

        return self.loop.run_until_complete(self.loop.create_task(run(), context=self.context))

    def do(self, tab: str, what: str, *details: Any) -> None:
        self._run_on_loop(lambda: self.browsers.do(tab, what, *details))

    def screens(self) -> dict[str, Screen]:
        screens: dict[str, Screen] = self._run_on_loop(self.browsers.screens)
        return screens

    # -- people --------------------------------------------------------------------------------------------

    def freeze(self, tab: str) -> None:
        """Freeze a tab, as a phone does with a page in the background."""
        self.frozen.add(tab)
        self.do(tab, "freeze")

    def wake(self, tab: str) -> None:
        self.frozen.discard(tab)
        self.do(tab, "wake")

    def open_widget(self, tab: str, profile: str) -> None:
        self.frozen.discard(tab)
        self.do(tab, "load", profile, False)

    def open_console(self, tab: str, staff: Staff) -> None:
        self.frozen.discard(tab)
        if tab not in self.session_of_tab:
            self.session_of_tab[tab] = self.sessions[staff.username].pop()
            self.staff_of_tab[tab] = staff
        first = msgspec.to_builtins(initial_state(staff))
        self.do(tab, "load", tab, True, first)

    def departments_of(self, staff: Staff) -> set[int]:
        return set(staff.departments.values_list("pk", flat=True))

    def act(self, work: Callable[..., object], **details: Any) -> None:
        """Perform a staff action on one of the processes. Refusals are ignored."""
        process = self.pick_process("")
        if process is None:
            return

        def run() -> None:
            try:
                self.use_database()
                work(**details)
            except (Refusal, PermissionDenied, OperationalError):
                pass

        self._run_on_loop(lambda: process.in_thread(run))

    # -- faults --------------------------------------------------------------------------------------------

    def use_database(self) -> None:
        if self.is_database_down:
            raise OperationalError("the database is unavailable")

    def pick_process(self, tab: str) -> Process | None:
        """Return a random running process, as a load balancer without sticky sessions would.

        The result is None if no process is running or if the tab's network is down.
        """
        running = [process for process in self.processes if not process.is_dead]
        if not running or tab in self.is_network_down:
            return None
        return self.loop.rng.choice(running)

    def where_request_is_lost(self, tab: str) -> str:
        return self.loop.rng.choice(("up", "down")) if tab in self.is_network_down else ""

    def kill(self, process: Process) -> None:
        process.kill()
        for socket in list(self.sockets.values()):
            if socket.process is process:
                socket.server_died()
        for request in list(self.requests):
            if request.process is process:
                request.server_died()

    def restart(self) -> None:
        """Replace each dead process with a new one."""
        self.processes = [Process(self) if process.is_dead else process for process in self.processes]

    def open_sockets(self, tab: str) -> Sequence[Socket]:
        return [socket for socket in self.sockets.values() if socket.tab == tab and not socket.is_over]

    def cut_requests(self, tab: str) -> None:
        for request in self.requests:
            if request.tab == tab:
                request.lost = "down"

    def _handle_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.checker.add_failure(context.get("exception"))

    # -- checks ------------------------------------------------------------------------------------------------

    def sent(self, socket: Socket, text: str) -> None:
        try:
            self.checker.check_frame(socket, text)
        except AssertionError as error:
            # Record the error and do not raise it, because the consumer would take it for a broken connection.
            self.checker.failures.append(str(error))

    def answered(self, request: Request, status: int, text: str) -> None:
        if status == 200 and '"accepted"' in text:
            self.checker.check_accepted(msgspec.json.decode(text)["accepted"])

    # -- the end -------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Heal all faults and wait until every screen shows all messages. If that takes too long, fail with a list of
        what is missing."""
        self.is_database_down = False
        self.is_network_down.clear()
        self.channel_layer.mode = "reliable"
        for process in self.processes:
            process.commits_left = -1
        self.restart()
        for tab in self.screens():
            self.wake(tab)
        missing = ["nothing was checked yet"]
        until = self.loop.time() + MAX_HEALING_SECONDS
        while missing and self.loop.time() < until:
            self.run_for(3)
            self.checker.check()
            missing = self.checker.missing_at_the_end()
        assert not missing, "\n".join(missing)

    def end(self) -> None:
        self.loop.end()
        clock.loop = None
