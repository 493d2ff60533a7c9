"""The shapes of a day: how many customers come when, how long people take, and who works when.

The measured figures come from `tests.simulation.pace` and from a bank's call centre with 33,043 calls in a month
(docs/simulate.md). The others are assumptions, and are marked so. Durations are in seconds, shares add up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.pace import AGENT, Lognormal

HOUR = 3600.0
CONTACTS = 5_000
# Measured: one hour had 494 calls, where 100 to 150 are usual. In a day of 5,000 contacts, the hour from 21:00 has 145.
SURGE_CONTACTS = 494
SURGE_HOUR = 21

# Assumed: a simulated reply stands for several real ones, so that a conversation needs fewer writes.
MAX_TURNS = 2
SECONDS_A_TURN = 60.0
# Assumed: each further conversation that an agent holds at the same time slows the agent's answers by this share.
SLOWER_BY_EACH = 0.5
# The time until an agent who has room turns to the queue and presses "next". Measured: the time until an agent answers
# a message.
TAKING = AGENT
# Assumed: the time until an agent accepts an offer, which rings and is meant for this agent alone.
ACCEPTING = Lognormal.of(p50=5, p90=12)
# Assumed: how much agents differ (standard deviation of the logarithm): in speed of work, and in speed of reaction.
SPEED_SIGMA = 0.2
REACTION_SIGMA = 0.5
WRAP_UP = Lognormal.of(p50=25, p90=70)
SHORT_DELAY = 5.0
# The agent ends a conversation whose customer has been silent for this time.
SILENCE = 8 * 60.0

# Assumed shares.
ENGLISH = 0.12
SPEAKS_ENGLISH = 0.4
RETURNING = 0.1
RETURNS_AFTER = 2 * HOUR
EMERGENCIES = 0.01
FALLS_SILENT = 0.03
ENDED_BY_AGENT = 0.6
OFFERS_MISSED = 0.05
OFFERS_DECLINED = 0.01
# An agent who was set to away comes back after this time.
AWAY = Lognormal.of(p50=120, p90=300)
# Agents who close the laptop at the end of the shift although customers are still talking to them.
LEAVES_ABRUPTLY = 0.1

# One network loss of an agent, and one killed server, for each of these numbers of contacts. At least as many as below.
CONTACTS_A_LOSS = 350
MIN_LOSSES = 3
LOSS = Lognormal.of(p50=240, p90=480)
CONTACTS_A_KILL = 500
MIN_KILLS = 3
RESTART_SECONDS = 40.0


@dataclass(frozen=True)
class DepartmentShape:
    """A department: its share of the contacts, and the policy with which the router serves it."""

    code: str
    name_zh: str
    name_en: str
    share: float
    policy: dict[str, object]
    overflow_to: str = ""


DEPARTMENTS = (
    DepartmentShape("cards", "银行卡", "Cards", 0.35, {"mode": "push", "pause_seconds": 5}),
    DepartmentShape("online", "电子银行", "Online and mobile bank", 0.32, {"mode": "push"}),
    DepartmentShape("loans", "贷款", "Loans", 0.18, {"mode": "push"}),
    DepartmentShape("branches", "网点", "Branches", 0.07, {"mode": "push", "overflow_minutes": 4}, "cards"),
    DepartmentShape("complaints", "投诉", "Complaints", 0.08, {"mode": "offer", "capacity": 2}),
)
CAPACITY = 3

TEAMS = {
    "general": ("cards", "online", "branches"),
    "lending": ("loans", "branches"),
    "care": ("complaints", "cards"),
    "night": tuple(department.code for department in DEPARTMENTS),
}


@dataclass(frozen=True)
class Shift:
    """A shift: its periods in hours of the day, and the number of agents of each team. 50 agents in all.

    A shift begins a quarter of an hour before the previous one ends. The agents of the night shift return in the second
    night, in which the last customers of the day are served.
    """

    name: str
    hours: tuple[tuple[float, float], ...]
    teams: dict[str, int]


SHIFTS = (
    Shift("night", ((0, 8.25), (23.75, 27)), {"night": 7}),
    Shift("day", ((7.75, 16.25),), {"general": 15, "lending": 7, "care": 5}),
    Shift("evening", ((15.75, 24.25),), {"general": 9, "lending": 4, "care": 3}),
)
# Assumed breaks: start as a share of the shift, and length. Each agent's begin at a random time around it.
BREAKS = ((0.25, 15 * 60.0), (0.5, 30 * 60.0), (0.78, 15 * 60.0))
BREAK_SHIFT = 0.1
# Before the end of the shift, an agent takes no new conversations for this time.
LAST_MINUTES = 10 * 60.0
