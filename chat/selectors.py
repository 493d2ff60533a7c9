"""Reads of many rows for the chat itself. Each says how many queries it makes."""

from collections.abc import Collection, Sequence
from datetime import timedelta
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
from chat.models import Conversation, Message, Status, Visitor
from chat.protocol import PAGE_OF_MESSAGES, MessageData, Messages, QueueFrame, Row, serializers

USUAL_HANDLE_SECONDS = 180
# Daphne sends no frame over 1 MiB, and a phone should not wait for one: a page ends here too.
PAGE_OF_CHARACTERS = 60_000


def messages_after(pk: int, after: int, limit: int = PAGE_OF_MESSAGES) -> tuple[list[MessageData], bool]:
    """Messages with seq > after, in order, and whether there are more. One query.

    At most `limit`, and no more than PAGE_OF_CHARACTERS, but always one.
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
    """The answer to fetch and watch. One query."""
    found, more = messages_after(conversation.pk, after, limit)
    head = max(conversation.last_seq, found[-1].seq if found else 0)
    return Messages(str(conversation.uuid), found, head, more)


def seq_in(text: str) -> int:
    """A seq as an address names it; 0 for what is none."""
    return int(text[:9]) if text.isdecimal() else 0


def by_site_key(shown: list[Row]) -> dict[int, Row]:
    """The rows by the keys of their conversations. One query."""
    by_uuid = {row.id: row for row in shown}
    stored = Conversation.objects.filter(uuid__in=by_uuid).order_by().values_list("pk", "uuid")
    return {pk: by_uuid[str(uuid)] for pk, uuid in stored}


def queue_of(staff: Staff) -> QuerySet[Conversation]:
    """Who waits in the departments of this agent, of all for a supervisor; first come first."""
    waiting = Conversation.objects.filter(status=Status.WAITING).order_by("-priority", "waiting_since", "id")
    if may(staff, "see_all_conversations"):
        return waiting
    return waiting.filter(department__in=staff.departments.values("pk"))


def takeable_queue(staff: Staff) -> QuerySet[Conversation]:
    """The same without the departments of which this agent takes none for now."""
    return queue_of(staff).exclude(department__in=restricted_departments(staff).values("department"))


# With each bar that is or will be: by a join, which costs a microsecond for an agent where a subquery cost ten.
_departments = batch_statements.PreparedSelect(
    lambda: (
        Staff.departments.through._default_manager.filter(  # type: ignore[misc]
            staff__pk__among=batch_statements.PARAM
        )
        .annotate(
            bar=FilteredRelation(
                "staff__queue_restrictions",
                condition=Q(
                    staff__queue_restrictions__is_lifted=False,
                    staff__queue_restrictions__department_id=F("department_id"),
                ),
            )
        )
        .order_by()
        .values_list("staff_id", "department_id", "bar__since")
    )
)
_all_departments = batch_statements.PreparedSelect(lambda: Department.objects.order_by().values_list("pk"))


def departments_of(people: Collection[Staff]) -> dict[int, list[int]]:
    """From the lines of which departments each of them may take, by id; a supervisor from all.

    What they are barred from (`accounts.QueueRestriction`) is left out. Two queries at most.
    """
    overseers = {staff.pk for staff in people if may(staff, "see_all_conversations")}
    found: dict[int, list[int]] = {staff.pk: [] for staff in people}
    if overseers:
        everywhere = [pk for (pk,) in _all_departments.rows()]
        found |= dict.fromkeys(overseers, everywhere)
    if others := found.keys() - overseers:
        today, barred = timezone.localdate(), set()
        for staff, department, since in _departments.rows(others):
            found[staff].append(department)
            if since is not None and since <= today:
                barred.add((staff, department))
        # One that is barred for two reasons came twice.
        for staff in others:
            free = (each for each in dict.fromkeys(found[staff]) if (staff, each) not in barred)
            found[staff] = list(free)
    return found


_online = batch_statements.PreparedFirst(
    lambda: (
        Presence.objects.filter(
            seen_at__since=batch_statements.PARAM, status=PresenceStatus.ONLINE, staff__is_active=True
        )
        .filter(staff__departments__pk__equals=batch_statements.PARAM)
        .annotate(active=Subquery(_active_of(OuterRef("staff_id"))))
        .order_by("active", "staff_id")
        .values_list("staff_id", "active")
    )
)


def _active_of(agent: OuterRef) -> QuerySet[Conversation, Any]:
    of_agent = Conversation.objects.filter(agent_id=agent, status=Status.ACTIVE).order_by()
    # Not Count, which would group: of none it would make NULL, which stands in another place on each database.
    return of_agent.annotate(count=Func(F("id"), function="COUNT")).values("count")


class Colleagues:
    """Who is online in each of these departments with the fewest conversations. One query for each department.

    `departments`: one for each time that will be asked. Each time somebody gets one more, so that one of as many as
    these and one more is the answer.
    """

    def __init__(self, departments: Sequence[int]) -> None:
        since = presence.lease_start()
        self._active: dict[int, int] = {}
        self._online: dict[int, list[int]] = {}
        for department in set(departments):
            found = _online.first(len(departments) + 1, since, department)
            self._online[department] = [staff for staff, _ in found]
            self._active.update(found)

    def next_in(self, department: int, agent: int) -> int | None:
        """Who has the fewest in the department, but for this agent, who gets one more."""
        others = ((self._active[each], each) for each in self._online[department] if each != agent)
        _, following = min(others, default=(0, None))
        if agent in self._active:
            self._active[agent] += 1
        return following


def queue_positions(pks: list[int]) -> dict[int, QueueFrame]:
    """The place of each of these that is still waiting. Four queries a department at most.

    The estimate is the place times the mean handle time of the department's last hour, shared by those online.
    """
    wanted = set(pks)
    departments = (
        Conversation.objects.filter(pk__in=pks, status=Status.WAITING)
        .order_by()
        .values_list("department_id", flat=True)
        .distinct()
    )
    places: dict[int, QueueFrame] = {}
    for department in list(departments):
        online = len(presence.online_ids(department))
        each = _handle_seconds(department) / online if online else None
        line = (
            Conversation.objects.filter(department=department, status=Status.WAITING)
            .order_by("-priority", "waiting_since", "id")
            .values_list("pk", flat=True)
        )
        for place, pk in enumerate(line.iterator(chunk_size=2000), start=1):
            if pk in wanted:
                estimate = round(place * each) if each is not None else None
                places[pk] = QueueFrame(place, estimate, bool(online))
    return places


def _handle_seconds(department: int) -> float:
    lately = timezone.now() - timedelta(hours=1)
    mean = Conversation.objects.filter(
        department=department, ended_at__gte=lately, assigned_at__isnull=False, started_at__gte=lately
    ).aggregate(mean=Avg(ExpressionWrapper(F("ended_at") - F("assigned_at"), output_field=DurationField())))[
        "mean"
    ]
    return mean.total_seconds() if mean else USUAL_HANDLE_SECONDS


def token_generations(visitors: list[int]) -> dict[int, int]:
    """The present token generation of each of these visitors, by id. One query."""
    return dict(Visitor.objects.filter(pk__in=visitors).values_list("pk", "token_generation"))
