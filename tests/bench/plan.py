"""How long and how much: the figures of a full run, and of a short one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Times are seconds. `churned`: the budget speaks of 100,000, which `--long` connects."""

    seconds: float = 12.0
    warm_up: float = 3.0
    # Of the row of delays: all are connected, some are talking.
    connected: int = 2000
    talking: int = 200
    # Idle visitors: memory is what the many take more than the few.
    few: int = 1000
    many: int = 10_000
    idle_seconds: float = 30.0
    storm: int = 5000
    churned: int = 10_000
    starts: int = 3
    agents: int = 200
    waiting: int = 5000
    line: int = 10_000
    archive: int = 1_000_000
    points: int = 5000
    # A load that keeps its own core busier than this, or is later than that (p99), measures itself.
    most_own_percent: float = 80.0
    most_late_ms: float = 20.0
    profile: bool = False


QUICK = Plan(
    seconds=1.0, warm_up=0.3, connected=40, talking=16, few=10, many=40, idle_seconds=1.0, storm=30, churned=60,
    starts=1, agents=8, waiting=40, line=150, archive=2000, points=200,
    most_late_ms=1000.0,
)  # fmt: skip
