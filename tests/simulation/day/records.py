"""Read the outcome of a simulated day from the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from accounts.models import AuditEntry
from chat.models import Assignment, Conversation, Emergency
from routing.models import Offer
from tests.simulation.day.agents import Agent
from tests.simulation.day.checks import Faults
from tests.simulation.day.measures import AgentShare, Outcome

if TYPE_CHECKING:
    from tests.simulation.day.day import Day


def outcome_of(day: Day, *, faults: Faults, agents: Sequence[Agent], kills: int, seconds: float) -> Outcome:
    """Read the outcome of a run from the database. `seconds` is the real time that it took."""
    started = dict(Conversation.objects.values_list("pk", "started_at"))
    waits: dict[int, float] = {}
    got: Counter[int] = Counter()
    for conversation, agent, at in Assignment.objects.order_by("id").values_list(
        "conversation_id", "agent_id", "at"
    ):
        got[agent] += 1
        waits.setdefault(conversation, (at - started[conversation]).total_seconds())
    urgent = set(Conversation.objects.exclude(emergency=Emergency.NONE).values_list("pk", flat=True))
    return Outcome(
        mode=day.mode,
        contacts=len(started),
        doubles=len(faults.doubles),
        orphans=len(faults.orphans),
        starved=len(faults.starved),
        waits=tuple(sorted(waits.values())),
        emergency_waits=tuple(sorted(wait for pk, wait in waits.items() if pk in urgent)),
        abandoned=sum(customer.has_given_up for customer in day.customers.values()),
        shares=tuple(
            AgentShare(
                f"{agent.plan.shift} {agent.plan.team}", got[agent.staff.pk], agent.online_seconds / 3600
            )
            for agent in agents
        ),
        returned=AuditEntry.objects.filter(verb="conversation.returned").count(),
        missed_offers=Offer.objects.filter(outcome=Offer.Outcome.MISSED).count(),
        kills=kills,
        refusals=dict(day.refusals),
        seconds=seconds,
        cases=tuple(faults.descriptions()),
    )
