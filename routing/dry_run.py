"""Dry run of routing: which agent would have got which contact under policies that are not saved. Writes nothing.

The dry run repeats the choices of the router (`routing.matching`) at every moment at which something changes: a contact
arrives, a conversation ends, an agent comes or goes, a pause or the wait for a skill is over. It assumes that each
conversation takes the same time and that agents accept every offer at once.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from routing.explanations import Explanation
from routing.loads import DEFAULT_POLICY, AgentLoad
from routing.matching import Agent, Choice, Waiting, match
from routing.models import DepartmentPolicy

# Contacts that nobody has got by this time after the last one count as still waiting.
AFTERWARDS = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact of the dry run. `skills` are the ids of the required skill and language."""

    at: datetime
    department: int
    skills: frozenset[int] = frozenset()
    is_emergency: bool = False


@dataclass(slots=True)
class Colleague:
    """An agent of the dry run. `online` has the periods in which the agent is online: start and end of each."""

    id: int
    number: str
    name: str
    capacity: int
    departments: frozenset[int]
    skills: Mapping[int, int] = field(default_factory=dict)
    restricted: frozenset[int] = frozenset()
    online: Sequence[tuple[datetime, datetime]] = ()


@dataclass(slots=True)
class DryRunResult:
    """The outcome for a contact. `agent` is None if nobody got it."""

    contact: Contact
    agent: Colleague | None = None
    assigned_at: datetime | None = None
    explanation: Explanation | None = None

    @property
    def waited_seconds(self) -> int | None:
        if self.assigned_at is None:
            return None
        return round((self.assigned_at - self.contact.at).total_seconds())


def run(
    contacts: Iterable[Contact],
    colleagues: Iterable[Colleague],
    policies: Mapping[int, DepartmentPolicy],
    *,
    handle_time: timedelta,
) -> list[DryRunResult]:
    """Return what would have happened to each contact, in order of time."""
    results = [DryRunResult(contact) for contact in sorted(contacts, key=lambda contact: contact.at)]
    if results:
        _Simulation(results, colleagues, policies, handle_time).run()
    return results


class _Simulation:
    """The state of a dry run: the agents with their loads, the queue, and the moments that are still to come."""

    def __init__(
        self,
        results: Sequence[DryRunResult],
        colleagues: Iterable[Colleague],
        policies: Mapping[int, DepartmentPolicy],
        handle_time: timedelta,
    ) -> None:
        self._results = results
        self._policies = policies
        self._handle_time = handle_time
        self._people = {colleague.id: colleague for colleague in colleagues}
        self._agents = {pk: _agent(colleague) for pk, colleague in self._people.items()}
        self._deadline = results[-1].contact.at + AFTERWARDS
        self._moments = [result.contact.at for result in results]
        for colleague in self._people.values():
            self._moments += [at for period in colleague.online for at in period]
        heapq.heapify(self._moments)
        # The ends of conversations, with the ids of the agent and the department.
        self._ends: list[tuple[datetime, int, int]] = []
        self._waiting: dict[int, Waiting] = {}
        self._arrived = 0

    def run(self) -> None:
        former = None
        while self._moments and (now := heapq.heappop(self._moments)) <= self._deadline:
            if now != former:
                self._end_conversations(now)
                self._add_arrivals(now)
                self._assign(now)
            former = now
            if self._arrived == len(self._results) and not self._waiting:
                return

    def _end_conversations(self, now: datetime) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, agent, department = heapq.heappop(self._ends)
            load = self._agents[agent].load
            load.load -= 1
            load.by_department[department] -= 1

    def _add_arrivals(self, now: datetime) -> None:
        while self._arrived < len(self._results) and self._results[self._arrived].contact.at <= now:
            contact = self._results[self._arrived].contact
            self._waiting[self._arrived] = Waiting(
                id=self._arrived,
                department=contact.department,
                waiting_since=contact.at,
                is_emergency=contact.is_emergency,
                skills=contact.skills,
            )
            if contact.skills:
                wait = self._policy(contact.department).skill_wait_seconds
                heapq.heappush(self._moments, contact.at + timedelta(seconds=wait))
            self._arrived += 1

    def _assign(self, now: datetime) -> None:
        if not self._waiting:
            return
        present = [self._agents[pk] for pk, person in self._people.items() if _is_online(person, now)]
        queue = sorted(
            self._waiting.values(), key=lambda one: (not one.is_emergency, one.waiting_since, one.id)
        )
        for choice in _choices(queue, present, self._policies, now):
            result = self._results[choice.waiting.id]
            result.agent, result.assigned_at = self._people[choice.agent], now
            result.explanation = choice.explanation
            department = choice.waiting.department
            del self._waiting[choice.waiting.id]
            heapq.heappush(self._ends, (now + self._handle_time, choice.agent, department))
            pause = timedelta(seconds=self._policy(department).pause_seconds)
            for later in (now + self._handle_time, now + pause):
                if later > now:
                    heapq.heappush(self._moments, later)

    def _policy(self, department: int) -> DepartmentPolicy:
        return self._policies.get(department, DEFAULT_POLICY)


def _agent(colleague: Colleague) -> Agent:
    return Agent(
        id=colleague.id,
        number=colleague.number,
        name=colleague.name,
        departments=colleague.departments,
        load=AgentLoad(colleague.capacity),
        skills=colleague.skills,
        restricted=colleague.restricted,
    )


def _choices(
    queue: Sequence[Waiting], agents: Sequence[Agent], policies: Mapping[int, DepartmentPolicy], now: datetime
) -> list[Choice]:
    """Match until nobody can get anything more. Each offer is accepted at once, so the next one can follow."""
    all_choices: list[Choice] = []
    rest = list(queue)
    while choices := match(rest, agents, policies, now):
        all_choices += choices
        matched = {choice.waiting.id for choice in choices}
        rest = [waiting for waiting in rest if waiting.id not in matched]
        for agent in agents:
            agent.load.offers = 0
    return all_choices


def _is_online(colleague: Colleague, now: datetime) -> bool:
    return any(start <= now < end for start, end in colleague.online)
