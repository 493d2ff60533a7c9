"""One round of the router: give waiting conversations to agents, in one transaction."""

from django.db import transaction

from accounts import presence
from accounts.models import Presence, PresenceStatus, Staff
from chat import access
from chat.actions.assigning import AssignmentResult, assign
from chat.models import Assignment, Status
from core import database_clock, leases
from routing import loads, selectors
from routing.actions import offers
from routing.actions.agent_locks import lock_presences
from routing.matching import match
from routing.models import Mode

LEASE = "router"
# Conversations read beyond the free capacity, because some wait for an agent with a skill.
READ_AHEAD = 100
# Conversations given away in one transaction, so that none holds its locks for long.
MAX_BATCH = 200


def route(holder: str) -> int:
    """Assign or offer the conversations that wait for the router. Returns their number.

    Does nothing if another process holds the lease. While the transaction runs, no other process can take the lease,
    and no other action can give these agents a conversation.
    """
    policies = loads.policies()
    departments = selectors.routed_departments(policies)
    if not departments or not selectors.has_waiting(departments):
        return 0
    with transaction.atomic():
        if not leases.lock(LEASE, holder):
            return 0
        online = Presence.objects.filter(presence.is_valid(), status=PresenceStatus.ONLINE)
        lock_presences(set(online.values_list("pk", flat=True)))
        agents = selectors.online_agents(policies)
        free = sum(max(agent.load.capacity - agent.load.load, 0) for agent in agents)
        queue = selectors.waiting(departments, min(free, MAX_BATCH) + READ_AHEAD)
        choices = match(queue, agents, policies, database_clock.read(), MAX_BATCH)
        if not choices:
            return 0
        locked = access.lock_conversations([choice.waiting.id for choice in choices])
        staff = Staff.objects.in_bulk([choice.agent for choice in choices])
        pushed, offered = [], []
        for choice in choices:
            row = locked.get(choice.waiting.id)
            if (
                row is None
                or row["status"] != Status.WAITING
                or row["department_id"] != choice.waiting.department
                or row["offered_to_id"] is not None
                or row["visitor_away_since"] is not None
            ):
                # It has changed since it was read. The change wakes the router again.
                continue
            policy = policies[choice.waiting.department]
            if policy.mode == Mode.OFFER:
                offered.append((choice, row, policy.offer_seconds))
            else:
                reason, why = Assignment.Reason.PUSHED, choice.explanation.as_json()
                pushed.append(AssignmentResult(row, staff[choice.agent], None, reason, explanation=why))
        assign(pushed)
        offers.make(offered)
        return len(pushed) + len(offered)
