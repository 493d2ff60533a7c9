"""What the sweep reads: how everything that a process shows stands now, and what of it was not told here.

Runs on a thread. A round costs what has changed, not what is connected: PostgreSQL knows of each row which transaction
wrote it last, and of each moment which transactions had not ended. What was written by none of those, nor later, stands
as the round before saw it. That holds whenever a transaction commits and whatever the clocks say. SQLite does not tell:
there, with one process, a round looks at everything.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Max, Q
from django.db.models.expressions import RawSQL

from chat import batch_statements, protocol
from chat.models import Conversation, Message, Note, Status, Visitor
from chat.protocol import ConversationChanged, Event, MessagePosted, NoteAdded, Row, serializers, stamp
from chat.realtime.sent_state import SNAPSHOT_FIELDS, ConversationSnapshot, snapshot_of

# Of the waiting conversations of the departments that look at this process, so many are looked after.
MAX_WAITING = 500
# Where only the clock tells: what was stored so long before a round may have been committed after it.
OVERLAP = timedelta(seconds=10)


@dataclass(frozen=True)
class SweepCursor:
    """What a round has looked at: the next looks again only at what has changed since or was touched here."""

    at: datetime
    joined: frozenset[int] = frozenset()
    # The first transaction that had not ended then. Empty: everything may have changed.
    transaction: str = ""
    note: int = 0


@dataclass(frozen=True)
class SweepRequest:
    """What one round asks about: who listens here, and what they were told already."""

    joined: frozenset[int]
    watched: frozenset[int]
    agents: frozenset[int]
    departments: frozenset[int]
    sees_all: bool
    heads: dict[int, int]
    told: dict[int, ConversationSnapshot]
    told_notes: frozenset[int]
    # Who came, and what was told, since the last round: that may be older than what the last round saw.
    touched: frozenset[int]
    # Of these, what one screen here has read and no other was told of.
    noted: frozenset[int]
    seen: SweepCursor
    at: datetime


@dataclass(frozen=True)
class SweepResult:
    """How what was looked at stands: `gone` is shown nowhere here any more. `events` are what was not told here."""

    found: dict[int, ConversationSnapshot]
    gone: set[int]
    visitors: dict[int, int]
    events: list[Event]
    # Those that a round to come may find again.
    notes: frozenset[int]
    seen: SweepCursor


def find_missed(asked: SweepRequest) -> SweepResult:
    transaction, last_note = _moment()
    found, shown_nowhere, visitors, examined = _concerned(asked)
    events = _missed(asked, found | shown_nowhere)
    notes, missed_notes = _notes(asked)
    seen = SweepCursor(asked.at, asked.joined, transaction, last_note)
    return SweepResult(found, examined - found.keys(), visitors, events + missed_notes, notes, seen)


def _moment() -> tuple[str, int]:
    """Before anything is read: what a later round has to take for new. One query."""
    if connection.vendor == "postgresql":
        ((transaction,),) = batch_statements.fetch(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text", []
        )
        return str(transaction), 0
    return "", Note.objects.aggregate(last=Max("pk"))["last"] or 0


def _missed(asked: SweepRequest, stands: dict[int, ConversationSnapshot]) -> list[Event]:
    changed = {
        pk
        for pk, now in stands.items()
        if asked.told.get(pk) != now or asked.heads.get(pk, now.last_seq) < now.last_seq
    }
    noted: Collection[int] = asked.noted & stands.keys()
    if asked.seen.transaction:
        noted = _changed_since(asked.seen.transaction, noted)
    changed.update(noted)
    if not changed:
        return []
    events: list[Event] = []
    current: dict[int, Row] = {
        values["id"]: serializers.row_of(values)
        for values in Conversation.objects.filter(pk__in=changed).order_by().values(*serializers.ROW_FIELDS)
    }
    # New to every list here, or to all but one. What is older stood in the lists that consoles read when they opened.
    unknown = {pk: row for pk, row in current.items() if pk not in asked.told or pk in noted}
    new = _new(unknown, asked.seen)
    for pk, row in current.items():
        before, head = asked.told.get(pk), asked.heads.get(pk, row.last_seq)
        if head < row.last_seq:
            missed = Message.objects.filter(conversation=pk, seq__gt=head).order_by("seq")
            for values in missed.values(*serializers.MESSAGE_FIELDS)[: protocol.PAGE_OF_MESSAGES]:
                events.append(MessagePosted(pk, serializers.message_of(values), row))
        if before is None:
            if pk in new:
                events.append(ConversationChanged(pk, row, "", None, row.department))
        elif before != snapshot_of(row) or pk in new:
            events.append(ConversationChanged(pk, row, before.status, before.agent, before.department))
    return events


def _new(unknown: dict[int, Row], seen: SweepCursor) -> Collection[int]:
    if seen.transaction:
        return _changed_since(seen.transaction, unknown)
    since = stamp(seen.at - OVERLAP)
    return {pk for pk, row in unknown.items() if max(row.started_at, row.last_message_at or "") >= since}


def _where(**conditions: Any) -> batch_statements.PreparedSelect:
    return batch_statements.PreparedSelect(
        lambda: (
            Conversation.objects.filter(**conditions)
            .order_by()
            .values_list("pk", "visitor_id", *SNAPSHOT_FIELDS)
        )
    )


def _line(**conditions: Any) -> batch_statements.PreparedSelect:
    return batch_statements.PreparedSelect(
        lambda: (
            Conversation.objects.filter(status=Status.WAITING, **conditions)
            .order_by("-priority", "waiting_since", "id")
            .values_list("pk", "visitor_id", *SNAPSHOT_FIELDS)[:MAX_WAITING]
        )
    )


_these = _where(pk__among=batch_statements.PARAM)
_in_hand = _where(agent__pk__among=batch_statements.PARAM, status__in=(Status.ACTIVE, Status.WRAP_UP))
_all_active = _where(status=Status.ACTIVE)
_queue_of = _line(department__pk__among=batch_statements.PARAM)
_full_queue = _line()


def _concerned(
    asked: SweepRequest,
) -> tuple[dict[int, ConversationSnapshot], dict[int, ConversationSnapshot], dict[int, int], set[int]]:
    """Everything that a screen here shows or should show, unless it stands as it did; what was shown here and has left
    all lists: taken on another process, closed, transferred; whose each of these is; and all that was looked at.

    Five queries at most, whose text never changes.
    """
    stored: list[Any] = []
    if asked.agents:
        stored += _in_hand.rows(asked.agents)
        stored += _full_queue.rows() if asked.sees_all else _queue_of.rows(asked.departments)
    if asked.sees_all:
        stored += _all_active.rows()
    listed = {values[0] for values in stored}
    others = (asked.joined | asked.told.keys()) - listed
    quiet: frozenset[int] | set[int] = frozenset()
    if asked.seen.transaction:
        quiet = (others & asked.joined & asked.seen.joined) - asked.touched
    examined = others - quiet
    if quiet:
        examined |= _changed_since(asked.seen.transaction, quiet)
    if examined:
        stored += _these.rows(examined)
    found: dict[int, ConversationSnapshot] = {}
    shown_nowhere: dict[int, ConversationSnapshot] = {}
    visitors: dict[int, int] = {}
    for pk, visitor, *rest in stored:
        (found if pk in asked.joined or pk in listed else shown_nowhere)[pk] = ConversationSnapshot(*rest)
        visitors[pk] = visitor
    return found, shown_nowhere, visitors, {*examined, *listed}


def _changed_since(transaction: str, pks: Collection[int]) -> set[int]:
    """Those of these that may stand otherwise than when `transaction` was the first that had not ended. One query.

    A change of the rating writes the conversation too. Ages are counted backwards from now, so that the numbers of
    transactions may begin anew.
    """
    if not pks:
        return set()
    chat, visitor = Conversation._meta.db_table, Visitor._meta.db_table
    sql = f"""SELECT {chat}.id FROM {chat} JOIN {visitor} ON {visitor}.id = {chat}.visitor_id
        WHERE {chat}.id = ANY(%s::bigint[])
        AND (age({chat}.xmin) <= age(%s::xid) OR age({visitor}.xmin) <= age(%s::xid))"""  # noqa: S608
    ids = "{" + ",".join(map(str, pks)) + "}"
    return {pk for (pk,) in batch_statements.fetch(sql, [ids, transaction, transaction])}


def _notes(asked: SweepRequest) -> tuple[frozenset[int], list[Event]]:
    """The notes since the last round of what is open on a console here, and those of them that were not told here.

    A screen that has one already knows it by its id.
    """
    if not asked.watched:
        return frozenset(), []
    if asked.seen.transaction:
        table = Note._meta.db_table
        since: Any = RawSQL(  # noqa: S611
            f"age({table}.xmin) <= age(%s::xid)", [asked.seen.transaction], output_field=BooleanField()
        )
    elif connection.vendor == "postgresql":
        since = Q(at__gte=asked.seen.at - OVERLAP)
    else:
        # One writes at a time there: the ids come in the order of the commits.
        since = Q(pk__gt=asked.seen.note)
    recent = frozenset(
        Note.objects.filter(since, conversation__in=asked.watched).order_by().values_list("pk", flat=True)
    )
    if recent <= asked.told_notes:
        return recent, []
    missed = Note.objects.filter(pk__in=recent - asked.told_notes).select_related("author", "conversation")
    return recent, [
        NoteAdded(
            note.conversation_id, serializers.note_of(note, note.conversation), note.conversation.agent_id
        )
        for note in missed.order_by("pk")
    ]
