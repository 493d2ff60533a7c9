"""One run of the simulation: its visitors and agents, their shared data, and the result."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.harness.reader import Reader
from tests.simulation import pace
from tests.simulation.agent import Agent
from tests.simulation.check import compare
from tests.simulation.sources import Script, Scripts
from tests.simulation.visitor import Visitor

# A run uses the first agents of this list. The first two together cover all departments.
AGENTS = ("zhao", "tang", "sun", "qian", "he", "lin")
SUPERVISOR = "zhou"
# The time for the visitors who are still in the queue after the last arrival: simulated seconds plus real seconds.
QUEUE_SECONDS, QUEUE_REAL_SECONDS = 900.0, 60.0
CHECK_SECONDS = 15.0


@dataclass(frozen=True)
class Plan:
    url: str = "http://127.0.0.1:8000"
    site: str = "demo"
    password: str = ""
    visitors: int = 20
    agents: int = 0
    minutes: float = 10
    pace: float = 1
    from_hour: float = 9
    seed: int = 1


@dataclass
class Outcome:
    """The result of a run. `losses` describes everything that went wrong: messages that are lost, doubled, changed or
    out of order, and errors of visitors and agents."""

    visitors: list[Visitor]
    agents: list[Agent]
    latencies: list[float]
    losses: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        answers = (len(seqs) for agent in self.agents for seqs in agent.accepted.values())
        return sum(len(visitor.accepted) for visitor in self.visitors) + sum(answers)

    def summary(self) -> str:
        by_language = [visitor.script.language for visitor in self.visitors]
        cuts = sum(visitor.socket.reconnects for visitor in self.visitors)
        cuts += sum(agent.socket.reconnects for agent in self.agents)
        ordered = sorted(self.latencies)
        parts = [
            f"{len(self.visitors)} visitors ({by_language.count('zh')} zh, {by_language.count('en')} en)",
            f"{self.acknowledged} messages acknowledged",
            f"{sum(visitor.left_queue for visitor in self.visitors)} left the queue",
            f"{cuts} reconnects, {sum(visitor.reloads for visitor in self.visitors)} reloads",
        ]
        if ordered:
            p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
            parts.append(f"visitor to agent p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
        parts.append(f"{len(self.losses)} WRONG" if self.losses else "nothing lost, doubled or out of order")
        return "; ".join(parts)


class Simulation:
    def __init__(self, plan: Plan, scripts: Scripts) -> None:
        self.plan = plan
        self.url = plan.url.rstrip("/")
        self.site = plan.site
        self.password = plan.password
        self.has_agents = plan.agents > 0
        self.scripts: dict[str, Script] = {}
        self.sent_at: dict[str, float] = {}
        self.latencies: list[float] = []
        self.is_over = False
        self.is_stopping = False
        self._source = scripts
        self._rng = random.Random(plan.seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: list[str] = []

    @property
    def websocket_url(self) -> str:
        return "ws" + self.url.removeprefix("http")

    def real(self, simulated_seconds: float) -> float:
        return pace.Pace(self.plan.pace).real(simulated_seconds)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed.append(f"{type(error).__name__}: {error}")

    async def run(self) -> Outcome:
        """Run all visitors and agents, then compare what they sent and saw with the stored messages. Raises
        SignInFailed or OSError."""
        agents = [Agent(self, name, self._new_rng()) for name in AGENTS[: self.plan.agents]]
        # Sign in one after the other: if six passwords were checked at once, the server could do nothing else.
        for agent in agents:
            await agent.start()
        reader = Reader(self.url, self.websocket_url, rng=self._new_rng())
        await reader.http.sign_in(SUPERVISOR, self.password)
        times = pace.arrivals(
            self._rng,
            visitors=self.plan.visitors,
            minutes=self.plan.minutes,
            from_hour=self.plan.from_hour,
        )
        visitors = [Visitor(self, self._source.next(), self._new_rng()) for _ in times]
        runs = [
            asyncio.create_task(self._run_visitor(visitor, at))
            for visitor, at in zip(visitors, times, strict=True)
        ]
        last = self.real(self.plan.minutes * 60 + QUEUE_SECONDS) + QUEUE_REAL_SECONDS
        _, unfinished = await asyncio.wait(runs, timeout=last)
        self.is_over = True
        if unfinished:
            await asyncio.wait(unfinished, timeout=CHECK_SECONDS)
        for agent in agents:
            await agent.wait_until_finished(self.real(120) + CHECK_SECONDS)
        self.is_stopping = True
        for run in runs:
            run.cancel()
        outcome = Outcome(visitors, agents, self.latencies)
        outcome.losses = self._failed + await compare(visitors, agents, reader, self.spawn, CHECK_SECONDS)
        for visitor in visitors:
            await visitor.socket.close()
        for agent in agents:
            await agent.close()
        await reader.socket.close()
        for task in tuple(self._tasks):
            task.cancel()
        return outcome

    def _new_rng(self) -> random.Random:
        return random.Random(self._rng.getrandbits(64))

    async def _run_visitor(self, visitor: Visitor, at: float) -> None:
        await asyncio.sleep(self.real(at))
        await visitor.run()
