"""Return the conversations of agents whose console is gone to the queue."""

from datetime import timedelta

from django.db import transaction

from accounts import presence
from accounts.models import Presence
from chat import access
from chat.actions.agents import return_to_queue
from chat.models import Conversation, Status
from core import database_clock
from routing import loads


def return_conversations() -> int:
    """Return active conversations to the queue if their agent's console has been gone for the time of the policy.

    A presence counts as gone when its lease has expired. Returns the number of conversations. One query if there are
    none.
    """
    gone = Presence.objects.filter(~presence.is_valid())
    found = list(
        Conversation.objects.filter(status=Status.ACTIVE, agent__presence__in=gone)
        .order_by()
        .values_list("pk", "agent_id", "department_id", "agent__presence__seen_at", database_clock.now())
    )
    if not found:
        return 0
    policies = loads.policies()
    count = 0
    lease = timedelta(seconds=presence.LEASE_SECONDS)
    for pk, agent, department, seen_at, now in found:
        policy = policies.get(department, loads.DEFAULT_POLICY)
        if now - seen_at - lease < timedelta(seconds=policy.return_seconds):
            continue
        with transaction.atomic():
            # Locked like in every action that changes an agent's conversations, so that the console cannot renew the
            # presence meanwhile.
            still = Presence.objects.select_for_update().filter(~presence.is_valid(), pk=agent)
            if not still.exists():
                continue
            conversation = access.lock(pk)
            if conversation.status == Status.ACTIVE and conversation.agent_id == agent:
                return_to_queue(conversation, because="agent_lost")
                count += 1
    return count
