"""Reads of many rows for the chat itself. Each says how many queries it makes."""

from collections.abc import Collection
from datetime import timedelta

from django.db.models import Avg, DurationField, ExpressionWrapper, F, QuerySet
from django.utils import timezone

from accounts import presence
from accounts.access import bars_of, may
from accounts.models import Department, Staff
from chat import batches, rows
from chat.models import Conversation, Message, Status
from chat.protocol import PAGE_OF_MESSAGES, MessageData, Messages, Queue, Row

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
        .values(*rows.MESSAGE_FIELDS)[: limit + 1]
    )
    page: list[MessageData] = []
    characters = 0
    for values in stored[:limit]:
        characters += len(values["body"])
        if page and characters > PAGE_OF_CHARACTERS:
            break
        page.append(rows.message_of(values))
    return page, len(stored) > len(page)


def page_of(conversation: Conversation, after: int, limit: int = PAGE_OF_MESSAGES) -> Messages:
    """The answer to fetch and watch. One query."""
    found, more = messages_after(conversation.pk, after, limit)
    head = max(conversation.last_seq, found[-1].seq if found else 0)
    return Messages(str(conversation.uuid), found, head, more)


def seq_in(text: str) -> int:
    """A seq as an address names it; 0 for what is none."""
    return int(text[:9]) if text.isdecimal() else 0


_visitors = batches.Select(
    lambda: Conversation.objects.filter(pk__among=batches.GIVEN).order_by().values_list("pk", "visitor_id")
)


def visitors_of(pks: Collection[int]) -> dict[int, int]:
    """The visitor of each of these conversations, of however many. One query."""
    return dict(_visitors.rows(pks))


def keyed(shown: list[Row]) -> dict[int, Row]:
    """The rows by the keys of their conversations. One query."""
    by_uuid = {row.id: row for row in shown}
    stored = Conversation.objects.filter(uuid__in=by_uuid).order_by().values_list("pk", "uuid")
    return {pk: by_uuid[str(uuid)] for pk, uuid in stored}


def line_of(staff: Staff) -> QuerySet[Conversation]:
    """Who waits in the departments of this agent, of all for a supervisor; first come first."""
    waiting = Conversation.objects.filter(status=Status.WAITING).order_by("-priority", "waiting_since", "id")
    if may(staff, "see_all_conversations"):
        return waiting
    return waiting.filter(department__in=staff.departments.values("pk"))


def line_to_take(staff: Staff) -> QuerySet[Conversation]:
    """The same without the departments of which this agent takes none for now."""
    return line_of(staff).exclude(department__in=bars_of(staff).values("department"))


def lines_of(staff: Staff) -> list[QuerySet[Conversation]]:
    """The line to take from, one for each department, the one whose first has waited longest first. Empty ones are
    left out.

    Each walks its index to the first and stops; of several departments together PostgreSQL would sort all who wait.
    One query, and one for each department.
    """
    departments = Department.objects.all()
    if not may(staff, "see_all_conversations"):
        departments = staff.departments.exclude(pk__in=bars_of(staff).values("department"))
    lines = []
    for department in departments.order_by().values_list("pk", flat=True):
        line = Conversation.objects.filter(department=department, status=Status.WAITING)
        line = line.order_by("-priority", "waiting_since", "id")
        if (first := line.values_list("priority", "waiting_since", "id").first()) is not None:
            lines.append(((-first[0], *first[1:]), line))
    return [line for _, line in sorted(lines, key=lambda each: each[0])]


def queue_places(pks: list[int]) -> dict[int, Queue]:
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
    places: dict[int, Queue] = {}
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
                places[pk] = Queue(place, estimate, bool(online))
    return places


def _handle_seconds(department: int) -> float:
    lately = timezone.now() - timedelta(hours=1)
    mean = Conversation.objects.filter(
        department=department, ended_at__gte=lately, assigned_at__isnull=False, started_at__gte=lately
    ).aggregate(mean=Avg(ExpressionWrapper(F("ended_at") - F("assigned_at"), output_field=DurationField())))[
        "mean"
    ]
    return mean.total_seconds() if mean else USUAL_HANDLE_SECONDS
