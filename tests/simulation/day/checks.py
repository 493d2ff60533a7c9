"""Checks of a simulated day: doubles, orphans, starved customers.

The rules are pure functions of `...State` values; the functions below them read these values from the database. None
uses the code of the router, except its time limits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from accounts import presence
from accounts.models import Presence, PresenceStatus, Staff
from chat.models import Assignment, Conversation, Status
from routing.models import DepartmentPolicy
from tests.simulation.day.agenda import moment

# A customer counts as starved after this wait, if an agent was free who could have taken the conversation.
STARVED_AFTER = timedelta(minutes=2)
# The conversations of a lost agent return to the queue when the presence has expired and the time of the policy has
# passed, at the router's next upkeep. After a kill, the new holder first waits for consoles to reconnect.
RETURNED_WITHIN = timedelta(seconds=presence.LEASE_SECONDS + 30 + presence.LEASE_SECONDS + 15)
# The router ends an expired offer in its next round.
OFFER_ENDED_WITHIN = timedelta(seconds=15)


@dataclass(frozen=True)
class AssignmentState:
    conversation: int
    agent: int
    at: datetime
    until: datetime | None


@dataclass(frozen=True)
class ConversationState:
    """A conversation that has not ended. `agent_seen_at` is the last heartbeat of its agent."""

    id: int
    status: str
    agent: int | None = None
    agent_seen_at: datetime | None = None
    assigned_to: int | None = None
    offered_until: datetime | None = None


@dataclass(frozen=True)
class WaitingState:
    id: int
    department: int
    since: datetime


@dataclass(frozen=True)
class AgentState:
    """An agent who is online. `load` counts all own conversations and offers, also those that sleep."""

    id: int
    capacity: int
    load: int = 0
    departments: Collection[int] = ()
    by_department: dict[int, int] = field(default_factory=dict)


def doubles_in(assignments: Iterable[AssignmentState]) -> set[int]:
    """Return the conversations that belonged to two agents at the same time, or twice to one."""
    by_conversation: dict[int, list[AssignmentState]] = defaultdict(list)
    for assignment in assignments:
        by_conversation[assignment.conversation].append(assignment)
    doubles = set()
    for conversation, own in by_conversation.items():
        own.sort(key=lambda assignment: assignment.at)
        for earlier, later in pairwise(own):
            if earlier.until is None or earlier.until > later.at:
                doubles.add(conversation)
    return doubles


def orphans_in(conversations: Iterable[ConversationState], now: datetime) -> set[int]:
    """Return the conversations that nobody serves: no agent has them who is there, and no queue offers them."""
    orphans = set()
    for state in conversations:
        if state.status == Status.WAITING:
            is_stuck_offer = (
                state.offered_until is not None and now - state.offered_until > OFFER_ENDED_WITHIN
            )
            is_orphan = is_stuck_offer or state.assigned_to is not None
        else:
            is_lost = state.agent_seen_at is None or now - state.agent_seen_at > RETURNED_WITHIN
            is_orphan = state.agent is None or state.agent != state.assigned_to or is_lost
        if is_orphan:
            orphans.add(state.id)
    return orphans


def starving_in(
    waiting: Iterable[WaitingState],
    agents: Collection[AgentState],
    limits: dict[int, int],
    now: datetime,
) -> set[int]:
    """Return the conversations that have waited too long although an agent has room for them.

    `limits` has the capacity of an agent for a department, where that is limited. An agent who has missed or declined
    an offer of the conversation counts too, because for the customer it is all the same.
    """
    starving = set()
    for state in waiting:
        limit = limits.get(state.department)
        if now - state.since > STARVED_AFTER and any(
            state.department in agent.departments
            and agent.load < agent.capacity
            and (limit is None or agent.by_department.get(state.department, 0) < limit)
            for agent in agents
        ):
            starving.add(state.id)
    return starving


def starving(at: float) -> set[int]:
    """Return the conversations that have waited too long at this time of the day although an agent has room."""
    now = moment(at)
    rows = Conversation.objects.filter(
        status=Status.WAITING, offered_to=None, waiting_since__lt=now - STARVED_AFTER
    )
    waiting = [WaitingState(*row) for row in rows.values_list("pk", "department_id", "waiting_since")]
    if not waiting:
        return set()
    return starving_in(waiting, _online_agents(now), _limits(), now)


def _limits() -> dict[int, int]:
    limited = DepartmentPolicy.objects.filter(capacity__isnull=False)
    return {pk: capacity for pk, capacity in limited.values_list("pk", "capacity") if capacity is not None}


def _online_agents(now: datetime) -> list[AgentState]:
    valid = now - timedelta(seconds=presence.LEASE_SECONDS)
    online = Presence.objects.filter(status=PresenceStatus.ONLINE, seen_at__gte=valid)
    people = Staff.objects.filter(pk__in=online.values("pk")).prefetch_related("departments")
    held: dict[int, list[int]] = defaultdict(list)
    own = Conversation.objects.filter(status__in=(Status.ACTIVE, Status.WRAP_UP))
    offered = Conversation.objects.filter(offered_to__isnull=False)
    for staff, department in [
        *own.values_list("agent_id", "department_id"),
        *offered.values_list("offered_to_id", "department_id"),
    ]:
        held[staff].append(department)
    return [
        AgentState(
            person.pk,
            person.capacity,
            len(held[person.pk]),
            {department.pk for department in person.departments.all()},
            {department: held[person.pk].count(department) for department in held[person.pk]},
        )
        for person in people
    ]


@dataclass
class Faults:
    """The faults that the checks of a run have found, by kind and by the id of the conversation, each with a
    description of the case."""

    doubles: dict[int, str] = field(default_factory=dict)
    orphans: dict[int, str] = field(default_factory=dict)
    starved: dict[int, str] = field(default_factory=dict)

    def descriptions(self) -> list[str]:
        kinds = {"double": self.doubles, "orphan": self.orphans, "starved": self.starved}
        return [f"{kind}: {case}" for kind, cases in kinds.items() for case in cases.values()]

    def add_starved(self, found: Iterable[int], at: float) -> None:
        for pk, *row in Conversation.objects.filter(pk__in=found).values_list(
            "pk", "department__code", "language", "emergency", "waiting_since"
        ):
            self.starved.setdefault(pk, f"conversation {pk} {row} at {moment(at)}")

    def check_orphans(self, at: float) -> None:
        open_now = Conversation.objects.filter(status__in=(Status.WAITING, Status.ACTIVE))
        assigned = dict(
            Assignment.objects.filter(until_at=None, conversation__in=open_now).values_list(
                "conversation_id", "agent_id"
            )
        )
        columns = ("pk", "status", "agent_id", "agent__presence__seen_at", "offered_until")
        states = {
            pk: ConversationState(pk, status, agent, seen_at, assigned.get(pk), until)
            for pk, status, agent, seen_at, until in open_now.values_list(*columns)
        }
        for pk in orphans_in(states.values(), moment(at)):
            self.orphans.setdefault(pk, f"{states[pk]} at {moment(at)}")

    def check_end(self) -> None:
        """Check all assignments of the day, and that no conversation is left over."""
        rows = Assignment.objects.values_list("conversation_id", "agent_id", "at", "until_at")
        assignments = [AssignmentState(*row) for row in rows]
        for pk in doubles_in(assignments):
            own = [assignment for assignment in assignments if assignment.conversation == pk]
            self.doubles[pk] = f"{own}"
        left = Conversation.objects.filter(status__in=(Status.WAITING, Status.ACTIVE))
        for pk, status in left.values_list("pk", "status"):
            self.orphans.setdefault(pk, f"conversation {pk} is still {status} at the end")
