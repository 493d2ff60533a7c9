"""The queries of the sweep: the current state of the shown conversations, and the changes not sent yet.

They run on a thread. The cost of a round depends on the number of changes, not on the number of sockets. PostgreSQL
stores for each row the transaction that wrote it last, and knows at each moment which transactions have not ended. A
round remembers the oldest transaction that had not ended. If a row was last written by an older transaction, it has not
changed since that round, no matter when a transaction commits or what the clocks say. SQLite does not store the
transaction of a row, so on SQLite every round examines all conversations that this process shows. That is cheap enough,
because SQLite is used with a single process only.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BooleanField, Max, Q
from django.db.models.expressions import RawSQL

from chat import batch_statements, protocol
from chat.models import Conversation, Message, Note, Status
from chat.protocol import ConversationChanged, Event, MessagePosted, NoteAdded, Row, serializers, stamp
from chat.queue_order import QUEUE_ORDER
from chat.realtime.subscriptions import SentRow

# The maximum number of waiting conversations to examine in the departments that have a console in this process.
MAX_WAITING = 500
# Used where rounds compare timestamps because transactions are not known, as on SQLite. A row whose timestamp is up to
# this long before a round may have been committed after the round.
OVERLAP = timedelta(seconds=10)


@dataclass(frozen=True)
class SweepCursor:
    """The position of a round. The next round examines only later changes, and conversations touched in this
    process."""

    at: datetime
    joined: frozenset[int] = frozenset()
    # The oldest transaction that had not ended at the time `at`. If this is empty, everything may have changed.
    transaction: str = ""
    # The snapshot of PostgreSQL at the time `at`. As long as the snapshot is the same, no transaction has written
    # anything. Empty on SQLite.
    snapshot: str = ""
    note: int = 0


@dataclass(frozen=True)
class SweepRequest:
    """The input of one round: the subscriptions of this process, and the state that was sent to its sockets."""

    joined: frozenset[int]
    watched: frozenset[int]
    agents: frozenset[int]
    departments: frozenset[int]
    sees_all: bool
    heads: dict[int, int]
    sent_rows: dict[int, SentRow]
    sent_notes: frozenset[int]
    # Conversations with a new subscription or a sent event since the last round. The row that was sent may be older
    # than the row that the last round read.
    touched: frozenset[int]
    # Touched conversations about which this process had sent no event when a screen loaded their row from the database.
    loaded_only: frozenset[int]
    cursor: SweepCursor
    at: datetime


@dataclass(frozen=True)
class SweepResult:
    """The output of one round."""

    # The current rows of the examined conversations that some screen of this process shows.
    rows: dict[int, SentRow]
    # The examined conversations that no screen of this process shows any more.
    unlisted: set[int]
    # The id of the visitor of each examined conversation, by the conversation's id.
    owners: dict[int, int]
    # The events that this process has not sent to its sockets.
    events: list[Event]
    # The notes that a later round may find again.
    notes: frozenset[int]
    cursor: SweepCursor


class _Stored(NamedTuple):
    """The columns of a conversation that the sweep reads, without its id."""

    visitor: int
    last_seq: int
    row: SentRow


def find_missed(request: SweepRequest) -> SweepResult:
    """Compare the state that was sent to the screens of this process with the database, and return the differences."""
    transaction, snapshot, last_note = _current_position()
    cursor = SweepCursor(request.at, request.joined, transaction, snapshot, last_note)
    if snapshot and snapshot == request.cursor.snapshot and not request.touched:
        return SweepResult({}, set(), {}, [], request.sent_notes, cursor)
    shown, unlisted, examined = _stored_rows(request)
    stored = shown | unlisted
    events = _missed_events(request, stored)
    notes, missed_notes = _missed_notes(request)
    return SweepResult(
        rows={pk: one.row for pk, one in shown.items()},
        unlisted=examined - shown.keys(),
        owners={pk: one.visitor for pk, one in stored.items()},
        events=events + missed_notes,
        notes=notes,
        cursor=cursor,
    )


def _current_position() -> tuple[str, str, int]:
    """Return the oldest unfinished transaction and the snapshot (on PostgreSQL only), and the last note (on SQLite
    only).

    A later round treats everything after them as new. Call this before anything else is read. One query.
    """
    if connection.vendor == "postgresql":
        ((transaction, snapshot),) = batch_statements.fetch(
            "SELECT pg_snapshot_xmin(now)::xid::text, now::text FROM pg_current_snapshot() AS now", []
        )
        return str(transaction), str(snapshot), 0
    return "", "", Note.objects.aggregate(last=Max("pk"))["last"] or 0


def _missed_events(request: SweepRequest, stored: dict[int, _Stored]) -> list[Event]:
    changed = {
        pk
        for pk, (_, last_seq, row) in stored.items()
        if pk not in request.sent_rows
        or request.sent_rows[pk].revision != row.revision
        or request.heads.get(pk, last_seq) < last_seq
    }
    loaded_only: Collection[int] = request.loaded_only & stored.keys()
    if request.cursor.transaction:
        loaded_only = _changed_since(request.cursor.transaction, loaded_only)
    changed.update(loaded_only)
    if not changed:
        return []
    events: list[Event] = []
    current: dict[int, Row] = {
        values["id"]: serializers.row_of(values)
        for values in Conversation.objects.filter(pk__in=changed).order_by().values(*serializers.ROW_FIELDS)
    }
    # The consoles of this process were sent no event about these rows; at most, one screen has loaded such a row
    # itself. Send only the rows that have changed since the last round: consoles loaded the older ones when they
    # opened.
    unsent = {pk: row for pk, row in current.items() if pk not in request.sent_rows or pk in loaded_only}
    new = _new_since(unsent, request.cursor)
    for pk, row in current.items():
        before, head = request.sent_rows.get(pk), request.heads.get(pk, row.last_seq)
        if head < row.last_seq:
            missed = Message.objects.filter(conversation=pk, seq__gt=head).order_by("seq")
            for values in missed.values(*serializers.MESSAGE_FIELDS)[: protocol.PAGE_OF_MESSAGES]:
                events.append(MessagePosted(pk, serializers.message_of(values), row))
        if before is None:
            if pk in new:
                events.append(ConversationChanged(pk, row, "", None, row.department))
        elif before.revision != row.revision or pk in new:
            events.append(ConversationChanged(pk, row, before.status, before.agent, before.department))
    return events


def _new_since(rows: dict[int, Row], cursor: SweepCursor) -> Collection[int]:
    if cursor.transaction:
        return _changed_since(cursor.transaction, rows)
    since = stamp(cursor.at - OVERLAP)
    return {pk for pk, row in rows.items() if max(row.started_at, row.last_message_at or "") >= since}


# The id of a conversation, then the columns of a _Stored and of its SentRow.
_COLUMNS = ("pk", "visitor_id", "last_seq", "revision", "status", "agent_id", "department_id")


def _select_rows(**conditions: Any) -> batch_statements.PreparedSelect:
    return batch_statements.PreparedSelect(
        lambda: Conversation.objects.filter(**conditions).order_by().values_list(*_COLUMNS)
    )


def _select_queue(**conditions: Any) -> batch_statements.PreparedSelect:
    return batch_statements.PreparedSelect(
        lambda: (
            Conversation.objects.filter(status=Status.WAITING, **conditions)
            .order_by(*QUEUE_ORDER)
            .values_list(*_COLUMNS)[:MAX_WAITING]
        )
    )


_rows_by_pk = _select_rows(pk__among=batch_statements.PARAM)
_rows_by_agent = _select_rows(
    agent__pk__among=batch_statements.PARAM, status__in=(Status.ACTIVE, Status.WRAP_UP)
)
_all_active = _select_rows(status=Status.ACTIVE)
_queue_of = _select_queue(department__pk__among=batch_statements.PARAM)
_full_queue = _select_queue()


def _stored_rows(
    request: SweepRequest,
) -> tuple[dict[int, _Stored], dict[int, _Stored], set[int]]:
    """Return three things about the conversations of this process:

    - the conversations that a screen of this process shows or should show, except unchanged ones;
    - the conversations that were shown and have left all lists (assigned on another process, closed, transferred);
    - the ids of all examined conversations.

    At most five queries, whose text never changes.
    """
    stored: list[Any] = []
    if request.agents:
        stored += _rows_by_agent.rows(request.agents)
        stored += _full_queue.rows() if request.sees_all else _queue_of.rows(request.departments)
    if request.sees_all:
        stored += _all_active.rows()
    listed = {values[0] for values in stored}
    others = (request.joined | request.sent_rows.keys()) - listed
    quiet: frozenset[int] | set[int] = frozenset()
    if request.cursor.transaction:
        quiet = (others & request.joined & request.cursor.joined) - request.touched
    examined = others - quiet
    if quiet:
        examined |= _changed_since(request.cursor.transaction, quiet)
    if examined:
        stored += _rows_by_pk.rows(examined)
    shown: dict[int, _Stored] = {}
    unlisted: dict[int, _Stored] = {}
    for pk, visitor, last_seq, *row in stored:
        (shown if pk in request.joined or pk in listed else unlisted)[pk] = _Stored(
            visitor, last_seq, SentRow(*row)
        )
    return shown, unlisted, {*examined, *listed}


def _changed_since(transaction: str, pks: Collection[int]) -> set[int]:
    """Return the ids of those conversations in `pks` that may have changed since an earlier round. One query.

    `transaction` is the oldest one that was unfinished in that round. The query compares ages of transactions, not
    numbers, because the numbers wrap around.
    """
    if not pks:
        return set()
    table = Conversation._meta.db_table
    sql = f"SELECT id FROM {table} WHERE id = ANY(%s::bigint[]) AND age(xmin) <= age(%s::xid)"  # noqa: S608
    return {pk for (pk,) in batch_statements.fetch(sql, ["{" + ",".join(map(str, pks)) + "}", transaction])}


def _missed_notes(request: SweepRequest) -> tuple[frozenset[int], list[Event]]:
    """Return the ids of the notes written since the last round, and the events of those that this process has not sent.

    Only conversations that are watched in this process count. A screen that already shows such a note recognises it by
    its id.
    """
    if not request.watched:
        return frozenset(), []
    if request.cursor.transaction:
        table = Note._meta.db_table
        since: Any = RawSQL(  # noqa: S611
            f"age({table}.xmin) <= age(%s::xid)", [request.cursor.transaction], output_field=BooleanField()
        )
    elif connection.vendor == "postgresql":
        since = Q(at__gte=request.cursor.at - OVERLAP)
    else:
        # SQLite has one writer at a time, so ids are in the order of the commits.
        since = Q(pk__gt=request.cursor.note)
    recent = frozenset(
        Note.objects.filter(since, conversation__in=request.watched).order_by().values_list("pk", flat=True)
    )
    if recent <= request.sent_notes:
        return recent, []
    missed = Note.objects.filter(pk__in=recent - request.sent_notes).select_related("author", "conversation")
    return recent, [
        NoteAdded(
            note.conversation_id, serializers.note_of(note, note.conversation), note.conversation.agent_id
        )
        for note in missed.order_by("pk")
    ]
