"""The measures of a simulated day for customers and agents, and the table that compares two runs. No database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from tests.simulation.day.plan import RunMode

SERVICE_LEVEL_SECONDS = 60
# Agents who were online for a shorter time are left out of the spread.
MIN_ONLINE_HOURS = 0.25


@dataclass(frozen=True)
class AgentShare:
    """How many contacts an agent got in the hours online. Agents of the same team and shift are `peers`."""

    peers: str
    contacts: int
    hours: float

    @property
    def rate(self) -> float:
        return self.contacts / self.hours


@dataclass(frozen=True)
class Outcome:
    """The result of a run. `waits` are the seconds until the first agent, of the customers who got one, sorted."""

    mode: RunMode
    contacts: int
    doubles: int
    orphans: int
    starved: int
    waits: tuple[float, ...]
    emergency_waits: tuple[float, ...]
    abandoned: int
    shares: tuple[AgentShare, ...]
    returned: int
    missed_offers: int
    kills: int
    refusals: dict[str, int]
    seconds: float
    # A description of each fault.
    cases: tuple[str, ...] = ()

    @property
    def service_level(self) -> float:
        """The share of all contacts that got an agent within SERVICE_LEVEL_SECONDS."""
        return sum(wait <= SERVICE_LEVEL_SECONDS for wait in self.waits) / max(self.contacts, 1)

    @property
    def has_faults(self) -> bool:
        return bool(self.doubles or self.orphans or self.starved)

    def spread(self) -> Spread:
        return spread_of(self.shares)


@dataclass(frozen=True)
class Spread:
    """How unequal the contacts per online hour are: coefficient of variation, and highest minus lowest, both relative
    to the mean. `among_peers` compares agents of the same team and shift only, `among_all` all agents."""

    among_peers: float
    range_among_peers: float
    among_all: float


def spread_of(shares: Iterable[AgentShare]) -> Spread:
    counted = [share for share in shares if share.hours >= MIN_ONLINE_HOURS]
    by_peers: dict[str, list[float]] = defaultdict(list)
    for share in counted:
        by_peers[share.peers].append(share.rate)
    relative = [
        rate / fmean(rates) for rates in by_peers.values() if len(rates) > 1 and any(rates) for rate in rates
    ]
    if not relative:
        return Spread(0.0, 0.0, 0.0)
    rates = [share.rate for share in counted]
    return Spread(pstdev(relative), max(relative) - min(relative), pstdev(rates) / fmean(rates))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the sorted values lie, or 0 if there are none."""
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0


def _waits(share: float) -> Callable[[Outcome], str]:
    return lambda outcome: f"{percentile(outcome.waits, share):.1f} s"


ROWS: tuple[tuple[str, Callable[[Outcome], str]], ...] = (
    ("contacts", lambda outcome: f"{outcome.contacts:,}"),
    ("doubles", lambda outcome: str(outcome.doubles)),
    ("orphans", lambda outcome: str(outcome.orphans)),
    ("starved", lambda outcome: str(outcome.starved)),
    ("wait p50", _waits(0.5)),
    ("wait p90", _waits(0.9)),
    ("wait p99", _waits(0.99)),
    ("answered within 60 s", lambda outcome: f"{outcome.service_level:.1%}"),
    ("abandoned", lambda outcome: f"{outcome.abandoned} ({outcome.abandoned / outcome.contacts:.1%})"),
    ("emergencies: wait p50", lambda outcome: f"{percentile(outcome.emergency_waits, 0.5):.1f} s"),
    ("emergencies: longest wait", lambda outcome: f"{max(outcome.emergency_waits, default=0):.1f} s"),
    ("spread among peers (variation)", lambda outcome: f"{outcome.spread().among_peers:.1%}"),
    ("spread among peers (max - min)", lambda outcome: f"{outcome.spread().range_among_peers:.1%}"),
    ("spread among all agents (variation)", lambda outcome: f"{outcome.spread().among_all:.1%}"),
    ("returned from lost agents", lambda outcome: str(outcome.returned)),
    ("missed offers", lambda outcome: str(outcome.missed_offers)),
    ("killed servers", lambda outcome: str(outcome.kills)),
    ("time of the run", lambda outcome: f"{outcome.seconds:.0f} s"),
)


def table_of(outcomes: Sequence[Outcome]) -> str:
    """Return a table of text with a column for each run."""
    width = max(len(label) for label, _ in ROWS)
    lines = [f"{'':<{width}}" + "".join(f"{outcome.mode:>14}" for outcome in outcomes)]
    for label, value in ROWS:
        lines.append(f"{label:<{width}}" + "".join(f"{value(outcome):>14}" for outcome in outcomes))
    return "\n".join(lines)
