"""Writes audit entries when staff read conversations that are not part of their own work."""

from accounts import audit
from accounts.models import Staff
from chat.models import Attachment, Conversation, Status


def audit_reading(staff: Staff, conversation: Conversation, *, where: str) -> None:
    """Add an audit entry: the staff member has read the messages of a conversation.

    Reading a closed conversation is recorded every time. Reading any other conversation is recorded at most once a day
    for each reader, and not at all if it is the reader's own work (`is_own_work`).
    """
    if conversation.status == Status.CLOSED:
        audit.record(staff, "transcript.read", conversation, where=where)
    elif not is_own_work(staff, conversation):
        audit.record_once_a_day(staff, "conversation.read", conversation, where=where)


def audit_first_glance(staff: Staff, conversation: Conversation, *, where: str) -> None:
    """Add an audit entry: the staff member has read a part of a conversation, such as the visitor's card or the notes.

    At most one entry is written for each reader, conversation and day, and none if the conversation is the reader's own
    work (`is_own_work`).
    """
    if not is_own_work(staff, conversation):
        audit.record_once_a_day(staff, "conversation.read", conversation, where=where)


def audit_file(staff: Staff, attachment: Attachment, *, where: str) -> None:
    """Add an audit entry: the staff member has opened a customer's file.

    At most one entry is written for each reader, file and day, and none if the conversation is the reader's own work
    (`is_own_work`).
    """
    if not is_own_work(staff, attachment.conversation):
        detail = {"conversation": str(attachment.conversation.uuid), "where": where}
        audit.record_once_a_day(staff, "file.read", attachment, **detail)


def is_own_work(staff: Staff, conversation: Conversation) -> bool:
    """Return whether the conversation is part of the staff member's current work.

    A conversation is part of it while it waits in one of their departments, or while it is assigned to them and not
    closed.
    """
    if conversation.status == Status.WAITING:
        return staff.departments.filter(pk=conversation.department_id).exists()
    return conversation.status != Status.CLOSED and conversation.agent_id == staff.pk
