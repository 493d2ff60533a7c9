"""A run: everybody in it, from the warm-up over the faults to the final read."""

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
from tests.faults.bank import Bank
from tests.faults.browsers import Browsers
from tests.faults.history import History
from tests.faults.nemesis import Nemesis
from tests.faults.proxy import Proxy
from tests.faults.reader import Reader
from tests.faults.visitor import Visitor
from tests.harness.servers import free_port
from tests.simulation.sources import own_scripts
from tests.simulation.transport import Frame

T = TypeVar("T")

WARM_SECONDS = 60.0
# What a server process keeps as long as somebody is there (`/door/state`).
TABLES = ("sockets", "visitors", "watchers", "staff", "heads", "told")
WORDS = sorted({turn.text for script in own_scripts() for turn in script.turns if len(turn.text) < 120})


@dataclass(frozen=True)
class Plan:
    """`seconds`: how long faults strike, each at least once. `most`: not longer than that, and only those that fit.

    `hold`: how long a fault lasts, from and to, in seconds.
    """

    seconds: float = 0.0
    most: float = 0.0
    seed: int = 1
    only: tuple[str, ...] = ()
    visitors: int = 24
    agents: int = 6
    pace: float = 1.0
    # How many of an agent's answers are followed by a note.
    notes: float = 0.15
    hold: tuple[float, float] = (1.5, 2.5)
    has_browsers: bool = True
    # So long everything may take to settle when all is healed.
    settle_seconds: float = 90.0


class World:
    def __init__(self, bank: Bank, plan: Plan, history: History, *, is_quiet: bool = False) -> None:
        self.bank, self.plan, self.history = bank, plan, history
        self._is_quiet = is_quiet
        self._chance = random.Random(plan.seed)
        ports = [process.port for process in bank.processes]
        self.proxy = Proxy(free_port(), ports, self._dice())
        self.visitors: list[Visitor] = []
        self.agents: list[Agent] = []
        self.browsers: Browsers | None = None
        # Where the page of the bank shows the box.
        self.box_url = ""
        self.nemesis = Nemesis(self, self._dice())
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- what everybody shares ---------------------------------------------------------------------------------

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
            self.wrong("the checker itself", f"{type(error).__name__}: {error}")
            if not self._is_quiet:
                sys.excepthook(type(error), error, error.__traceback__)

    def shown(self, who: str, role: str, conv: str, message: Frame) -> None:
        self.history.note(
            "show",
            who=who,
            role=role,
            conv=conv,
            seq=message["seq"],
            id=message.get("client_id", ""),
            body=message["body"],
        )

    def wrong(self, who: str, words: str) -> None:
        self.history.note("wrong", who=who, words=words)

    def tell(self, words: str) -> None:
        if not self._is_quiet:
            print(words, flush=True)

    def words(self, chance: random.Random) -> str:
        return chance.choice(WORDS)

    def _dice(self) -> random.Random:
        return random.Random(self._chance.getrandbits(64))

    # -- how they are ------------------------------------------------------------------------------------------

    @property
    def answered(self) -> tuple[int, int]:
        """How many messages of visitors and of agents have been accepted."""
        return (
            sum(visitor.accepted_count for visitor in self.visitors),
            sum(agent.accepted_count for agent in self.agents),
        )

    @property
    def is_everybody_back(self) -> bool:
        return all(visitor.first.is_welcomed for visitor in self.visitors) and all(
            agent.is_welcomed or agent.is_shut_out for agent in self.agents
        )

    # -- a run -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Warm up, be struck, heal, settle, read. Everything that happens is in the history."""
        await self.proxy.start()
        try:
            await self._gather()
            self.tell(f"{len(self.visitors)} visitors and {len(self.agents)} agents talk; now the faults:")
            await self._suffer()
            await self._heal()
            await self._read()
        finally:
            await self._leave()

    async def _gather(self) -> None:
        plan = self.plan
        for name, member in self.bank.staff.items():
            if not member["sees_all"]:
                self.history.note("staff", who=name, departments=member["departments"])
        for number in range(plan.agents):
            name = f"a{number}"
            agent = Agent(self, name, self.bank.staff[name]["sessions"][0], self._dice())
            self.agents.append(agent)
            self.spawn(agent.run())
        for number in range(plan.visitors):
            visitor = Visitor(
                self, f"v{number}", self._dice(), tabs=2 if number % 6 == 1 else 1, is_bursty=number % 3 == 2
            )
            self.visitors.append(visitor)
            self.spawn(visitor.run())
        if plan.has_browsers:
            self.browsers = Browsers(self, self._dice())
            await self.browsers.open()
        await self._until(
            lambda: (
                all(visitor.accepted_count for visitor in self.visitors)
                and any(agent.accepted_count for agent in self.agents)
            ),
            WARM_SECONDS,
            "not everybody was talking",
        )

    async def _suffer(self) -> None:
        now = time.monotonic()
        until, at_most = now + self.plan.seconds, now + (self.plan.most or float("inf"))
        only = list(self.plan.only)
        await asyncio.gather(
            self.nemesis.rage("servers", only, until, at_most),
            self.nemesis.rage("world", only, until, at_most),
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
        self.history.note("fault", name="healed", phase="healed", words="")
        await self._until(
            lambda: (
                all(visitor.is_settled and visitor.first.is_welcomed for visitor in self.visitors)
                and all(agent.is_settled and agent.is_welcomed for agent in self.agents)
                and (self.browsers is None or self.browsers.is_settled)
            ),
            self.plan.settle_seconds,
            "",
        )
        for words in self._unsettled():
            self.wrong("settling", words)

    def _unsettled(self) -> list[str]:
        found = [f"{one.name} was not answered" for one in self.visitors if not one.is_settled]
        found += [f"{one.name} has no line" for one in self.visitors if not one.first.is_welcomed]
        found += [f"{one.name} is not done" for one in self.agents if not one.is_settled]
        found += [f"{one.name} has no line" for one in self.agents if not one.is_welcomed]
        return found

    async def _read(self) -> None:
        """Waits until the screens show what is stored, or the time is over; then everybody reads, and SQL."""
        deadline = time.monotonic() + self.plan.settle_seconds
        while True:
            heads = await asyncio.to_thread(stored.heads, self.bank.postgres.url)
            departments = await asyncio.to_thread(stored.departments, self.bank.postgres.url)
            if self._show_all(heads, departments) or time.monotonic() > deadline:
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
        known = {record["conv"] for record in self.history.records if record["op"] == "begin"}
        reader = Reader(self, self.bank.staff["yun"]["sessions"][0], self._dice())
        await reader.read(sorted(known & heads.keys()), self.plan.settle_seconds)
        await asyncio.to_thread(stored.read_all, self.bank.postgres.url, self.history)

    def _show_all(self, heads: dict[str, int], departments: dict[str, str]) -> bool:
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
            # What has gone to a department that is not theirs goes on without them.
            if uuid in agent.mine or departments.get(uuid) in agent.departments
        ]
        is_whole = all(heads.get(uuid) == head for uuid, head in screens)
        return is_whole and (self.browsers is None or self.browsers.shows(heads))

    async def _leave(self) -> None:
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

    async def look_back(self) -> None:
        """When everybody has gone nothing is left: no socket, no table of them, no key in Redis, no transaction."""
        deadline = time.monotonic() + self.plan.settle_seconds
        while left := await self._left():
            if time.monotonic() > deadline:
                self.wrong("what is left", ", ".join(left))
                return
            await asyncio.sleep(0.2)

    async def _left(self) -> list[str]:
        found = []
        for process in self.bank.processes:
            state = await process.door("state") or {"answer": "none"}
            found += [f"{process.kind}: {state[name]} {name}" for name in TABLES if state.get(name, 1)]
        return found + await asyncio.to_thread(self.bank.leftovers)

    async def _until(self, is_true: Any, seconds: float, otherwise: str) -> None:
        deadline = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > deadline:
                if otherwise:
                    self.wrong("the run", otherwise)
                return
            await asyncio.sleep(0.05)
