"""The sizes and durations of a full run and of a short one."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Plan:
    """The parameters of a run. Durations are in seconds.

    `churned` is the number of visitors who come and go. The budget assumes 100,000 (`--long`).
    """

    seconds: float = 12.0
    warm_up: float = 3.0
    # At a low message rate, the measurement and the warm-up last until at least this many messages have been sent.
    least_messages: int = 240
    least_warm_up_messages: int = 50
    # For the latency rows: the number of connected visitors, and the number of those who write.
    connected: int = 2000
    talking: int = 200
    # For the idle rows: memory per visitor is the difference in memory between many and few visitors, divided by the
    # difference in their numbers.
    few: int = 1000
    many: int = 10_000
    idle_seconds: float = 30.0
    storm: int = 5000
    churned: int = 10_000
    starts: int = 3
    agents: int = 200
    waiting: int = 5000
    queue_length: int = 10_000
    archive: int = 1_000_000
    points: int = 5000
    # Limits for the load generator: the percentage of its core that it uses, and the p99 of the delays with which it
    # sends messages. A run beyond a limit is void: it measured the load generator and not the server.
    max_own_percent: float = 80.0
    max_late_ms: float = 20.0
    profile: bool = False
    split: bool = False

    def at_pace(self, rate: float) -> Plan:
        """Return a copy of this plan that lasts long enough to send `least_messages` at `rate` messages a second.

        The copy lasts at least as long as this plan.
        """
        return replace(
            self,
            seconds=max(self.seconds, self.least_messages / rate),
            warm_up=max(self.warm_up, self.least_warm_up_messages / rate),
        )


QUICK = Plan(
    seconds=1.0, warm_up=0.3, connected=40, talking=16, few=10, many=40, idle_seconds=1.0, storm=30, churned=60,
    least_messages=1, least_warm_up_messages=1, starts=1, agents=8, waiting=40, queue_length=150, archive=2000,
    points=200, max_late_ms=1000.0,
)  # fmt: skip
