"""The line: who asks for the next gets the first in line.

Those who ask while others are being served are served together after them, in one transaction: its statements and its
commit are shared by all.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils.translation import gettext

from accounts.access import restricted_departments
from accounts.models import Staff
from chat import access, batch_statements
from chat.actions.assigning import AssignmentResult, assign
from chat.errors import NobodyWaiting, QueueRestricted, Unavailable
from chat.models import Assignment, Conversation, Status
from chat.protocol import serializers
from chat.selectors import departments_of, takeable_queue
from core.database_threads import release_slot

logger = logging.getLogger(__name__)

MAX_COMBINED = 100


@dataclass(frozen=True, slots=True)
class NextRequest:
    """A member of staff who asks for the next conversation; `client_id` names the press of the button."""

    staff: Staff
    client_id: UUID | None = None


def assign_next(taker: NextRequest) -> Conversation:
    """Assign the first conversation in the queue of the taker's departments to them.

    Raises NobodyWaiting, QueueRestricted, Unavailable, and IntegrityError when this press has taken one already.
    """
    # Within a transaction of the caller's nobody else can be served.
    taken = None if connection.in_atomic_block else _desk.ask(taker)
    return taken or _take_alone(taker)


def assigned_lately_to(taker: NextRequest) -> Conversation | None:
    """Return the conversation that this press has taken before, if it has."""
    if taker.client_id is None:
        return None
    return Conversation.objects.filter(
        assignments__by=taker.staff, assignments__client_id=taker.client_id
    ).first()


def assign_next_batch(takers: Sequence[NextRequest | Staff]) -> list[Conversation | None]:
    """One for each of those who ask, in the order in which they came; one transaction. Staff alone name no press.

    None: all whom they may take are locked at this moment, or nobody waits.
    """
    named = [taker if isinstance(taker, NextRequest) else NextRequest(taker) for taker in takers]
    with transaction.atomic():
        return _assign(named, _lock_firsts(named))


def _take_alone(taker: NextRequest) -> Conversation:
    with transaction.atomic():
        (taken,) = _assign([taker], _lock_firsts([taker]))
        if taken is None:
            (taken,) = _assign([taker], [_wait_for_first(taker.staff)])
    assert taken is not None
    return taken


def _assign(takers: Sequence[NextRequest], chosen: Sequence[int | None]) -> list[Conversation | None]:
    locked = access.lock_conversations(pk for pk in chosen if pk is not None)
    pairs = [(locked[pk], taker) for taker, pk in zip(takers, chosen, strict=True) if pk is not None]
    assign(
        [
            AssignmentResult(row, taker.staff, taker.staff, Assignment.Reason.TAKEN, taker.client_id)
            for row, taker in pairs
        ]
    )
    return [_conversation(locked[pk]) if pk is not None else None for pk in chosen]


def _wait_for_first(staff: Staff) -> int:
    """The first who still waits, locked. Raises NobodyWaiting, QueueRestricted.

    Those in line are locked by colleagues who take them, or only because the visitor is writing: worth a moment. No
    other conversation may be locked meanwhile, or two who wait for each other would be a deadlock.
    """
    seen: set[int] = set()
    while (first := takeable_queue(staff).exclude(pk__in=seen).first()) is not None:
        if access.lock(first.pk).status == Status.WAITING:
            return first.pk
        seen.add(first.pk)
    raise restricted_agents(staff) if restricted_departments(staff).exists() else NobodyWaiting()


def restricted_agents(staff: Staff) -> QueueRestricted:
    """Why, in words, this agent takes none from some of their departments."""
    bars = list(restricted_departments(staff).select_related("department"))
    between = gettext(", ")
    departments = between.join(dict.fromkeys(str(bar.department) for bar in bars))
    return QueueRestricted(departments, between.join(dict.fromkeys(bar.why for bar in bars)))


# Where somebody stands in a line, the smallest first: priority with the sign turned, since when, id.
_Place = tuple[int, datetime, int]


def _waiting(*, to_lock: bool) -> batch_statements.PreparedFirst:
    # Nothing but the line itself: it walks its index to the first ones and stops.
    line = Conversation.objects.filter(department__pk__equals=batch_statements.PARAM, status=Status.WAITING)
    ordered = line.order_by("-priority", "waiting_since", "id").values_list("priority", "waiting_since", "id")
    return batch_statements.PreparedFirst(
        lambda: ordered.select_for_update(of=("self",), skip_locked=True) if to_lock else ordered
    )


_seen = _waiting(to_lock=False)
_free = _waiting(to_lock=True)


def _lock_firsts(takers: Sequence[NextRequest]) -> list[int | None]:
    """For each of them the id of the one who has waited longest in their departments, locked.

    Of each line only as many are locked as will be taken from it: whom we lock, others cannot take.
    """
    by_staff = departments_of([taker.staff for taker in takers])
    departments = [by_staff[taker.staff.pk] for taker in takers]
    wanted: Counter[int]
    if all(len(own) <= 1 for own in departments):
        wanted = Counter(department for own in departments for department in own)
    else:
        lines = {department for own in departments for department in own}
        seen = {department: _places(_seen, department, len(takers)) for department in lines}
        shared = _shared(seen, departments)
        wanted = Counter(department for department, _ in filter(None, shared))
    locked = {department: _places(_free, department, count) for department, count in wanted.items()}
    shared = _shared(locked, departments)
    return [got[1] if got is not None else None for got in shared]


def _places(line: batch_statements.PreparedFirst, department: int, limit: int) -> deque[_Place]:
    return deque((-priority, since, pk) for priority, since, pk in line.first(limit, department))


def _shared(
    lines: Mapping[int, deque[_Place]], takers: Iterable[Iterable[int]]
) -> list[tuple[int, int] | None]:
    """To each taker, by their departments, the first of these lines: department and id. Takes them out of the lines."""
    shared: list[tuple[int, int] | None] = []
    for departments in takers:
        firsts = ((lines[each][0], each) for each in departments if lines.get(each))
        place, department = min(firsts, default=(None, 0))
        if place is None:
            shared.append(None)
        else:
            lines[department].popleft()
            shared.append((department, place[2]))
    return shared


_OWN_FIELDS = [name for name in serializers.ROW_FIELDS if "__" not in name]


def _conversation(row: Mapping[str, object]) -> Conversation:
    """As the ORM would give it, without what a row does not hold; that is read when it is asked for."""
    return Conversation.from_db(connection.alias, _OWN_FIELDS, [row[name] for name in _OWN_FIELDS])


class _Asking:
    """Who asks, and what they get. `may_go_on`: it is decided, or it is their turn to serve all who wait."""

    def __init__(self, taker: NextRequest) -> None:
        self.taker = taker
        self.serves = False
        self.outcome: Conversation | Unavailable | None = None
        self.may_go_on = threading.Event()


class QueueCombiner:
    """Who comes when nobody is being served serves themselves, and the first of those who came meanwhile serves all of
    these. So it needs no thread and no connection of its own, and who comes alone waits for nobody.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking: list[_Asking] = []
        self._is_serving = False

    @property
    def waiting(self) -> int:
        """How many ask while others are being served."""
        return len(self._asking)

    def ask(self, taker: NextRequest) -> Conversation | None:
        """What they got; None when they have to look for themselves. Raises Unavailable when the database failed."""
        asking = _Asking(taker)
        with self._lock:
            self._asking.append(asking)
            asking.serves, self._is_serving = not self._is_serving, True
        if not asking.serves:
            release_slot()
            asking.may_go_on.wait()
        if asking.serves:
            self._serve()
        if isinstance(asking.outcome, Unavailable):
            raise asking.outcome
        return asking.outcome

    def _serve(self) -> None:
        with self._lock:
            together, self._asking = self._asking[:MAX_COMBINED], self._asking[MAX_COMBINED:]
        try:
            for asking, outcome in zip(together, self._outcomes(together), strict=True):
                asking.outcome = outcome
        finally:
            with self._lock:
                following = self._asking[0] if self._asking else None
                self._is_serving = following is not None
            if following is not None:
                following.serves = True
                following.may_go_on.set()
            for asking in together:
                asking.may_go_on.set()

    def _outcomes(self, together: Sequence[_Asking]) -> Sequence[Conversation | Unavailable | None]:
        try:
            return assign_next_batch([asking.taker for asking in together])
        except (OperationalError, InterfaceError) as error:
            # It may have been committed or not: who asks again at once might get two.
            logger.warning("%d agents got nobody: %s", len(together), type(error).__name__)
            connection.close()
            return [Unavailable() for _ in together]
        except Exception as error:
            # One of them spoils it for the others: each for themselves.
            logger.warning("%d agents are served one by one: %s", len(together), type(error).__name__)
            return [None] * len(together)


_desk = QueueCombiner()
