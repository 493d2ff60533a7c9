"""Abandonment: a visitor who stays away while waiting leaves the queue, and gets the former place back on returning in
time."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from chat import access, batch_statements
from chat.actions import events
from chat.models import OPEN, Conversation, Message, Status, Visitor
from chat.protocol import Event, MessagePosted, serializers
from chat.realtime import delivery
from core import database_clock

# Minutes after which a visitor who is away leaves the queue: on a desktop and on a phone. Phones cut the connection
# while another app is open.
ABANDON_MINUTES = (3, 10)
# Minutes for which the place of a visitor who has left the queue in this way is kept.
REJOIN_MINUTES = 30


class _RejoinPolicy:
    """The minutes for which a place is kept, by department. The app `routing` registers its policies here."""

    def __init__(self) -> None:
        self.minutes_of: Callable[[int], int] = lambda department: REJOIN_MINUTES


_policy = _RejoinPolicy()


class _KeptPlaces:
    """Which places are still kept. It reads the policy of a department and the clock once, so use an object for one
    batch only."""

    def __init__(self) -> None:
        self.minutes_of = cache(_policy.minutes_of)
        self._now = database_clock.read()

    def has(self, department: int, abandoned_at: datetime | None) -> bool:
        """Return whether a place in this department that was abandoned at this time is still kept."""
        if abandoned_at is None:
            return False
        return self._now <= abandoned_at + timedelta(minutes=self.minutes_of(department))


def register_rejoin_minutes(of_department: Callable[[int], int]) -> None:
    """Use this function, which takes the id of a department, in place of the constant REJOIN_MINUTES."""
    _policy.minutes_of = of_department


def abandon_absent(limits: Mapping[int, tuple[int, int]]) -> int:
    """Remove from the queue the visitors who have been away for too long. Returns their number.

    `limits` has the minutes on a desktop and on a phone for each department, by its id. The limits of a department that
    is not among them are ABANDON_MINUTES. Two queries if there are none.
    """
    now = database_clock.read()
    shortest = min(minutes for both in (ABANDON_MINUTES, *limits.values()) for minutes in both)
    absent = Conversation.objects.filter(
        status=Status.WAITING, visitor_away_since__lte=now - timedelta(minutes=shortest)
    )
    due = {}
    for pk, department, device, since in absent.order_by().values_list(
        "pk", "department", "device", "visitor_away_since"
    ):
        minutes = limits.get(department, ABANDON_MINUTES)[device == "phone"]
        if since is not None and since <= now - timedelta(minutes=minutes):
            due[pk] = since
    abandoned = 0
    for chunk in access.in_lockable_chunks(due):
        with transaction.atomic():
            rows = [
                row
                for pk, row in access.lock_conversations(chunk).items()
                if row["status"] == Status.WAITING and row["visitor_away_since"] == due[pk]
            ]
            changes = {
                "status": Status.ABANDONED.value,
                "ended_at": now,
                "offered_to_id": None,
                "offered_until": None,
            }
            _change_status(
                rows,
                changes,
                "abandoned",
                gettext_noop(
                    "The visitor was away and left the queue. The place is kept for %(minutes)s minutes."
                ),
                gettext_noop(
                    "You were away, so we've paused your place in the queue. Come back within %(minutes)s minutes and "
                    "it's yours again."
                ),
            )
        abandoned += len(rows)
    return abandoned


def bring_back(pks: Collection[int], process: str) -> set[int]:
    """Return visitors who have abandoned the queue, and are now connected to `process`, to their former place.

    Returns the ids of the conversations that wait again. The others are no longer abandoned, or their time is over, or
    their visitor has started another conversation.
    """
    if not pks:
        return set()
    kept = _KeptPlaces()
    # No savepoint: see `access.lock_conversations`.
    with transaction.atomic(savepoint=False):
        abandoned = Conversation.objects.filter(pk__in=pks, status=Status.ABANDONED)
        in_time = {
            visitor: pk
            for pk, visitor, department, at in abandoned.order_by("pk").values_list(
                "pk", "visitor", "department", "ended_at"
            )
            if kept.has(department, at)
        }
        # Lock the visitors, so that none of them can start another conversation now.
        locked = Visitor.objects.filter(pk__in=in_time).select_for_update(of=("self",)).order_by("pk")
        visitors = list(locked.values_list("pk", flat=True))
        busy = set(
            Conversation.objects.filter(visitor__in=visitors, status__in=OPEN).values_list(
                "visitor", flat=True
            )
        )
        returning = access.lock_conversations(in_time[visitor] for visitor in visitors if visitor not in busy)
        rows = [row for row in returning.values() if row["status"] == Status.ABANDONED]
        changes = {
            "status": Status.WAITING.value,
            "ended_at": None,
            "visitor_process": process,
            "visitor_away_since": None,
        }
        _change_status(
            rows,
            changes,
            "rejoined",
            gettext_noop("The visitor is back, in the former place in the queue."),
            gettext_noop("Welcome back. You have your place in the queue again."),
        )
    return {row["id"] for row in rows}


def close_abandoned() -> int:
    """Close the abandoned conversations whose visitors have not come back in time. Returns their number.

    Every process runs this periodic job once a minute (`core.periodic`); repeats are harmless.
    """
    abandoned = Conversation.objects.filter(status=Status.ABANDONED).order_by("pk")
    kept, closed = _KeptPlaces(), 0
    for pk, department, at in abandoned.values_list("pk", "department", "ended_at"):
        if kept.has(department, at):
            continue
        with transaction.atomic():
            conversation = access.lock(pk)
            if conversation.status != Status.ABANDONED or conversation.ended_at != at:
                continue
            change = events.ConversationChange(conversation)
            conversation.status, conversation.closed_at = Status.CLOSED, timezone.now()
            conversation.ended_by, conversation.unanswered_since = "visitor", None
            conversation.digest = events.digest_of(conversation)
            change.save("status", "closed_at", "ended_by", "unanswered_since", "digest")
            closed += 1
    return closed


def _change_status(
    rows: Sequence[dict[str, Any]], changes: Mapping[str, Any], code: str, msgid: str, to_visitor: str
) -> None:
    """Change the status of locked conversations, tell both sides, and announce it on commit. Two statements."""
    if not rows:
        return
    now, minutes_of = timezone.now(), _KeptPlaces().minutes_of
    messages: list[dict[str, Any]] = []
    announced: list[Event] = []
    for row in rows:
        before = row["status"]
        message = events.event_message(
            row["id"],
            row["last_seq"] + 1,
            row["language"],
            code,
            msgid,
            {"minutes": str(minutes_of(row["department_id"]))},
            now,
            to_visitor=to_visitor,
        )
        row.update(changes, revision=row["revision"] + 1, last_seq=message["seq"], last_message_at=now)
        messages.append(message)
        posted = MessagePosted(row["id"], events.message_data_of(message), serializers.row_of(row))
        announced += [posted, events.row_changed(row, before)]
    with batch_statements.run_in_one_statement():
        batch_statements.insert(Message, messages)
        batch_statements.update(Conversation, rows, (*changes, "revision", "last_seq", "last_message_at"))
    delivery.announce_on_commit(*announced)
