"""Raise, confirm and lower emergencies by hand. Words raise them by themselves (`chat.emergencies`)."""

from uuid import UUID

from django.db import transaction

from accounts import audit
from accounts.access import require
from accounts.models import Staff
from chat import access
from chat.actions.events import ConversationChange
from chat.errors import ConversationClosed
from chat.models import Conversation, Emergency
from chat.queue_order import URGENT, queue_time

BY_HAND = "by_hand"


def raise_by_hand(*, staff: Staff, uuid: UUID) -> Conversation:
    """Make an open conversation an emergency, which is first in the queue. Does nothing if it is one.

    Raises ConversationClosed, NotFound.
    """
    require(staff, "answer")
    return _set(staff, uuid, Emergency.RAISED, unless=URGENT, reason=BY_HAND)


def confirm(*, staff: Staff, uuid: UUID) -> Conversation:
    """Confirm an emergency, which ends its alert. Supervisors only. Raises ConversationClosed, NotFound."""
    require(staff, "assign_to_others")
    return _set(staff, uuid, Emergency.CONFIRMED, unless=(Emergency.CONFIRMED,))


def lower(*, staff: Staff, uuid: UUID) -> Conversation:
    """Decide that a conversation is no emergency; its words cannot raise it again. Supervisors only.

    Raises ConversationClosed, NotFound.
    """
    require(staff, "assign_to_others")
    return _set(staff, uuid, Emergency.LOWERED, unless=(Emergency.LOWERED,))


def _set(
    staff: Staff,
    uuid: UUID,
    emergency: Emergency,
    *,
    unless: tuple[Emergency, ...],
    reason: str | None = None,
) -> Conversation:
    with transaction.atomic():
        conversation = access.lock_conversation_for(staff, uuid)
        if not conversation.is_open:
            raise ConversationClosed
        if conversation.emergency in unless:
            return conversation
        change = ConversationChange(conversation)
        conversation.emergency = emergency
        if reason is not None:
            conversation.emergency_reason = reason
        conversation.queue_time = queue_time(conversation.waiting_since, conversation.priority, emergency)
        change.save("emergency", "emergency_reason", "queue_time")
        audit.record(staff, "emergency.changed", conversation, emergency=emergency.value)
    return conversation
