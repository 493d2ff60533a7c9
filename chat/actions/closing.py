"""The end of a conversation, whoever ends it."""

from django.utils import timezone
from django.utils.translation import gettext_noop

from chat.actions.events import ConversationChange, digest_of
from chat.models import Assignment, Conversation, Status


def end(conversation: Conversation, *, by: str) -> None:
    """Ends a locked, open conversation: to wrap-up when it has an agent, otherwise closed at once (abandoned)."""
    change = ConversationChange(conversation)
    now = timezone.now()
    conversation.ended_at, conversation.ended_by = now, by
    conversation.unanswered_since = None
    if conversation.agent_id is None:
        conversation.status, conversation.closed_at = Status.CLOSED, now
        change.say("left_queue", gettext_noop("The visitor left the queue."))
    else:
        conversation.status = Status.WRAP_UP
        if by == "visitor":
            change.say("ended", gettext_noop("The visitor ended the conversation."))
        else:
            change.say("ended", gettext_noop("The agent ended the conversation."))
    conversation.digest = digest_of(conversation)
    change.save("status", "ended_at", "ended_by", "closed_at", "unanswered_since", "digest")


def finish_assignment(conversation: Conversation) -> None:
    """Notes until when the present agent had it."""
    Assignment.objects.filter(conversation=conversation, until_at__isnull=True).update(
        until_at=timezone.now()
    )
