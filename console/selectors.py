"""Reads behind the console's panels. Each says how many queries it makes."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from accounts.access import may
from accounts.models import Staff
from chat import rows
from chat.models import Conversation, Status
from chat.protocol import Row

WAITING_SHOWN = 100


@dataclass(frozen=True)
class Lists:
    """`rows`: my conversations, the first of the line, for a supervisor the team's; `waiting_count` is of all."""

    rows: list[Row]
    waiting_count: int


def waiting_for(staff: Staff) -> QuerySet[Conversation]:
    waiting = Conversation.objects.filter(status=Status.WAITING).order_by("-priority", "waiting_since", "id")
    if may(staff, "see_all_conversations"):
        return waiting
    return waiting.filter(department__in=staff.departments.values("pk"))


def lists_for(staff: Staff) -> Lists:
    """Three queries."""
    in_hand = Q(agent=staff) & Q(status__in=(Status.ACTIVE, Status.WRAP_UP))
    if may(staff, "see_all_conversations"):
        in_hand |= Q(status=Status.ACTIVE)
    waiting = waiting_for(staff)
    found = rows.rows_in(Conversation.objects.filter(in_hand).order_by("assigned_at", "id"))
    line = [rows.row_of(values) for values in waiting.values(*rows.ROW_FIELDS)[:WAITING_SHOWN]]
    count = len(line) if len(line) < WAITING_SHOWN else waiting.count()
    return Lists(found + line, count)
