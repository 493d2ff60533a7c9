"""One run of the fault checker, with its clients, from the warm-up through the faults to the final reading of the
screens."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.faults import stored
from tests.faults.agent import Agent
from tests.faults.bank import ROUTED, ROUTED_AGENTS, Bank
from tests.faults.browsers import Browsers
from tests.faults.checker import MAX_WAIT_SECONDS
from tests.faults.fault_schedule import FaultScheduler
from tests.faults.history import History
from tests.faults.proxy import Proxy
from tests.faults.visitor import FAST, Visitor, rows_of
from tests.harness.reader import Reader
from tests.harness.servers import free_port
from tests.harness.thread import Message
from tests.simulation.sources import own_scripts

T = TypeVar("T")

WARM_UP_SECONDS = 60.0
# The tables of the hub in a server process (`/fault-injection/state`). They must be empty when no client is connected.
TABLES = ("sockets", "visitors", "watchers", "staff", "heads", "told")
TEXTS = sorted({turn.text for script in own_scripts() for turn in script.turns if len(turn.text) < 120})


@dataclass(frozen=True)
class Plan:
    """The parameters of a run.

    - `seconds`: time for faults; each fault runs at least once, even if that takes longer.
    - `max_seconds`: no fault starts after this time, even if some have not run yet; 0 means no limit.
    - `hold_range`: the shortest and the longest duration of a fault, in seconds.
    """

    seconds: float = 0.0
    max_seconds: float = 0.0
    seed: int = 1
    only: tuple[str, ...] = ()
    visitors: int = 24
    # The departments of the visitors, in turn.
    departments: tuple[str, ...] = ("cards", "loans", "cards", "savings")
    agents: int = 6
    # The shares of offers that agents accept in time, accept too late, and decline. They miss the others.
    accepted_share: float = 0.6
    late_share: float = 0.1
    declined_share: float = 0.15
    pace: float = 1.0
    # The share of an agent's answers that are followed by a note.
    note_share: float = 0.15
    hold_range: tuple[float, float] = (1.5, 2.5)
    has_browsers: bool = True
    # Seconds for everything to settle after healing.
    settle_seconds: float = 90.0


class Scenario:
    def __init__(self, bank: Bank, plan: Plan, history: History, *, is_quiet: bool = False) -> None:
        self.bank, self.plan, self.history = bank, plan, history
        self._is_quiet = is_quiet
        self._rng = random.Random(plan.seed)
        ports = [process.port for process in bank.processes]
        self.proxy = Proxy(free_port(), ports, self._new_rng())
        self.visitors: list[Visitor] = []
        self.agents: list[Agent] = []
        self.browsers: Browsers | None = None
        # The URL of the bank's page that shows the widget.
        self.widget_page_url = ""
        self.scheduler = FaultScheduler(self, self._new_rng())
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- shared by all clients -----------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return self.proxy.url

    @property
    def websocket_url(self) -> str:
        return self.proxy.websocket_url

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.note_error("the checker itself", f"{type(error).__name__}: {error}")
            if not self._is_quiet:
                sys.excepthook(type(error), error, error.__traceback__)

    def note_shown(self, who: str, role: str, conv: str, message: Message) -> None:
        self.history.append(
            "show",
            who=who,
            role=role,
            conv=conv,
            seq=message["seq"],
            id=message.get("client_id", ""),
            body=message["body"],
        )

    def note_error(self, who: str, description: str) -> None:
        self.history.append("wrong", who=who, description=description)

    def report(self, text: str) -> None:
        if not self._is_quiet:
            print(text, flush=True)

    def random_text(self, rng: random.Random) -> str:
        return rng.choice(TEXTS)

    def _new_rng(self) -> random.Random:
        return random.Random(self._rng.getrandbits(64))

    # -- status --------------------------------------------------------------------------------------------------

    @property
    def accepted_counts(self) -> tuple[int, int]:
        """The numbers of messages accepted from visitors and from agents."""
        return (
            sum(visitor.accepted_count for visitor in self.visitors),
            sum(agent.accepted_count for agent in self.agents),
        )

    @property
    def is_everyone_connected(self) -> bool:
        return all(visitor.first.is_welcomed for visitor in self.visitors) and all(
            agent.is_welcomed or agent.is_shut_out for agent in self.agents
        )

    # -- a run -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Warm up, inject the faults, heal, settle, and read everything back. All events go into the history."""
        await self.proxy.start()
        try:
            await self._start_clients()
            self.report(
                f"{len(self.visitors)} visitors and {len(self.agents)} agents are writing; injecting faults:"
            )
            await self._inject_faults()
            await self._heal()
            await self._read_everything()
        finally:
            await self._stop_clients()

    async def _start_clients(self) -> None:
        plan = self.plan
        for name, member in self.bank.staff.items():
            if not member["sees_all"]:
                about = {field: member[field] for field in ("departments", "capacity", "number", "pk")}
                self.history.append("staff", who=name, **about)
        self.history.append("routing", departments=ROUTED)
        names = [f"a{number}" for number in range(plan.agents)]
        for name in [*names, *(f"r{number}" for number in range(ROUTED_AGENTS))]:
            agent = Agent(self, name, self.bank.staff[name]["sessions"][0], self._new_rng())
            self.agents.append(agent)
            self.spawn(agent.run())
        for number in range(plan.visitors):
            visitor = Visitor(
                self,
                f"v{number}",
                self._new_rng(),
                department=plan.departments[number % len(plan.departments)],
                tabs=2 if number % 6 == 1 else 1,
                is_bursty=number % 3 == 2,
            )
            self.visitors.append(visitor)
            self.spawn(visitor.run())
        if plan.has_browsers:
            self.browsers = Browsers(self, self._new_rng())
            await self.browsers.open()
        await self._until(
            lambda: (
                all(visitor.accepted_count for visitor in self.visitors)
                and any(agent.accepted_count for agent in self.agents)
            ),
            WARM_UP_SECONDS,
            "not every visitor and agent was writing",
        )

    async def _inject_faults(self) -> None:
        now = time.monotonic()
        until, at_most = now + self.plan.seconds, now + (self.plan.max_seconds or float("inf"))
        only = list(self.plan.only)
        await asyncio.gather(
            self.scheduler.run_track("servers", only, until, at_most),
            self.scheduler.run_track("clients", only, until, at_most),
        )

    async def _heal(self) -> None:
        self.proxy.heal()
        await asyncio.to_thread(self.bank.heal)
        for visitor in self.visitors:
            visitor.is_over = True
        for agent in self.agents:
            agent.is_over = True
        if self.browsers is not None:
            self.browsers.is_over = True
        self.history.append("fault", name="healed", track="", phase="healed", description="")
        await self._until(
            lambda: (
                all(visitor.is_settled and visitor.first.is_welcomed for visitor in self.visitors)
                and all(agent.is_settled and agent.is_welcomed for agent in self.agents)
                and (self.browsers is None or self.browsers.is_settled)
            ),
            self.plan.settle_seconds,
            "",
        )
        for description in self._unsettled():
            self.note_error("settling", description)

    def _unsettled(self) -> list[str]:
        unsettled = [f"{client.name} was not answered" for client in self.visitors if not client.is_settled]
        unsettled += [
            f"{client.name} is not connected" for client in self.visitors if not client.first.is_welcomed
        ]
        unsettled += [f"{client.name} has not finished" for client in self.agents if not client.is_settled]
        unsettled += [f"{client.name} is not connected" for client in self.agents if not client.is_welcomed]
        return unsettled

    async def _read_everything(self) -> None:
        """Wait until the screens show all stored messages, or the time is up. Then record every screen and the
        database."""
        await self._wait_for_router()
        deadline = time.monotonic() + self.plan.settle_seconds
        while True:
            heads = await asyncio.to_thread(stored.heads, self.bank.postgres.url)
            departments = await asyncio.to_thread(stored.departments, self.bank.postgres.url)
            lists = await asyncio.to_thread(stored.lists, self.bank.postgres.url)
            is_over = self._show_everything(heads, departments) and self._list_everything(lists)
            if is_over or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.2)
        for visitor in self.visitors:
            for screen in visitor.screens:
                if screen.conversation:
                    screen.read()
        for agent in self.agents:
            agent.read()
        if self.browsers is not None:
            await self.browsers.read()
        started = {record["conv"] for record in self.history.records if record["op"] == "begin"}
        await self._read_as_supervisor(sorted(started & heads.keys()))
        await asyncio.to_thread(stored.read_all, self.bank.postgres.url, self.history)
        await asyncio.to_thread(stored.read_routing, self.bank.postgres.url, self.history)

    async def _wait_for_router(self) -> None:
        """Wait until the router has nothing to do, or until it has had more time than the rules allow."""
        deadline = time.monotonic() + min(MAX_WAIT_SECONDS + 1, self.plan.settle_seconds)
        while await asyncio.to_thread(stored.unrouted, self.bank.postgres.url):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.2)

    def _list_everything(self, lists: dict[str, tuple[set[str], set[str]]]) -> bool:
        return all(lists[agent.name] == (agent.mine, set(agent.offers)) for agent in self.agents)

    async def _read_as_supervisor(self, conversations: list[str]) -> None:
        """Record every conversation as a newly opened console shows it."""
        session = self.bank.staff["yun"]["sessions"][0]
        reader = Reader(
            self.url, self.websocket_url, rng=self._new_rng(), cookies={"sessionid": session}, timing=FAST
        )
        running = self.spawn(reader.socket.run())
        deadline = time.monotonic() + self.plan.settle_seconds
        for uuid in conversations:
            thread = await reader.read(uuid, deadline - time.monotonic())
            self.history.append("read", who="yun", role="agent", conv=uuid, rows=rows_of(thread))
        await reader.socket.close()
        running.cancel()

    def _show_everything(self, heads: dict[str, int], departments: dict[str, str]) -> bool:
        screens = [
            (screen.conversation, screen.thread.head)
            for visitor in self.visitors
            for screen in visitor.screens
            if screen.conversation
        ]
        screens += [
            (uuid, thread.head)
            for agent in self.agents
            for uuid, thread in agent.threads.items()
            # A conversation that went to another department continues without this agent.
            if uuid in agent.mine or departments.get(uuid) in agent.departments
        ]
        is_whole = all(heads.get(uuid) == head for uuid, head in screens)
        return is_whole and (self.browsers is None or self.browsers.shows(heads))

    async def _stop_clients(self) -> None:
        if self.browsers is not None:
            await self.browsers.close()
        for visitor in self.visitors:
            await visitor.close()
        for agent in self.agents:
            await agent.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.proxy.stop()

    async def check_leftovers(self) -> None:
        """Record an error if a socket, a hub-table entry, a Redis key or a transaction is left after all clients have
        gone."""
        deadline = time.monotonic() + self.plan.settle_seconds
        while left := await self._leftovers():
            if time.monotonic() > deadline:
                self.note_error("leftovers", ", ".join(left))
                return
            await asyncio.sleep(0.2)

    async def _leftovers(self) -> list[str]:
        found = []
        for process in self.bank.processes:
            state = await process.control("state") or {"answer": "none"}
            found += [f"{process.kind}: {state[name]} {name}" for name in TABLES if state.get(name, 1)]
        return found + await asyncio.to_thread(self.bank.leftovers)

    async def _until(self, is_true: Any, seconds: float, otherwise: str) -> None:
        deadline = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > deadline:
                if otherwise:
                    self.note_error("the run", otherwise)
                return
            await asyncio.sleep(0.05)
