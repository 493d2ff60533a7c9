"""The only function that assigns conversations to agents, from the queue, by transfer or by a supervisor."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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

# Columns of a conversation that an assignment changes.
CHANGED_FIELDS = (
    *("agent_id", "status", "assigned_at", "revision", "last_seq", "last_message_at"),
    *("offered_to_id", "offered_until"),
)


@dataclass(frozen=True, slots=True)
class AssignmentResult:
    """A conversation to assign, and the agent who gets it.

    `row` holds the ROW_FIELDS of a locked, open conversation; the function `assign` updates them. `by` is the staff
    member who makes the assignment, or None for the router. `client_id` identifies that person's click on "next".
    `explanation` says why this agent was chosen (`chat.models.Assignment`).
    """

    row: dict[str, Any]
    agent: Staff
    by: Staff | None
    reason: Assignment.Reason
    client_id: UUID | None = None
    explanation: dict[str, Any] = field(default_factory=dict)


def assign(assignments: Sequence[AssignmentResult]) -> None:
    """Assign conversations in the caller's transaction, and announce the changes when it commits.

    An earlier assignment of these conversations ends. Raises IntegrityError if a conversation has a current assignment
    although its row has no agent, or if a `client_id` has already been used to take another conversation. At most five
    statements for any number of conversations, plus one for each department.
    """
    if not assignments:
        return
    now = timezone.now()
    if reassigned := [item.row["id"] for item in assignments if item.row["agent_id"] is not None]:
        Assignment.objects.filter(conversation__in=reassigned, until_at__isnull=True).update(until_at=now)
    colleagues = selectors.LeastBusyColleagues([item.row["department_id"] for item in assignments])
    messages, records, entries = [], [], []
    events: list[Event] = []
    for item in assignments:
        row, agent = item.row, item.agent
        before = row["status"], row["agent_id"], row["department_id"]
        message = event_message(
            row["id"],
            row["last_seq"] + 1,
            row["language"],
            "assigned",
            gettext_noop("%(name)s (staff no. %(number)s) is now helping you."),
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
            revision=row["revision"] + 1,
            last_seq=message["seq"],
            last_message_at=now,
            offered_to_id=None,
            offered_until=None,
        )
        messages.append(message)
        records.append(
            {
                "conversation_id": row["id"],
                "agent_id": agent.pk,
                "department_id": row["department_id"],
                "at": now,
                "until_at": None,
                "reason": item.reason.value,
                "by_id": item.by.pk if item.by else None,
                "explanation": item.explanation,
                "client_id": item.client_id,
                "next_in_line_id": colleagues.next_in(row["department_id"], agent.pk),
            }
        )
        detail = {"agent": agent.pk, "reason": item.reason.value}
        entries.append(
            audit.entry(item.by, "conversation.assigned", "chat.conversation", str(row["uuid"]), detail)
        )
        new_row = serializers.row_of(row)
        events.append(MessagePosted(row["id"], message_data_of(message), new_row))
        events.append(ConversationChanged(row["id"], new_row, *before))
    with batch_statements.run_in_one_statement():
        batch_statements.insert(Message, messages)
        batch_statements.insert(Assignment, records)
        batch_statements.insert(AuditEntry, entries)
        batch_statements.update(Conversation, [item.row for item in assignments], CHANGED_FIELDS)
    delivery.announce_on_commit(*events)
