"""The plan of a day: every contact and every agent, with all that chance decides. It needs no database.

The runs that are compared use the same plan, so they have the same customers and the same agents.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from tests.simulation import pace
from tests.simulation.day import shapes
from tests.simulation.day.shapes import HOUR

Period = tuple[float, float]
# How agents get conversations: from the router, or by hand, first come, first served.
RunMode = Literal["router", "pull"]
MODES: tuple[RunMode, ...] = ("router", "pull")


@dataclass(frozen=True)
class Turn:
    """The seconds in which an agent with one conversation answers a message, and those until the customer's next."""

    reply: float
    think: float


@dataclass(frozen=True)
class Contact:
    """A customer who begins a conversation at `at`, in seconds of the day."""

    at: float
    visitor: UUID
    department: str
    language: str
    patience: float
    turns: tuple[Turn, ...]
    wrap_up: float
    is_emergency: bool
    falls_silent: bool
    is_ended_by_agent: bool


@dataclass(frozen=True)
class AgentPlan:
    """An agent. `speed` and `reaction` multiply the durations; `english` is the level of the skill, or 0."""

    number: str
    shift: str
    team: str
    hours: tuple[Period, ...]
    breaks: tuple[Period, ...]
    english: int
    speed: float
    reaction: float
    leaves_abruptly: bool


@dataclass(frozen=True)
class Plan:
    """`losses` are the periods in which an agent has no network: the agent's index and the period. `kills` are the
    times at which a server process is killed."""

    seed: int
    contacts: tuple[Contact, ...]
    agents: tuple[AgentPlan, ...]
    losses: tuple[tuple[int, Period], ...] = ()
    kills: tuple[float, ...] = ()
    begins: float = field(default=0.0)

    @property
    def ends(self) -> float:
        """The time at which all customers must have been served."""
        return self.contacts[-1].at + 2 * HOUR


def draw_plan(*, seed: int = 1, contacts: int = shapes.CONTACTS, surge: bool = False) -> Plan:
    """Return a random plan. The same arguments give the same plan.

    With fewer contacts than those of a whole day, the plan has the first ones that come after 9:00, at the same rate,
    or in the hour of the surge.
    """
    rng = random.Random(seed)
    times = pace.arrivals(rng, visitors=max(contacts, shapes.CONTACTS), minutes=24 * 60, from_hour=0)
    begins = 0.0
    if surge:
        start = shapes.SURGE_HOUR * HOUR
        others = [at for at in times if not start <= at < start + HOUR]
        times = sorted([*others, *(start + rng.uniform(0, HOUR) for _ in range(shapes.SURGE_CONTACTS))])
    if contacts < shapes.CONTACTS:
        begins = (shapes.SURGE_HOUR if surge else 9) * HOUR
        times = [at for at in times if at >= begins][:contacts]
    people = _agents(rng)
    drawn: list[Contact] = []
    for at in times:
        drawn.append(_contact(rng, at, drawn))
    return Plan(seed, tuple(drawn), people, _losses(rng, drawn, people), _kills(times), begins)


def _contact(rng: random.Random, at: float, earlier: Sequence[Contact]) -> Contact:
    visitor = UUID(int=rng.getrandbits(128), version=4)
    if earlier and rng.random() < shapes.RETURNING:
        candidate = rng.choice(earlier)
        has_newer = any(other.visitor == candidate.visitor for other in earlier if other.at > candidate.at)
        if not has_newer and at - candidate.at > shapes.RETURNS_AFTER:
            visitor = candidate.visitor
    (department,) = rng.choices(shapes.DEPARTMENTS, [shape.share for shape in shapes.DEPARTMENTS])
    return Contact(
        at=at,
        visitor=visitor,
        department=department.code,
        language="en" if rng.random() < shapes.ENGLISH else "zh",
        patience=pace.patience(rng),
        turns=_turns(rng),
        wrap_up=shapes.WRAP_UP.draw(rng),
        is_emergency=rng.random() < shapes.EMERGENCIES,
        falls_silent=rng.random() < shapes.FALLS_SILENT,
        is_ended_by_agent=rng.random() < shapes.ENDED_BY_AGENT,
    )


def _turns(rng: random.Random) -> tuple[Turn, ...]:
    """Return turns that together last a random service time."""
    service = pace.SERVICE.draw(rng)
    count = min(shapes.MAX_TURNS, max(1, round(service / shapes.SECONDS_A_TURN)))
    drawn = [(pace.AGENT.draw(rng), pace.CUSTOMER.draw(rng)) for _ in range(count)]
    scale = service / sum(reply + think for reply, think in drawn)
    return tuple(Turn(reply * scale, think * scale) for reply, think in drawn)


def _agents(rng: random.Random) -> tuple[AgentPlan, ...]:
    people: list[AgentPlan] = []
    for shift in shapes.SHIFTS:
        hours = tuple((start * HOUR, end * HOUR) for start, end in shift.hours)
        start, end = hours[0]
        for team, count in shift.teams.items():
            for _ in range(count):
                breaks = []
                for share, length in shapes.BREAKS:
                    around = share + rng.uniform(-shapes.BREAK_SHIFT, shapes.BREAK_SHIFT)
                    at = start + around * (end - start)
                    breaks.append((at, at + length))
                agent = AgentPlan(
                    number=str(1001 + len(people)),
                    shift=shift.name,
                    team=team,
                    hours=hours,
                    breaks=tuple(breaks),
                    english=rng.randint(2, 5) if rng.random() < shapes.SPEAKS_ENGLISH else 0,
                    speed=rng.lognormvariate(0, shapes.SPEED_SIGMA),
                    reaction=rng.lognormvariate(0, shapes.REACTION_SIGMA),
                    leaves_abruptly=rng.random() < shapes.LEAVES_ABRUPTLY,
                )
                people.append(agent)
    return tuple(people)


def _losses(
    rng: random.Random, contacts: Sequence[Contact], agents: Sequence[AgentPlan]
) -> tuple[tuple[int, Period], ...]:
    """Return network losses at the times of contacts, so that most are in busy hours."""
    count = max(shapes.MIN_LOSSES, len(contacts) // shapes.CONTACTS_A_LOSS)
    losses: dict[int, Period] = {}
    while len(losses) < count:
        at = rng.choice(contacts).at + 60
        on_shift = [
            index
            for index, agent in enumerate(agents)
            if any(start + HOUR / 4 < at < end - HOUR / 2 for start, end in agent.hours)
            and not any(start - 600 < at < end for start, end in agent.breaks)
        ]
        if on_shift:
            losses.setdefault(rng.choice(on_shift), (at, at + max(60.0, shapes.LOSS.draw(rng))))
    return tuple(losses.items())


def _kills(times: Sequence[float]) -> tuple[float, ...]:
    count = max(shapes.MIN_KILLS, len(times) // shapes.CONTACTS_A_KILL)
    return tuple(times[round((number + 0.5) * len(times) / count)] for number in range(count))
