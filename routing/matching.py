"""Match waiting conversations and agents. Pure functions: the router and the dry run both use them.

A conversation goes to an agent of its department who has the required skill and language and free capacity: to the
visitor's last agent if present, otherwise to the agent with the lowest load relative to the capacity, and among equals
to the one who has waited longest since the last assignment. An agent has at most one open offer at a time, except of
emergencies.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import nsmallest

from routing.explanations import MAX_CANDIDATES, CandidateRecord, Explanation
from routing.loads import DEFAULT_POLICY, AgentLoad
from routing.models import DepartmentPolicy, Mode

# Emergencies may exceed an agent's capacity by this number of conversations.
EMERGENCY_EXTRA = 1
# Reasons to leave an agent out that do not depend on the conversation.
OF_THE_AGENT = ("full", "paused", "offered", "restricted")
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Agent:
    """An agent who is online. `departments` leaves out those with a queue restriction; `restricted` has these.

    `skills` has the levels by the id of the skill.
    """

    id: int
    number: str
    name: str
    departments: frozenset[int]
    load: AgentLoad
    skills: Mapping[int, int] = field(default_factory=dict)
    restricted: frozenset[int] = frozenset()
    last_assigned_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A waiting conversation.

    `skills` are the ids of the required skill and of the visitor's language, where the bank has defined them. `tried`
    are the agents who have missed or declined an offer of it. `last_agent` is the agent of the visitor's earlier
    conversation.
    """

    id: int
    department: int
    waiting_since: datetime
    is_emergency: bool = False
    skills: frozenset[int] = frozenset()
    tried: frozenset[int] = frozenset()
    last_agent: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The agent who gets a conversation, and why."""

    waiting: Waiting
    agent: int
    explanation: Explanation


def match(
    queue: Iterable[Waiting],
    agents: Sequence[Agent],
    policies: Mapping[int, DepartmentPolicy],
    now: datetime,
    limit: int | None = None,
) -> list[Choice]:
    """Choose an agent for each waiting conversation, in the order of the queue, as far as there is free capacity.

    At most `limit` conversations get an agent. The loads in `agents` are raised for each choice.
    """
    by_department: dict[int, list[Agent]] = {}
    for agent in agents:
        for department in agent.departments | agent.restricted:
            by_department.setdefault(department, []).append(agent)
    choices: list[Choice] = []
    full: set[int] = set()
    for waiting in queue:
        if len(choices) == limit:
            break
        department = waiting.department
        if department in full and not waiting.is_emergency:
            continue
        policy = policies.get(department, DEFAULT_POLICY)
        members = by_department.get(department, ())
        candidates, left_out = _candidates(waiting, members, policy, now)
        if not candidates:
            if sum(left_out[reason] for reason in OF_THE_AGENT) == len(members):
                full.add(department)
            continue
        first = nsmallest(MAX_CANDIDATES, candidates, key=lambda agent: _order(agent, waiting))
        chosen = first[0]
        records = [_record(agent, waiting) for agent in first]
        waited = max(0, round((now - waiting.waiting_since).total_seconds()))
        explanation = Explanation(_rule(chosen, waiting), waited, records, len(candidates), left_out)
        choices.append(Choice(waiting, chosen.id, explanation))
        chosen.load.add(department)
        chosen.load.offers += policy.mode == Mode.OFFER
        chosen.last_assigned_at = now
    return choices


def _candidates(
    waiting: Waiting, members: Iterable[Agent], policy: DepartmentPolicy, now: datetime
) -> tuple[list[Agent], Counter[str]]:
    """Return the agents who may get the conversation now, and the number of the others by reason."""
    left_out: Counter[str] = Counter()
    able: list[Agent] = []
    extra = EMERGENCY_EXTRA if waiting.is_emergency else 0
    pause = timedelta(seconds=policy.pause_seconds)
    for agent in members:
        if waiting.department in agent.restricted:
            left_out["restricted"] += 1
        elif agent.id in waiting.tried:
            left_out["tried"] += 1
        elif not agent.load.has_room_for(waiting.department, policy, extra=extra):
            left_out["full"] += 1
        elif policy.mode == Mode.OFFER and agent.load.offers and not waiting.is_emergency:
            left_out["offered"] += 1
        elif not waiting.is_emergency and pause and now - (agent.last_assigned_at or _NEVER) < pause:
            left_out["paused"] += 1
        else:
            able.append(agent)
    if not waiting.skills:
        return able, left_out
    skilled = [agent for agent in able if waiting.skills <= agent.skills.keys()]
    must_have_skill = now - waiting.waiting_since < timedelta(seconds=policy.skill_wait_seconds)
    if skilled or (must_have_skill and not waiting.is_emergency):
        left_out["skill"] += len(able) - len(skilled)
        return skilled, left_out
    return able, left_out


def _level(agent: Agent, waiting: Waiting) -> int:
    if not waiting.skills:
        return 0
    return min(agent.skills.get(skill, 0) for skill in waiting.skills)


def _order(agent: Agent, waiting: Waiting) -> tuple[bool, float, int, datetime, int]:
    """Return the sort key of a candidate: the smallest gets the conversation."""
    return (
        agent.id != waiting.last_agent,
        agent.load.load / max(agent.load.capacity, 1),
        -_level(agent, waiting),
        agent.last_assigned_at or _NEVER,
        agent.id,
    )


def _rule(agent: Agent, waiting: Waiting) -> str:
    if waiting.is_emergency:
        return "emergency"
    return "last_agent" if agent.id == waiting.last_agent else "least_busy"


def _record(agent: Agent, waiting: Waiting) -> CandidateRecord:
    load, level = agent.load, _level(agent, waiting)
    return CandidateRecord(
        agent.id, agent.number, agent.name, load.load, load.capacity, level, agent.last_assigned_at
    )
