"""Offers: an agent accepts or declines a conversation that the router offers, or misses the offer."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import presence
from accounts.access import require
from accounts.models import PresenceStatus, Staff
from chat import access, batch_statements
from chat.actions.assigning import AssignmentResult, assign
from chat.actions.events import row_changed
from chat.actions.presence import set_away
from chat.models import Assignment, Conversation, Status
from chat.realtime import delivery
from core import database_clock
from routing.actions.agent_locks import lock_presences
from routing.errors import OfferEnded
from routing.matching import Choice
from routing.models import Offer

# An agent who misses this number of offers in a row is set to away.
MISSES_UNTIL_AWAY = 2
_COLUMNS = ("offered_to_id", "offered_until", "revision")


def accept(*, staff: Staff, uuid: UUID, client_id: UUID | None = None) -> Conversation:
    """Assign the offered conversation to the agent. A repeat returns the same conversation.

    `client_id` identifies the click if the agent has pressed "Take next". An offer that has expired can still be
    accepted until the router withdraws it. Raises OfferEnded, NotFound.
    """
    require(staff, "answer")
    with transaction.atomic():
        lock_presences([staff.pk])
        conversation = access.lock_conversation_for(staff, uuid)
        if conversation.agent_id == staff.pk and conversation.status == Status.ACTIVE:
            return conversation
        if conversation.offered_to_id != staff.pk:
            raise OfferEnded
        offer = _open_offer(conversation.pk)
        row = access.lock_conversations([conversation.pk])[conversation.pk]
        explanation = offer.explanation if offer else {}
        assign([AssignmentResult(row, staff, staff, Assignment.Reason.OFFERED, client_id, explanation)])
        _settle([conversation.pk], Offer.Outcome.ACCEPTED)
        conversation.refresh_from_db()
    return conversation


def decline(*, staff: Staff, uuid: UUID) -> None:
    """Decline an offer, so that the next agent gets it. Does nothing if this agent has already declined or missed it.

    Raises OfferEnded, NotFound.
    """
    require(staff, "answer")
    with transaction.atomic():
        conversation = access.lock_conversation_for(staff, uuid)
        if conversation.offered_to_id == staff.pk:
            withdraw([conversation.pk], Offer.Outcome.DECLINED)
        elif not staff.offers.filter(conversation=conversation).exists():
            raise OfferEnded


def make(choices: Sequence[tuple[Choice, Mapping[str, Any], int]]) -> None:
    """Offer locked, waiting conversations in the caller's transaction: each a choice, its row, and the seconds."""
    if not choices:
        return
    now = database_clock.read()
    # An offer whose conversation was taken or transferred meanwhile is still open.
    _settle([row["id"] for _, row, _ in choices], Offer.Outcome.WITHDRAWN)
    offers, rows = [], []
    for choice, row, seconds in choices:
        until = now + timedelta(seconds=seconds)
        offers.append(
            Offer(
                conversation_id=row["id"],
                agent_id=choice.agent,
                department_id=row["department_id"],
                at=now,
                until_at=until,
                explanation=choice.explanation.as_json(),
            )
        )
        rows.append({**row, "offered_to_id": choice.agent, "offered_until": until})
    Offer.objects.bulk_create(offers)
    _write(rows)


def withdraw(pks: Iterable[int], outcome: Offer.Outcome) -> None:
    """End the offers of these locked conversations in the caller's transaction."""
    pks = list(pks)
    _settle(pks, outcome)
    rows = access.lock_conversations(pks).values()
    offered = [row for row in rows if row["offered_to_id"] is not None]
    _write([{**row, "offered_to_id": None, "offered_until": None} for row in offered])


def withdraw_stale() -> int:
    """Record as withdrawn the open offers of conversations that are no longer offered, and return their number.

    Such a conversation was taken by a supervisor, transferred or ended, or its visitor left. One statement.
    """
    stale = Offer.objects.filter(outcome=Offer.Outcome.OPEN, conversation__offered_to=None)
    return stale.update(outcome=Offer.Outcome.WITHDRAWN, decided_at=timezone.now())


def expire() -> datetime | None:
    """End the offers that have expired. An agent who misses two in a row is set to away.

    Returns the time at which the next offer expires, or None if none is open.
    """
    offered = Conversation.objects.filter(offered_to__isnull=False).order_by()
    found = list(offered.values_list("offered_until", database_clock.now()))
    ends = [until for until, _ in found if until is not None]
    now = max((now for _, now in found), default=timezone.now())
    if any(until <= now for until in ends):
        _expire(now)
    return min((until for until in ends if until > now), default=None)


def _expire(now: datetime) -> None:
    with transaction.atomic():
        expired = Conversation.objects.filter(offered_until__lte=now).order_by()
        agents = dict(expired.values_list("pk", "offered_to_id"))
        statuses = lock_presences(set(agents.values()))
        locked = access.lock_conversations(agents)
        missed = [
            pk
            for pk, row in locked.items()
            if row["offered_to_id"] == agents[pk] and row["offered_until"] <= now
        ]
        withdraw(missed, Offer.Outcome.MISSED)
        for agent in sorted({agents[pk] for pk in missed}):
            if statuses[agent] == PresenceStatus.ONLINE and _has_missed_too_many(agent):
                set_away(staff=Staff.objects.get(pk=agent), reason="missed_offers")


def _has_missed_too_many(agent: int) -> bool:
    newest = Offer.objects.filter(agent=agent).exclude(
        outcome__in=(Offer.Outcome.OPEN, Offer.Outcome.WITHDRAWN)
    )
    outcomes = newest.order_by("-id").values_list("outcome", "at")[:MISSES_UNTIL_AWAY]
    since = presence.since_of(agent)
    missed = [at for outcome, at in outcomes if outcome == Offer.Outcome.MISSED and at >= since]
    return len(missed) == MISSES_UNTIL_AWAY


def _open_offer(conversation: int) -> Offer | None:
    return Offer.objects.filter(conversation=conversation, outcome=Offer.Outcome.OPEN).first()


def _settle(pks: Iterable[int], outcome: Offer.Outcome) -> None:
    open_offers = Offer.objects.filter(conversation__in=list(pks), outcome=Offer.Outcome.OPEN)
    open_offers.update(outcome=outcome, decided_at=timezone.now())


def _write(rows: Iterable[dict[str, Any]]) -> None:
    """Write the offers of these rows, and announce them."""
    rows = list(rows)
    if not rows:
        return
    for row in rows:
        row["revision"] += 1
    batch_statements.update(Conversation, rows, _COLUMNS)
    delivery.announce_on_commit(*map(row_changed, rows))
