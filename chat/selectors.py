"""Functions that read many conversations, messages and other rows. Docstrings give the number of database queries.

A queryset runs one query when it is evaluated.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Avg,
    DurationField,
    ExpressionWrapper,
    F,
    FilteredRelation,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.utils import timezone

from accounts import presence
from accounts.access import may, restricted_departments
from accounts.models import Department, Presence, PresenceStatus, Staff
from chat import batch_statements
from chat.models import Assignment, Conversation, Message, Status, Visitor
from chat.protocol import PAGE_OF_MESSAGES, MessageData, Messages, Row, serializers
from chat.queue_estimates import RATE_WINDOW, QueuePace, QueuePosition, Waiting, positions_in
from chat.queue_order import QUEUE_ORDER, URGENT

# A limit on the characters of a page of messages: Daphne sends no frame over 1 MiB, and a phone should not wait for
# such a frame.
PAGE_OF_CHARACTERS = 60_000


def messages_after(pk: int, after: int, limit: int = PAGE_OF_MESSAGES) -> tuple[list[MessageData], bool]:
    """Return the messages of a conversation with seq > `after`, in order, and whether there are more. One query.

    The result has at most `limit` messages and PAGE_OF_CHARACTERS characters, but at least one message if there is any.
    """
    stored = list(
        Message.objects.filter(conversation=pk, seq__gt=after)
        .order_by("seq")
        .values(*serializers.MESSAGE_FIELDS)[: limit + 1]
    )
    page: list[MessageData] = []
    characters = 0
    for values in stored[:limit]:
        characters += len(values["body"])
        if page and characters > PAGE_OF_CHARACTERS:
            break
        page.append(serializers.message_of(values))
    return page, len(stored) > len(page)


def page_of(conversation: Conversation, after: int, limit: int = PAGE_OF_MESSAGES) -> Messages:
    """Return the answer to a fetch or watch frame: a page of messages with seq > `after`. One query."""
    page, more = messages_after(conversation.pk, after, limit)
    head = max(conversation.last_seq, page[-1].seq if page else 0)
    return Messages(str(conversation.uuid), page, head, more)


def parse_seq(text: str) -> int:
    """Parse a seq from a query parameter. Returns 0 if the text is not a number."""
    return int(text[:9]) if text.isdecimal() else 0


# The ROW_FIELDS of conversations.
row_values = batch_statements.PreparedSelect(
    lambda: (
        Conversation.objects.filter(pk__among=batch_statements.PARAM)
        .order_by()
        .values_list(*serializers.ROW_FIELDS)
    )
)


def row_values_by_pk(pks: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return the values of the ROW_FIELDS of these conversations, as a dict by id. One query."""
    return {
        values[0]: dict(zip(serializers.ROW_FIELDS, values, strict=True)) for values in row_values.rows(pks)
    }


def rows_by_conversation_pk(rows: list[Row]) -> dict[int, Row]:
    """Return the given rows as a dict by the primary key of their conversation. One query."""
    by_uuid = {row.id: row for row in rows}
    stored = Conversation.objects.filter(uuid__in=by_uuid).order_by().values_list("pk", "uuid")
    return {pk: by_uuid[str(uuid)] for pk, uuid in stored}


def queue_of(staff: Staff) -> QuerySet[Conversation]:
    """Return the waiting conversations of this agent's departments, or all for a supervisor, in queue order.

    `chat.queue_order` explains the order.
    """
    waiting = Conversation.objects.filter(status=Status.WAITING).order_by(*QUEUE_ORDER)
    if may(staff, "see_all_conversations"):
        return waiting
    return waiting.filter(department__in=staff.departments.values("pk"))


def takeable_queue(staff: Staff) -> QuerySet[Conversation]:
    """Return the waiting conversations that this agent may take now, in queue order.

    Left out are conversations that are offered to an agent, those whose visitor is away, and departments for which the
    agent has a queue restriction in force.
    """
    takeable = queue_of(staff).filter(offered_to=None, visitor_away_since=None)
    return takeable.exclude(department__in=restricted_departments(staff).values("department"))


# The departments of staff members, each with the start of its queue restriction, if any. A join takes 1 µs for an
# agent, while a subquery took 10 µs.
_departments_of_staff = batch_statements.PreparedSelect(
    lambda: (
        Staff.departments.through._default_manager.filter(  # type: ignore[misc]
            staff__pk__among=batch_statements.PARAM
        )
        .annotate(
            restriction=FilteredRelation(
                "staff__queue_restrictions",
                condition=Q(
                    staff__queue_restrictions__is_lifted=False,
                    staff__queue_restrictions__department_id=F("department_id"),
                ),
            )
        )
        .order_by()
        .values_list("staff_id", "department_id", "restriction__since")
    )
)
_all_departments = batch_statements.PreparedSelect(lambda: Department.objects.order_by().values_list("pk"))


def departments_of(people: Collection[Staff]) -> dict[int, list[int]]:
    """Return a dict by staff id: the departments from whose queues each staff member may take conversations.

    A supervisor may take conversations of all departments. Departments with a queue restriction in force are left out.
    At most two queries.
    """
    supervisors = {staff.pk for staff in people if may(staff, "see_all_conversations")}
    departments: dict[int, list[int]] = {staff.pk: [] for staff in people}
    if supervisors:
        everywhere = [pk for (pk,) in _all_departments.rows()]
        departments |= dict.fromkeys(supervisors, everywhere)
    if others := departments.keys() - supervisors:
        today, restricted = timezone.localdate(), set()
        for staff, department, since in _departments_of_staff.rows(others):
            departments[staff].append(department)
            if since is not None and since <= today:
                restricted.add((staff, department))
        # dict.fromkeys removes duplicates: the join returns a department twice when the agent has two restrictions for
        # it.
        for staff in others:
            unrestricted = (pk for pk in dict.fromkeys(departments[staff]) if (staff, pk) not in restricted)
            departments[staff] = list(unrestricted)
    return departments


_least_busy_online = batch_statements.PreparedFirst(
    lambda: (
        Presence.objects.filter(
            seen_at__since=batch_statements.PARAM, status=PresenceStatus.ONLINE, staff__is_active=True
        )
        .filter(staff__departments__pk__equals=batch_statements.PARAM)
        .annotate(active=Subquery(_active_count_of(OuterRef("staff_id"))))
        .order_by("active", "staff_id")
        .values_list("staff_id", "active")
    )
)


def _active_count_of(agent: OuterRef) -> QuerySet[Conversation, Any]:
    of_agent = Conversation.objects.filter(agent_id=agent, status=Status.ACTIVE).order_by()
    # Count() is not used, because it would add GROUP BY. An agent without conversations would then have NULL, which
    # PostgreSQL and SQLite sort differently.
    return of_agent.annotate(count=Func(F("id"), function="COUNT")).values("count")


class LeastBusyColleagues:
    """Finds the online agent of a department who has the fewest active conversations.

    `departments` has one entry for each later call of `next_in`. There is one query for each different department. Each
    query reads only len(departments) + 1 agents: a call gives one agent one more conversation, so the least busy agent
    is always among those that were read.
    """

    def __init__(self, departments: Sequence[int]) -> None:
        since = presence.lease_start()
        self._active: dict[int, int] = {}
        self._online: dict[int, list[int]] = {}
        for department in set(departments):
            least_busy = _least_busy_online.first(len(departments) + 1, since, department)
            self._online[department] = [staff for staff, _ in least_busy]
            self._active.update(least_busy)

    def next_in(self, department: int, agent: int) -> int | None:
        """Return the least busy online agent of the department other than `agent`, or None.

        The method counts one more conversation for `agent`, because the caller is assigning one to them.
        """
        others = ((self._active[staff], staff) for staff in self._online[department] if staff != agent)
        _, least_busy = min(others, default=(0, None))
        if agent in self._active:
            self._active[agent] += 1
        return least_busy


# The waiting conversations of the departments in which the given ones wait, in queue order. Visitors who are away have
# no position, unless the database does not know yet that they are back.
_queues_of = batch_statements.PreparedSelect(
    lambda: (
        Conversation.objects.filter(
            Q(visitor_away_since=None) | Q(pk__among=batch_statements.PARAM),
            status=Status.WAITING,
            department__in=Conversation.objects.filter(pk__among=batch_statements.PARAM).values("department"),
        )
        .order_by("department_id", *QUEUE_ORDER)
        .values_list("department_id", "pk", "emergency", "waiting_since", "assigned_at")
    )
)
_FROM_THE_QUEUE = (Assignment.Reason.TAKEN, Assignment.Reason.PUSHED, Assignment.Reason.OFFERED)


def queue_positions(pks: Collection[int]) -> dict[int, QueuePosition]:
    """Return the queue positions of these conversations as a dict by id.

    Conversations that no longer wait are left out. Four queries, whatever the number of conversations and departments.
    """
    wanted, now = set(pks), timezone.now()
    queues: dict[int, list[Waiting]] = {}
    for department, pk, emergency, since, assigned_at in _queues_of.rows(wanted):
        waiting = Waiting(pk, emergency in URGENT, since, is_first_wait=assigned_at is None)
        queues.setdefault(department, []).append(waiting)
    if not queues:
        return {}
    capacities = presence.capacity_online(queues)
    handle_times = _handle_times(queues, now)
    taken: dict[int, list[datetime]] = {department: [] for department in queues}
    recent = Assignment.objects.filter(
        department__in=queues, at__gte=now - RATE_WINDOW, reason__in=_FROM_THE_QUEUE
    )
    for department, at in recent.order_by().values_list("department", "at"):
        taken[department].append(at)
    positions: dict[int, QueuePosition] = {}
    for department, queue in queues.items():
        pace = QueuePace.measured(
            queue, taken[department], capacities.get(department, 0), handle_times.get(department), now
        )
        positions |= positions_in(department, queue, pace, wanted)
    return positions


def _handle_times(departments: Collection[int], now: datetime) -> dict[int, timedelta]:
    """Return the mean time from assignment to end of the conversations of the last hour, by department. One query."""
    hour_ago = now - timedelta(hours=1)
    duration = ExpressionWrapper(F("ended_at") - F("assigned_at"), output_field=DurationField())
    ended = Conversation.objects.filter(
        department__in=departments,
        ended_at__gte=hour_ago,
        assigned_at__isnull=False,
        started_at__gte=hour_ago,
    )
    return dict(ended.order_by().values_list("department").annotate(mean=Avg(duration)))


_token_generations = batch_statements.PreparedSelect(
    lambda: Visitor.objects.filter(pk__among=batch_statements.PARAM).values_list("pk", "token_generation")
)


def token_generations(visitors: Iterable[int]) -> dict[int, int]:
    """Return a dict by visitor id: the current token generation of each of these visitors. One query."""
    return dict(_token_generations.rows(visitors))
