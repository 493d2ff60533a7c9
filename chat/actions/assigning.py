"""Assigning: whose conversation it is from now on. One way for all: taken from the line, handed over, given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.models import AuditEntry, Staff
from chat import batch_statements, selectors
from chat.actions.events import event_message, message_data_of
from chat.models import Assignment, Conversation, Message, Status
from chat.protocol import ConversationChanged, Event, MessagePosted, serializers
from chat.realtime import delivery

# What an assignment changes of a conversation.
CHANGED_FIELDS = ("agent_id", "status", "assigned_at", "last_seq", "last_message_at")


@dataclass(frozen=True, slots=True)
class AssignmentResult:
    """`row`: the ROW_FIELDS of a locked, open conversation, which `assign` brings up to date."""

    row: dict[str, Any]
    agent: Staff
    by: Staff
    reason: Assignment.Reason
    client_id: UUID | None = None


def assign(assigned: Sequence[AssignmentResult]) -> None:
    """Assigns so many conversations in the caller's transaction, and announces when it commits.

    Six statements however many they are. Raises IntegrityError when one of them has an agent all the same, or when
    its `client_id` has taken another conversation.
    """
    if not assigned:
        return
    now = timezone.now()
    if had := [each.row["id"] for each in assigned if each.row["agent_id"] is not None]:
        Assignment.objects.filter(conversation__in=had, until_at__isnull=True).update(until_at=now)
    colleagues = selectors.LeastBusyColleagues([each.row["department_id"] for each in assigned])
    messages, assignments, entries = [], [], []
    events: list[Event] = []
    for each in assigned:
        row, agent = each.row, each.agent
        was = row["status"], row["agent_id"], row["department_id"]
        message = event_message(
            row["id"],
            row["last_seq"] + 1,
            row["language"],
            "assigned",
            gettext_noop("%(name)s (no. %(number)s) is with you now."),
            {"name": agent.name_in(row["language"]), "number": agent.number},
            now,
        )
        row.update(
            agent_id=agent.pk,
            agent__name=agent.name,
            agent__name_en=agent.name_en,
            agent__number=agent.number,
            status=Status.ACTIVE.value,
            assigned_at=row["assigned_at"] or now,
            last_seq=message["seq"],
            last_message_at=now,
        )
        messages.append(message)
        assignments.append(
            {
                "conversation_id": row["id"],
                "agent_id": agent.pk,
                "department_id": row["department_id"],
                "at": now,
                "until_at": None,
                "reason": each.reason.value,
                "by_id": each.by.pk,
                "client_id": each.client_id,
                "next_in_line_id": colleagues.next_in(row["department_id"], agent.pk),
            }
        )
        detail = {"agent": agent.pk, "reason": each.reason.value}
        entries.append(
            audit.entry(each.by, "conversation.assigned", "chat.conversation", str(row["uuid"]), detail)
        )
        now_seen = serializers.row_of(row)
        events.append(MessagePosted(row["id"], message_data_of(message), now_seen))
        events.append(ConversationChanged(row["id"], now_seen, *was))
    with batch_statements.run_in_one_statement():
        batch_statements.insert(Message, messages)
        batch_statements.insert(Assignment, assignments)
        batch_statements.insert(AuditEntry, entries)
        batch_statements.update(Conversation, [each.row for each in assigned], CHANGED_FIELDS)
    delivery.announce_on_commit(*events)
