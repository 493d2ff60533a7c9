"""The pace of people: how fast they write, and how long they wait.

The figures were measured on published chats and on a bank's call centre; see docs/simulate.md. All are in seconds of
the simulated day; `Pace.real` converts them to real seconds.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

# Percentage of a day's contacts that begin in each hour.
BY_HOUR = (
    *(0.8, 0.5, 0.4, 0.3, 0.4, 0.8, 1.8, 4.0),  # 0 to 7
    *(6.8, 7.9, 8.4, 8.0, 6.9, 6.6, 7.2, 7.6, 7.0),  # 8 to 16
    *(5.6, 4.8, 4.4, 3.8, 2.9, 1.9, 1.2),  # 17 to 23
)
# The 90th percentile of a normal distribution in standard deviations.
_P90 = 1.2816


@dataclass(frozen=True)
class Lognormal:
    mu: float
    sigma: float

    @classmethod
    def of(cls, *, p50: float, p90: float) -> Lognormal:
        return cls(math.log(p50), math.log(p90 / p50) / _P90)

    def draw(self, rng: random.Random) -> float:
        return rng.lognormvariate(self.mu, self.sigma)


CUSTOMER = Lognormal.of(p50=10, p90=36)
AGENT = Lognormal.of(p50=21, p90=52)
SERVICE = Lognormal(4.79, 0.94)
IMPATIENT = Lognormal.of(p50=43, p90=167)
GIVE_UP = 0.119
# Visitors who do not give up wait about as long as the longest waits that were measured.
PATIENT = Lognormal.of(p50=300, p90=600)


def patience(rng: random.Random) -> float:
    """Return a random time that a visitor waits for an agent before leaving."""
    return (IMPATIENT if rng.random() < GIVE_UP else PATIENT).draw(rng)


def arrivals(rng: random.Random, *, visitors: int, minutes: float, from_hour: float) -> list[float]:
    """Return random arrival times in seconds from the start. BY_HOUR gives the share of each hour."""
    first = int(from_hour)
    hours = range(first, first + math.ceil((from_hour - first) + minutes / 60))
    weights = [
        BY_HOUR[hour % 24] * (min(hour + 1, from_hour + minutes / 60) - max(hour, from_hour))
        for hour in hours
    ]
    times = []
    for hour in rng.choices(hours, weights, k=visitors):
        begins, ends = max(hour, from_hour), min(hour + 1, from_hour + minutes / 60)
        times.append((rng.uniform(begins, ends) - from_hour) * 3600)
    return sorted(times)


@dataclass(frozen=True)
class Pace:
    """The speed of the simulation: `factor` simulated seconds pass in one real second."""

    factor: float

    def real(self, simulated_seconds: float) -> float:
        return simulated_seconds / self.factor
