"""Take the next conversation from the queue.

Requests that arrive while others are being served wait. They are then served together in one transaction, and so share
its statements and its commit (flat combining).
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from chat.queue_order import QUEUE_ORDER
from chat.selectors import departments_of, takeable_queue
from core.database_threads import release_slot
from routing import loads
from routing.actions.agent_locks import READY, lock_presences
from routing.errors import AtCapacity, NotOnline
from routing.explanations import by_hand

logger = logging.getLogger(__name__)

# Maximum number of requests in one transaction.
MAX_COMBINED = 100


@dataclass(frozen=True, slots=True)
class NextRequest:
    """A staff member's request for the next conversation. `client_id` identifies the click."""

    staff: Staff
    client_id: UUID | None = None


def assign_next(taker: NextRequest) -> Conversation:
    """Assign the first conversation in the queue of the agent's departments to the agent.

    Raises NobodyWaiting, NotOnline, AtCapacity, QueueRestricted and Unavailable. Raises IntegrityError if the same
    click has already taken a conversation.
    """
    # Inside a transaction of the caller, the request cannot be combined with those of other agents.
    taken = None if connection.in_atomic_block else _combiner.ask(taker)
    return taken or _assign_alone(taker)


def find_assigned(taker: NextRequest) -> Conversation | None:
    """Return the conversation that this click has already taken, or None."""
    if taker.client_id is None:
        return None
    return Conversation.objects.filter(
        assignments__by=taker.staff, assignments__client_id=taker.client_id
    ).first()


def assign_next_batch(takers: Sequence[NextRequest | Staff]) -> list[Conversation | None]:
    """Assign one conversation to each request, in order, in one transaction.

    A `Staff` in place of a request means a request without `client_id`. The result for a request is None if no
    conversation is waiting that the agent may take, if other transactions have locked all of them, or if the agent is
    not online or has no free capacity.
    """
    requests = [item if isinstance(item, NextRequest) else NextRequest(item) for item in takers]
    with transaction.atomic():
        full = {number: one for number, one in enumerate(_lock_agents(requests)) if one is not None}
        able = [requests[number] for number in full]
        taken = dict(zip(full, _assign(able, _lock_first_for_each(able, list(full.values()))), strict=True))
        return [taken.get(number) for number in range(len(requests))]


def _lock_agents(requests: Sequence[NextRequest]) -> list[set[int] | None]:
    """Lock the agents. Return for each request the departments of which the agent may get no more conversations.

    The result is None for an agent who is not online or has no free capacity. An agent who has sent several requests
    gets with the later ones nothing of a department whose policy limits the number, because the earlier ones may reach
    it.
    """
    statuses = lock_presences({request.staff.pk for request in requests})
    policies = loads.policies()
    limited = {pk for pk, policy in policies.items() if policy.capacity is not None}
    agent_loads = loads.agent_loads(
        {request.staff.pk: request.staff.capacity for request in requests}, policies
    )
    results: list[set[int] | None] = []
    seen: set[int] = set()
    for request in requests:
        pk, load = request.staff.pk, agent_loads[request.staff.pk]
        if statuses[pk] not in READY or load.load >= load.capacity:
            results.append(None)
            continue
        results.append(limited if pk in seen else load.full_departments(policies))
        seen.add(pk)
        load.load += 1
    return results


def _assign_alone(taker: NextRequest) -> Conversation:
    with transaction.atomic():
        (full,) = _lock_agents([taker])
        if full is None:
            if lock_presences([taker.staff.pk])[taker.staff.pk] not in READY:
                raise NotOnline
            load = loads.load_of(taker.staff)
            raise AtCapacity(load.load, load.capacity)
        (taken,) = _assign([taker], _lock_first_for_each([taker], [full]))
        if taken is None:
            (taken,) = _assign([taker], [_wait_for_first(taker.staff, full)])
    assert taken is not None
    return taken


def _assign(takers: Iterable[NextRequest], chosen: Sequence[int | None]) -> list[Conversation | None]:
    locked = access.lock_conversations(pk for pk in chosen if pk is not None)
    pairs = [(locked[pk], taker) for taker, pk in zip(takers, chosen, strict=True) if pk is not None]
    assign(
        [
            AssignmentResult(
                row, taker.staff, taker.staff, Assignment.Reason.TAKEN, taker.client_id, by_hand(row)
            )
            for row, taker in pairs
        ]
    )
    return [_conversation(locked[pk]) if pk is not None else None for pk in chosen]


def _wait_for_first(staff: Staff, full: Collection[int]) -> int:
    """Lock the first conversation that can still be taken and return its id.

    Conversations of the departments `full` are left out. Raises AtCapacity if only these wait, NobodyWaiting, and
    QueueRestricted.

    The function waits if a colleague who takes the conversation, or a message from its visitor, holds the lock. The
    caller must hold no lock of another conversation, or two waiting transactions could deadlock.
    """
    tried: set[int] = set()
    queue = takeable_queue(staff)
    while (first := queue.exclude(department__in=full).exclude(pk__in=tried).first()) is not None:
        locked = access.lock(first.pk)
        if locked.status == Status.WAITING and locked.offered_to_id is None:
            return first.pk
        tried.add(first.pk)
    if (left := queue.filter(department__in=full).first()) is not None:
        policies = loads.policies()
        load = loads.agent_loads({staff.pk: staff.capacity}, policies)[staff.pk]
        limit = load.limit_in(policies[left.department_id])
        raise AtCapacity(load.by_department[left.department_id], limit)
    raise restriction_refusal(staff) if restricted_departments(staff).exists() else NobodyWaiting()


def restriction_refusal(staff: Staff) -> QueueRestricted:
    """Return the refusal that lists the departments restricted for the agent and the exams that the agent must still
    pass."""
    restrictions = list(restricted_departments(staff).select_related("department"))
    comma = gettext(", ")
    departments = comma.join(dict.fromkeys(str(item.department) for item in restrictions))
    return QueueRestricted(departments, comma.join(dict.fromkeys(item.why for item in restrictions)))


# Sort key of a waiting conversation, smallest first: queue time, id.
_QueueKey = tuple[datetime, int]


def _waiting_query(*, to_lock: bool) -> batch_statements.PreparedFirst:
    # Use no joins, so that the database reads only the first entries of the index `waiting_in_order`.
    queue = Conversation.objects.filter(
        department__pk__equals=batch_statements.PARAM,
        status=Status.WAITING,
        offered_to=None,
        visitor_away_since=None,
    )
    ordered = queue.order_by(*QUEUE_ORDER).values_list("queue_time", "id")
    return batch_statements.PreparedFirst(
        lambda: ordered.select_for_update(of=("self",), skip_locked=True) if to_lock else ordered
    )


_any_waiting = _waiting_query(to_lock=False)
_lockable_waiting = _waiting_query(to_lock=True)


def _lock_first_for_each(takers: Sequence[NextRequest], full: Sequence[Collection[int]]) -> list[int | None]:
    """For each request, lock the first waiting conversation of the agent's departments; return its id, or None if there
    is none.

    `full` has for each the departments of which the agent may get no more conversations. No two requests get the same
    one. Only as many are locked as will be taken, because other transactions cannot take a locked one.
    """
    by_staff = departments_of([taker.staff for taker in takers])
    departments = [
        [pk for pk in by_staff[taker.staff.pk] if pk not in excluded]
        for taker, excluded in zip(takers, full, strict=True)
    ]
    wanted: Counter[int]
    if all(len(own) <= 1 for own in departments):
        wanted = Counter(department for own in departments for department in own)
    else:
        queues = {department for own in departments for department in own}
        unlocked = {department: _queue_keys(_any_waiting, department, len(takers)) for department in queues}
        expected = _distribute(unlocked, departments)
        wanted = Counter(department for department, _ in filter(None, expected))
    locked = {
        department: _queue_keys(_lockable_waiting, department, count) for department, count in wanted.items()
    }
    return [result[1] if result is not None else None for result in _distribute(locked, departments)]


def _queue_keys(query: batch_statements.PreparedFirst, department: int, limit: int) -> deque[_QueueKey]:
    return deque(query.first(limit, department))


def _distribute(
    queues: Mapping[int, deque[_QueueKey]], takers: Iterable[Iterable[int]]
) -> list[tuple[int, int] | None]:
    """Give each agent the first conversation in the agent's departments.

    Returns for each agent the department and the id of the conversation, or None. `queues` has the waiting
    conversations of each department, and `takers` the departments of each agent. The function removes the conversations
    from `queues`.
    """
    results: list[tuple[int, int] | None] = []
    for departments in takers:
        firsts = ((queues[pk][0], pk) for pk in departments if queues.get(pk))
        key, department = min(firsts, default=(None, 0))
        if key is None:
            results.append(None)
        else:
            queues[department].popleft()
            results.append((department, key[1]))
    return results


# In the order of the model, as `from_db` requires.
_OWN_FIELDS = [
    field.attname for field in Conversation._meta.concrete_fields if field.attname in serializers.ROW_FIELDS
]


def _conversation(row: Mapping[str, object]) -> Conversation:
    """Return a model instance made from ROW_FIELDS. Fields that the row does not hold are deferred."""
    return Conversation.from_db(connection.alias, _OWN_FIELDS, [row[name] for name in _OWN_FIELDS])


class _QueuedRequest:
    """The request of a waiting thread, and its outcome.

    `may_go_on` wakes the thread: either the outcome is known, or `is_server` is true and the thread must serve all
    waiting requests.
    """

    def __init__(self, taker: NextRequest) -> None:
        self.taker = taker
        self.is_server = False
        self.outcome: Conversation | Unavailable | None = None
        self.may_go_on = threading.Event()


class QueueCombiner:
    """Combines concurrent requests for the next conversation into one transaction.

    A thread that arrives when no request is being served serves its own request at once. Threads that arrive meanwhile
    wait; then the first of them serves all their requests together. The combiner needs no thread and no connection of
    its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queued: list[_QueuedRequest] = []
        self._is_serving = False

    @property
    def waiting(self) -> int:
        """The number of requests that wait while others are being served."""
        return len(self._queued)

    def ask(self, taker: NextRequest) -> Conversation | None:
        """Return the conversation assigned to this request, or None if the caller must retry the request alone.

        Raises Unavailable if the database failed.
        """
        request = _QueuedRequest(taker)
        with self._lock:
            self._queued.append(request)
            request.is_server, self._is_serving = not self._is_serving, True
        if not request.is_server:
            release_slot()
            request.may_go_on.wait()
        if request.is_server:
            self._serve()
        if isinstance(request.outcome, Unavailable):
            raise request.outcome
        return request.outcome

    def _serve(self) -> None:
        with self._lock:
            batch, self._queued = self._queued[:MAX_COMBINED], self._queued[MAX_COMBINED:]
        try:
            for request, outcome in zip(batch, self._outcomes(batch), strict=True):
                request.outcome = outcome
        finally:
            with self._lock:
                following = self._queued[0] if self._queued else None
                self._is_serving = following is not None
            if following is not None:
                following.is_server = True
                following.may_go_on.set()
            for request in batch:
                request.may_go_on.set()

    def _outcomes(self, batch: Sequence[_QueuedRequest]) -> Sequence[Conversation | Unavailable | None]:
        try:
            return assign_next_batch([request.taker for request in batch])
        except (OperationalError, InterfaceError) as error:
            # The commit may have succeeded: an automatic retry could give an agent two conversations.
            logger.warning("no conversation assigned to %d agents: %s", len(batch), type(error).__name__)
            connection.close()
            return [Unavailable() for _ in batch]
        except Exception as error:
            # One bad request fails the whole batch, so each request is retried alone.
            logger.warning(
                "retrying the requests of %d agents one by one: %s", len(batch), type(error).__name__
            )
            return [None] * len(batch)


_combiner = QueueCombiner()
