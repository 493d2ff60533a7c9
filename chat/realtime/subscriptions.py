"""Who listens in this process, to what, and what they were told of it. All of it is the loop's thread's."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol

from accounts.models import Staff
from chat import protocol
from chat.models import OPEN, Status, Visitor
from chat.protocol import Row
from chat.realtime.sent_state import ConversationSnapshot, snapshot_of


class VisitorSocket(Protocol):
    is_waiting: bool
    visitor: Visitor | None

    def tokens_voided(self, generation: int) -> None: ...

    def push(self, text: bytes) -> None: ...

    def state_changed(self, row: Row) -> None: ...

    def tell_place(self, frame: protocol.QueueFrame) -> None: ...

    def lost_conversation(self) -> None: ...


class StaffSocket(Protocol):
    staff: Staff
    staff_id: int
    session_key: str
    role: str
    departments: frozenset[int]
    sees_all: bool
    watched: dict[str, int]

    def moved_away(self, pk: int, row: Row) -> None:
        """A conversation that it watches goes on elsewhere, where it is not plain that it may hear it."""

    def push(self, text: bytes) -> None: ...

    def end(self, code: str) -> None: ...


class AnySocket(Protocol):
    def has_posts_in_hand(self) -> bool: ...

    def end(self, code: str, *, retry_after_ms: int | None = None) -> None: ...

    def cut(self) -> None: ...


class Subscriptions:
    """Visitors and staff stand in tables of their own: a note is only ever looked up in the second."""

    def __init__(self) -> None:
        # Everybody who is connected, whether they listen to anything yet or not.
        self.sockets: set[AnySocket] = set()
        self.visitors: defaultdict[int, set[VisitorSocket]] = defaultdict(set)
        self.watchers: defaultdict[int, set[StaffSocket]] = defaultdict(set)
        self.staff: set[StaffSocket] = set()
        # Boxes by the visitor's key, of visitors who are stored: a sign-in or logout ends the older ones.
        self.boxes: defaultdict[int, set[VisitorSocket]] = defaultdict(set)
        # The same once more, by whose lists hold what.
        self._of_member: defaultdict[int, set[StaffSocket]] = defaultdict(set)
        self._of_department: defaultdict[int, set[StaffSocket]] = defaultdict(set)
        self._overseers: set[StaffSocket] = set()
        # Last seq that was handed to the sockets of a conversation, for those that have any.
        self.heads: dict[int, int] = {}
        # As what our screens were last told of each conversation they show; the sweep compares it with the database.
        self.told: dict[int, ConversationSnapshot] = {}
        # Whom the next sweep has to look at even if nothing has changed: who came, and what was told, since the last.
        self.touched: set[int] = set()
        # Of these, what some screen has read though nobody here was told of it: the others may have missed it.
        self.noted: set[int] = set()
        # Notes of the last seconds that were handed to our screens.
        self.told_notes: set[int] = set()

    def forget_all(self) -> None:
        for table in (
            *(self.sockets, self.visitors, self.watchers, self.staff, self.boxes),
            *(self._of_member, self._of_department, self._overseers),
            *(self.heads, self.told, self.touched, self.noted, self.told_notes),
        ):
            table.clear()

    def join(self, pk: int, socket: VisitorSocket) -> None:
        self.visitors[pk].add(socket)
        self.touched.add(pk)

    def leave(self, pk: int, socket: VisitorSocket) -> None:
        self.visitors[pk].discard(socket)
        self._forget(pk)

    def add_box(self, visitor: int, socket: VisitorSocket) -> None:
        self.boxes[visitor].add(socket)

    def remove_box(self, visitor: int, socket: VisitorSocket) -> None:
        self.boxes[visitor].discard(socket)
        if not self.boxes[visitor]:
            del self.boxes[visitor]

    def watch(self, pk: int, socket: StaffSocket) -> None:
        self.watchers[pk].add(socket)
        self.touched.add(pk)

    def unwatch(self, pk: int, socket: StaffSocket) -> None:
        self.watchers[pk].discard(socket)
        self._forget(pk)

    def add_staff(self, socket: StaffSocket) -> None:
        """From now on it hears what concerns its lists."""
        for table in self._tables_of(socket):
            table.add(socket)

    def remove_staff(self, socket: StaffSocket) -> None:
        for table in self._tables_of(socket):
            table.discard(socket)
        if not self._of_member[socket.staff_id]:
            del self._of_member[socket.staff_id]

    def _tables_of(self, socket: StaffSocket) -> Iterable[set[StaffSocket]]:
        yield self.staff
        yield self._of_member[socket.staff_id]
        for department in socket.departments:
            yield self._of_department[department]
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
        """A socket has just been brought up to `seq` from the database: the sweep goes on from there.

        The lowest stands: what another socket here has had already comes to it twice, and it drops the repeat.
        """
        self.heads[pk] = min(self.heads.get(pk, seq), seq)
        self.touched.add(pk)

    def note_row(self, pk: int, row: Row) -> None:
        """A screen of this process has just been shown this row from the database.

        What another one was told before stands: if it is out of date, the sweep tells all once more. If none was told
        of it, it does so where the row is newer than the last round.
        """
        if pk not in self.told:
            self.told[pk] = snapshot_of(row)
            self.noted.add(pk)
        self.touched.add(pk)

    def outsiders(self, pk: int, row: Row) -> list[StaffSocket]:
        """Those who watch an open conversation that is neither theirs nor in a department of theirs."""
        if row.status not in OPEN:
            return []
        agent = row.agent.id if row.agent else None
        return [
            socket
            for socket in self.watchers.get(pk, ())
            if not (socket.sees_all or socket.staff_id == agent or row.department in socket.departments)
        ]

    def _lists(self, status: str, agent: int | None, department: int) -> set[StaffSocket]:
        """In whose lists a conversation in that state stands."""
        listed: set[StaffSocket] = set()
        if status == Status.WAITING:
            listed |= self._of_department.get(department, set())
        if agent is not None and status in (Status.ACTIVE, Status.WRAP_UP):
            listed |= self._of_member.get(agent, set())
        if status in (Status.WAITING, Status.ACTIVE):
            listed |= self._overseers
        return listed
