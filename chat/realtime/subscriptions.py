"""Tables of the sockets of this process: their subscriptions, and the state that was last sent to them.

Only the event-loop thread may touch these tables.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol, Self

from django.utils import timezone

from accounts.models import Staff
from chat.models import OPEN, Status, Visitor
from chat.protocol import Row
from chat.queue_estimates import QueuePosition


class SentRow(NamedTuple):
    """The last row of a conversation that this process sent: its revision, and the fields that decide whose lists hold
    it."""

    revision: int
    status: str
    agent: int | None
    department: int

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(row.revision, row.status, row.agent.id if row.agent else None, row.department)


class VisitorSocket(Protocol):
    is_waiting: bool
    visitor: Visitor | None

    def tokens_voided(self, generation: int) -> None: ...

    def push(self, text: bytes) -> None: ...

    def state_changed(self, row: Row) -> None: ...

    def send_position(self, position: QueuePosition) -> None: ...

    def lost_conversation(self) -> None: ...


class StaffSocket(Protocol):
    staff: Staff
    staff_id: int
    session_key: str
    role: str
    departments: frozenset[int]
    sees_all: bool
    # Primary keys by uuid. `watched` has the conversations that the socket watches. `parked` has the conversations that
    # the screen still shows, although, after a transfer, this staff member is no longer allowed to follow them.
    watched: dict[str, int]
    parked: dict[str, int]

    def park(self, uuid: str) -> None: ...

    async def watch_again(self, uuid: str) -> None: ...

    def moved_away(self, pk: int, row: Row) -> None:
        """Stop watching a conversation that was transferred to another department or agent, unless this person may
        follow it."""

    def push(self, text: bytes) -> None: ...

    def end(self, code: str) -> None: ...


class AnySocket(Protocol):
    def has_posts_in_hand(self) -> bool: ...

    def end(self, code: str, *, retry_after_ms: int | None = None) -> None: ...

    def abort(self) -> None: ...


class Subscriptions:
    """Tables of subscribed sockets. Visitors and staff have separate tables, so a note can never reach a visitor."""

    def __init__(self) -> None:
        # All connected sockets, subscribed or not.
        self.sockets: set[AnySocket] = set()
        # Sockets by the primary key of the conversation that they have open.
        self.visitors: defaultdict[int, set[VisitorSocket]] = defaultdict(set)
        self.watchers: defaultdict[int, set[StaffSocket]] = defaultdict(set)
        self.staff: set[StaffSocket] = set()
        # Widgets by the primary key of their visitor, for visitors that are stored in the database. A sign-in or logout
        # ends a visitor's older widgets.
        self.widgets: defaultdict[int, set[VisitorSocket]] = defaultdict(set)
        # Consoles by the content of their lists: a staff member's own conversations, a department's queue, or
        # everything.
        self._by_staff_id: defaultdict[int, set[StaffSocket]] = defaultdict(set)
        self._by_department: defaultdict[int, set[StaffSocket]] = defaultdict(set)
        self._overseers: set[StaffSocket] = set()
        # The last seq handed to the sockets of a conversation, for conversations that have sockets.
        self.heads: dict[int, int] = {}
        # For each conversation, the last row that was sent to the screens of this process. The sweep compares the
        # revision of the row with the database. Some of these screens may show a newer row, but none has missed a
        # change up to this revision.
        self.sent_rows: dict[int, SentRow] = {}
        # Conversations that the next sweep must examine even if their rows have not changed: since the last sweep, a
        # socket has subscribed to the conversation, or an event about it was sent.
        self.touched: set[int] = set()
        # Touched conversations about which this process had sent no event when a screen loaded their row from the
        # database. The other screens of this process may have missed an event.
        self.loaded_only: set[int] = set()
        # The ids of notes of the last few seconds that were already sent to the screens of this process.
        self.sent_notes: set[int] = set()
        # Conversations whose visitor has connected to this process, and conversations whose visitor has left it, with
        # the time. The sweep records both in the database.
        self.arrived: set[int] = set()
        self.left: dict[int, datetime] = {}

    def forget_all(self) -> None:
        for table in (
            *(self.sockets, self.visitors, self.watchers, self.staff, self.widgets),
            *(self._by_staff_id, self._by_department, self._overseers),
            *(self.heads, self.sent_rows, self.touched, self.loaded_only, self.sent_notes),
            *(self.arrived, self.left),
        ):
            table.clear()

    def join(self, pk: int, socket: VisitorSocket) -> None:
        if not self.visitors[pk]:
            self.arrived.add(pk)
            self.left.pop(pk, None)
        self.visitors[pk].add(socket)
        self.touched.add(pk)

    def leave(self, pk: int, socket: VisitorSocket) -> None:
        self.visitors[pk].discard(socket)
        if not self.visitors[pk]:
            self.arrived.discard(pk)
            self.left[pk] = timezone.now()
        self._forget(pk)

    def add_widget(self, visitor: int, socket: VisitorSocket) -> None:
        self.widgets[visitor].add(socket)

    def remove_widget(self, visitor: int, socket: VisitorSocket) -> None:
        self.widgets[visitor].discard(socket)
        if not self.widgets[visitor]:
            del self.widgets[visitor]

    def watch(self, pk: int, socket: StaffSocket) -> None:
        self.watchers[pk].add(socket)
        self.touched.add(pk)

    def unwatch(self, pk: int, socket: StaffSocket) -> None:
        self.watchers[pk].discard(socket)
        self._forget(pk)

    def add_staff(self, socket: StaffSocket) -> None:
        """Subscribe a console to the changes of the conversations in its lists."""
        for table in self._tables_of(socket):
            table.add(socket)

    def remove_staff(self, socket: StaffSocket) -> None:
        for table in self._tables_of(socket):
            table.discard(socket)
        if not self._by_staff_id[socket.staff_id]:
            del self._by_staff_id[socket.staff_id]

    def _tables_of(self, socket: StaffSocket) -> Iterable[set[StaffSocket]]:
        yield self.staff
        yield self._by_staff_id[socket.staff_id]
        for department in socket.departments:
            yield self._by_department[department]
        if socket.sees_all:
            yield self._overseers

    def _forget(self, pk: int) -> None:
        if not self.visitors.get(pk):
            self.visitors.pop(pk, None)
        if not self.watchers.get(pk):
            self.watchers.pop(pk, None)
        if pk not in self.visitors and pk not in self.watchers:
            self.heads.pop(pk, None)

    def note_head(self, pk: int, seq: int) -> None:
        """Record that a socket has loaded the messages up to `seq` from the database. The sweep continues from there.

        If several sockets have the conversation open, the lowest seq is kept. A socket may then receive a message
        twice, and drops the repeat.
        """
        self.heads[pk] = min(self.heads.get(pk, seq), seq)
        self.touched.add(pk)

    def note_row(self, pk: int, row: Row) -> None:
        """Record that a screen of this process has just loaded this row from the database.

        The row with the lowest revision is kept. If it is outdated, the sweep sends the current one to all screens. If
        no row was sent before, the sweep sends this one to all screens, provided that it has changed since the last
        round.
        """
        sent = self.sent_rows.get(pk)
        if sent is None:
            self.loaded_only.add(pk)
        if sent is None or row.revision < sent.revision:
            self.sent_rows[pk] = SentRow.of(row)
        self.touched.add(pk)

    def is_own(self, pk: int, socket: StaffSocket) -> bool:
        """Return whether the conversation belongs to the staff member or to one of their departments.

        The answer comes from the last row that this process sent; it is False if there is none.
        """
        row = self.sent_rows.get(pk)
        return row is not None and (row.agent == socket.staff_id or row.department in socket.departments)

    def outsiders(self, pk: int, row: Row) -> list[StaffSocket]:
        """Return the sockets that watch this open conversation although their staff are no longer allowed to.

        Those staff are neither the conversation's agent nor in its department, and lack access to all conversations.
        """
        if row.status not in OPEN:
            return []
        agent = row.agent.id if row.agent else None
        return [
            socket
            for socket in self.watchers.get(pk, ())
            if not (socket.sees_all or socket.staff_id == agent or row.department in socket.departments)
        ]

    def _consoles_listing(self, row: SentRow) -> set[StaffSocket]:
        """Return the consoles whose lists hold this row."""
        listed: set[StaffSocket] = set()
        if row.status == Status.WAITING:
            listed |= self._by_department.get(row.department, set())
        if row.agent is not None and row.status in (Status.ACTIVE, Status.WRAP_UP):
            listed |= self._by_staff_id.get(row.agent, set())
        if row.status in (Status.WAITING, Status.ACTIVE):
            listed |= self._overseers
        return listed
