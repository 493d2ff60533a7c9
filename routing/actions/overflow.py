"""Move conversations that wait too long, or in too long a queue, to the overflow department of the policy."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from chat import access
from chat.actions.agents import move_to_department
from chat.models import Conversation, Status
from chat.queue_order import QUEUE_ORDER
from routing import loads
from routing.models import DepartmentPolicy

# Conversations moved in one call for one department, so that a call never takes long.
MAX_MOVED = 50


def move_overflow() -> int:
    """Apply the overflow rules of all departments. Returns the number of conversations moved."""
    rules = [policy for policy in loads.policies().values() if policy.overflow_to_id is not None]
    return sum(_move(policy) for policy in rules)


def _move(policy: DepartmentPolicy) -> int:
    queue = Conversation.objects.filter(
        department=policy.department_id, status=Status.WAITING, offered_to=None
    ).order_by(*QUEUE_ORDER)
    chosen: list[int] = []
    if policy.overflow_length is not None:
        end = policy.overflow_length + MAX_MOVED
        chosen += queue.values_list("pk", flat=True)[policy.overflow_length : end]
    if policy.overflow_minutes is not None:
        limit = timezone.now() - timedelta(minutes=policy.overflow_minutes)
        chosen += queue.filter(waiting_since__lt=limit).values_list("pk", flat=True)[:MAX_MOVED]
    moved = 0
    for pk in dict.fromkeys(chosen):
        with transaction.atomic():
            conversation = access.lock(pk)
            is_unchanged = (
                conversation.status == Status.WAITING
                and conversation.department_id == policy.department_id
                and conversation.offered_to_id is None
            )
            if is_unchanged:
                assert policy.overflow_to is not None
                move_to_department(conversation, policy.overflow_to, by=None)
                moved += 1
    return moved
