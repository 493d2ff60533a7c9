"""Everything of one schedule: processes, doorbell, network, browsers; what people do in it, and what breaks."""

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
from tests.machine.clock import BEGINNING, SimulatedLoop, clock
from tests.machine.judge import Judge
from tests.machine.network import Request, Socket
from tests.machine.notifications import Doorbell
from tests.machine.process import Process
from tests.people import Cast

if TYPE_CHECKING:
    from tests.machine.stage import Stage

# Within so much simulated time after the last fault everybody has everything.
HEALED_WITHIN_SECONDS = 120.0


class World:
    def __init__(self, stage: Stage, seed: int) -> None:
        stage.restore()
        stage.serial = 0
        self.seed = seed
        self.cast: Cast = stage.cast
        self.sessions: dict[str, list[str]] = {who: list(keys) for who, keys in stage.sessions.items()}
        self.loop = clock.loop = SimulatedLoop()
        self.loop.dice.seed(seed)
        self.loop.set_exception_handler(self._failed)
        self.context = copy_context()
        self.database_is_away = False
        self.is_network_down: set[str] = set()
        self.frozen: set[str] = set()
        self.sockets: dict[str, Socket] = {}
        self.requests: dict[Request, None] = {}
        self.session_of_tab: dict[str, str] = {}
        self.staff_of_tab: dict[str, Staff] = {}
        self.doorbell = Doorbell(self.loop)
        channel_layers.set("default", self.doorbell)
        self.judge = Judge(self)
        self.processes = [Process(self), Process(self)]
        self.browsers = self._within(lambda: Browsers(self, stage.node, seed))

    def milliseconds(self) -> int:
        return round((BEGINNING.timestamp() + self.loop.time()) * 1000)

    def seconds_at(self, milliseconds: float) -> float:
        return milliseconds / 1000 - BEGINNING.timestamp() + 0.0005

    # -- time ----------------------------------------------------------------------------------------------

    def go_on(self, seconds: float) -> None:
        """Lets so much time go by, with all that happens in it."""
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def _within(self, work: Callable[[], Any]) -> Any:
        """Runs it on the loop, where timers may be set, on behalf of nobody's process."""

        async def run() -> Any:
            return work()

        return self.loop.run_until_complete(self.loop.create_task(run(), context=self.context))

    def do(self, tab: str, what: str, *details: Any) -> None:
        self._within(lambda: self.browsers.do(tab, what, *details))

    def screens(self) -> dict[str, Screen]:
        screens: dict[str, Screen] = self._within(self.browsers.screens)
        return screens

    # -- people --------------------------------------------------------------------------------------------

    def freeze(self, tab: str) -> None:
        """As a phone does with a tab in its pocket."""
        self.frozen.add(tab)
        self.do(tab, "freeze")

    def wake(self, tab: str) -> None:
        self.frozen.discard(tab)
        self.do(tab, "wake")

    def open_box(self, tab: str, profile: str) -> None:
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
        """A colleague does something on one of the processes; a refusal is theirs to read."""
        process = self.some_process("")
        if process is None:
            return

        def run() -> None:
            try:
                self.ask_database()
                work(**details)
            except (Refusal, PermissionDenied, OperationalError):
                pass

        self._within(lambda: process.in_thread(run))

    # -- faults --------------------------------------------------------------------------------------------

    def ask_database(self) -> None:
        if self.database_is_away:
            raise OperationalError("the database is away")

    def some_process(self, tab: str) -> Process | None:
        """Whom the proxy in front gives the next request to: any, none is sticky. None: it does not get there."""
        alive = [process for process in self.processes if not process.is_dead]
        if not alive or tab in self.is_network_down:
            return None
        return self.loop.dice.choice(alive)

    def loses_request(self, tab: str) -> str:
        return self.loop.dice.choice(("up", "down")) if tab in self.is_network_down else ""

    def kill(self, process: Process) -> None:
        process.kill()
        for socket in list(self.sockets.values()):
            if socket.process is process:
                socket.server_died()
        for request in list(self.requests):
            if request.process is process:
                request.server_died()

    def restart(self) -> None:
        """Processes that died are started again."""
        self.processes = [Process(self) if process.is_dead else process for process in self.processes]

    def lines(self, tab: str) -> Sequence[Socket]:
        return [socket for socket in self.sockets.values() if socket.tab == tab and not socket.is_over]

    def cut_requests(self, tab: str) -> None:
        for request in self.requests:
            if request.tab == tab:
                request.lost = "down"

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.judge.failed(context.get("exception"))

    # -- what is noted -------------------------------------------------------------------------------------

    def sent(self, socket: Socket, text: str) -> None:
        try:
            self.judge.frame(socket, text)
        except AssertionError as wrong:
            # The consumer would take it for a line that is broken.
            self.judge.failures.append(str(wrong))

    def answered(self, request: Request, status: int, text: str) -> None:
        if status == 200 and '"accepted"' in text:
            self.judge.accepted(msgspec.json.decode(text)["accepted"])

    # -- the end -------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Mends everything, waits until all is well, and says what is not."""
        self.database_is_away = False
        self.is_network_down.clear()
        self.doorbell.how = "sound"
        for process in self.processes:
            process.commits_left = -1
        self.restart()
        for tab in self.screens():
            self.wake(tab)
        wrong = ["nothing was looked at"]
        until = self.loop.time() + HEALED_WITHIN_SECONDS
        while wrong and self.loop.time() < until:
            self.go_on(3)
            self.judge.look()
            wrong = self.judge.wrong_at_the_end()
        assert not wrong, "\n".join(wrong)

    def end(self) -> None:
        self.loop.end()
        clock.loop = None
