"""Audit entries for staff who read a conversation, unless the conversation is their own work."""

from accounts import audit
from accounts.models import Staff
from chat.models import Attachment, Conversation, Status


def audit_reading(staff: Staff, conversation: Conversation, *, where: str) -> None:
    """Record that a conversation was read: a closed one every time, an open one once per reader and day.

    Nothing is recorded if the conversation is assigned to the reader or waits in one of the reader's departments.
    """
    if conversation.status == Status.CLOSED:
        audit.record(staff, "transcript.read", conversation, where=where)
    elif not is_own_work(staff, conversation):
        audit.record_once_a_day(staff, "conversation.read", conversation, where=where)


def audit_first_glance(staff: Staff, conversation: Conversation, *, where: str) -> None:
    """Record that something of a conversation was read (card, notes), at most once per reader and day."""
    if not is_own_work(staff, conversation):
        audit.record_once_a_day(staff, "conversation.read", conversation, where=where)


def audit_file(staff: Staff, attachment: Attachment, *, where: str) -> None:
    """Record that a customer's file was opened, at most once per reader and day."""
    if not is_own_work(staff, attachment.conversation):
        detail = {"conversation": str(attachment.conversation.uuid), "where": where}
        audit.record_once_a_day(staff, "file.read", attachment, **detail)


def is_own_work(staff: Staff, conversation: Conversation) -> bool:
    """Whether an open conversation is assigned to the staff member, or waits in one of their departments."""
    if conversation.status == Status.WAITING:
        return staff.departments.filter(pk=conversation.department_id).exists()
    return conversation.status != Status.CLOSED and conversation.agent_id == staff.pk
