"""Transfer conversations that wait too long, or in too long a queue, to the overflow department of the policy."""

from datetime import datetime, timedelta
from math import inf

from django.db import transaction

from chat import access
from chat.actions.agents import put_in_queue
from chat.models import Conversation, Status
from chat.queue_order import QUEUE_ORDER
from core import database_clock
from routing import loads
from routing.models import DepartmentPolicy

# Conversations transferred in one call for one department, so that a call never takes long.
MAX_TRANSFERRED = 50


def transfer_overflow() -> int:
    """Apply the overflow rules of all departments. Returns the number of conversations transferred.

    A conversation stays if the overflow department would send it on at once: two departments that overflow to each
    other would otherwise pass it back and forth.
    """
    policies = loads.policies()
    rules = [policy for policy in policies.values() if policy.overflow_to_id is not None]
    return sum(_transfer(policy, policies.get(policy.overflow_to_id or 0)) for policy in rules)


def _transfer(policy: DepartmentPolicy, target: DepartmentPolicy | None) -> int:
    now = database_clock.read()
    queue = Conversation.objects.filter(
        department=policy.department_id, status=Status.WAITING, offered_to=None
    ).order_by(*QUEUE_ORDER)
    chosen: list[int] = []
    if policy.overflow_length is not None:
        end = policy.overflow_length + MAX_TRANSFERRED
        chosen += queue.values_list("pk", flat=True)[policy.overflow_length : end]
    if policy.overflow_minutes is not None:
        limit = now - timedelta(minutes=policy.overflow_minutes)
        chosen += queue.filter(waiting_since__lt=limit).values_list("pk", flat=True)[:MAX_TRANSFERRED]
    room = _room_in(target)
    transferred = 0
    for pk in dict.fromkeys(chosen):
        if transferred == room:
            break
        with transaction.atomic():
            conversation = access.lock(pk)
            is_unchanged = (
                conversation.status == Status.WAITING
                and conversation.department_id == policy.department_id
                and conversation.offered_to_id is None
            )
            if is_unchanged and not _has_waited_too_long(conversation, target, now):
                assert policy.overflow_to is not None
                put_in_queue(conversation, policy.overflow_to, by=None)
                transferred += 1
    return transferred


def _room_in(target: DepartmentPolicy | None) -> float:
    """Return the number of conversations that the overflow department can get before it overflows by its length."""
    if target is None or target.overflow_to_id is None or target.overflow_length is None:
        return inf
    waiting = Conversation.objects.filter(department=target.department_id, status=Status.WAITING).count()
    return max(0, target.overflow_length - waiting)


def _has_waited_too_long(conversation: Conversation, target: DepartmentPolicy | None, now: datetime) -> bool:
    """Return whether the overflow department would send the conversation on because of its wait."""
    if target is None or target.overflow_to_id is None or target.overflow_minutes is None:
        return False
    return conversation.waiting_since < now - timedelta(minutes=target.overflow_minutes)
