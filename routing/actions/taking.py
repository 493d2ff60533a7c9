"""Agents take conversations from the queue by hand, and hand them to colleagues who have room for them."""

from contextlib import suppress
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.access import may, require, restricted_departments
from accounts.models import PresenceStatus, Staff
from chat import access
from chat.actions import agents
from chat.actions.assigning import AssignmentResult, assign
from chat.errors import (
    AlreadyTaken,
    ConversationClosed,
    NobodyWaiting,
    NotFirstInQueue,
)
from chat.models import Assignment, Conversation, Status
from chat.queue_order import QUEUE_ORDER, URGENT
from chat.selectors import takeable_queue
from routing import loads
from routing.actions import offers
from routing.actions.agent_locks import READY, lock_presences
from routing.actions.queue import NextRequest, assign_next, find_assigned, restriction_refusal
from routing.errors import AtCapacity, ColleagueAtCapacity, NotOnline, OfferEnded
from routing.explanations import by_hand


def take_next(*, staff: Staff, client_id: UUID | None = None) -> Conversation:
    """Assign the first waiting conversation of the agent's departments to the agent, and return it.

    If the router offers a conversation to the agent, it is that one. `client_id` identifies the click: a repeated
    request returns the same conversation and takes no other. Raises NobodyWaiting, NotOnline, AtCapacity, or
    QueueRestricted if the agent has a queue restriction for any of these departments.
    """
    require(staff, "answer")
    request = NextRequest(staff, client_id)
    if taken := find_assigned(request):
        return taken
    offered = Conversation.objects.filter(offered_to=staff).order_by(*QUEUE_ORDER).first()
    if offered is not None:
        with suppress(OfferEnded):
            return offers.accept(staff=staff, uuid=offered.uuid, client_id=client_id)
    try:
        return assign_next(request)
    except (IntegrityError, NobodyWaiting):
        # A copy of this request, sent at the same time, has taken a conversation meanwhile.
        if taken := find_assigned(request):
            return taken
        raise


def take(*, staff: Staff, uuid: UUID) -> Conversation:
    """Assign this waiting conversation to the agent. Does nothing if it is already assigned to the agent.

    An emergency may be taken out of order, and by an agent who has no free capacity. Staff with the right
    `choose_from_queue` may take any conversation at any time. Raises AlreadyTaken if a colleague has the conversation
    or an offer of it, NotFirstInQueue if another visitor has waited longer, NotOnline, AtCapacity, QueueRestricted,
    ConversationClosed, NotFound.
    """
    require(staff, "answer")
    with transaction.atomic():
        status = lock_presences([staff.pk])[staff.pk]
        conversation = access.lock_conversation_for(staff, uuid)
        if conversation.status == Status.ACTIVE and conversation.agent_id == staff.pk:
            return conversation
        if conversation.status == Status.ACTIVE:
            raise AlreadyTaken
        if conversation.status != Status.WAITING:
            raise ConversationClosed
        if conversation.offered_to_id == staff.pk:
            return offers.accept(staff=staff, uuid=uuid)
        if not may(staff, "choose_from_queue"):
            _check(staff, conversation, status)
        row = access.lock_conversations([conversation.pk])[conversation.pk]
        assign([AssignmentResult(row, staff, staff, Assignment.Reason.TAKEN, explanation=by_hand(row))])
        conversation.refresh_from_db()
    return conversation


def _check(staff: Staff, conversation: Conversation, status: PresenceStatus) -> None:
    """Raise the refusal if the agent may not take this waiting conversation now."""
    if conversation.offered_to_id is not None:
        raise AlreadyTaken
    if status not in READY:
        raise NotOnline
    if restricted_departments(staff).filter(department=conversation.department_id).exists():
        raise restriction_refusal(staff)
    if conversation.emergency in URGENT:
        return
    if takeable_queue(staff).first() != conversation:
        raise NotFirstInQueue
    load, has_room = _room(staff, conversation.department_id)
    if not has_room:
        raise AtCapacity(load.load, load.capacity)


def _room(staff: Staff, department: int) -> tuple[loads.AgentLoad, bool]:
    """Return the agent's load, and whether the agent may get one more conversation of the department."""
    policies = loads.policies()
    load = loads.agent_loads({staff.pk: staff.capacity}, policies)[staff.pk]
    return load, load.has_room_for(department, policies.get(department, loads.DEFAULT_POLICY))


def transfer_to_agent(*, staff: Staff, uuid: UUID, to: Staff, note: str = "") -> Conversation:
    """Transfer a conversation to an online colleague, as `chat.actions.agents.transfer_to_agent` does.

    Also raises ColleagueAtCapacity if the colleague has no room for it, unless `staff` may assign conversations to
    others.
    """
    with transaction.atomic():
        lock_presences([to.pk])
        conversation = access.conversation_for(staff, uuid)
        if conversation.agent_id != to.pk and not may(staff, "assign_to_others"):
            _, has_room = _room(to, conversation.department_id)
            if not has_room:
                raise ColleagueAtCapacity
        return agents.transfer_to_agent(staff=staff, uuid=uuid, to=to, note=note)
