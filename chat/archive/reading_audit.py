"""Who reads whose conversation: noted in the audit trail, unless reading it is the reader's own work."""

from accounts import audit
from accounts.models import Staff
from chat.models import Attachment, Conversation, Status


def audit_reading(staff: Staff, conversation: Conversation, *, where: str) -> None:
    """Note the reading of a conversation: of an ended one every time, of an open one once per reader and day.

    Nothing is noted for one that the reader has in hand, or that waits in a department of theirs.
    """
    if conversation.status == Status.CLOSED:
        audit.record(staff, "transcript.read", conversation, where=where)
    elif not is_own_work(staff, conversation):
        audit.record_once_a_day(staff, "conversation.read", conversation, where=where)


def audit_first_glance(staff: Staff, conversation: Conversation, *, where: str) -> None:
    """Note the reading of what belongs to a conversation (card, notes), at most once per reader and day."""
    if not is_own_work(staff, conversation):
        audit.record_once_a_day(staff, "conversation.read", conversation, where=where)


def audit_file(staff: Staff, attachment: Attachment, *, where: str) -> None:
    """Note that a customer's file was opened, at most once per reader and day."""
    if not is_own_work(staff, attachment.conversation):
        detail = {"conversation": str(attachment.conversation.uuid), "where": where}
        audit.record_once_a_day(staff, "file.read", attachment, **detail)


def is_own_work(staff: Staff, conversation: Conversation) -> bool:
    if conversation.status == Status.WAITING:
        return staff.departments.filter(pk=conversation.department_id).exists()
    return conversation.status != Status.CLOSED and conversation.agent_id == staff.pk
