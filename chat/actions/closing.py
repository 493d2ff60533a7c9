"""The end of a conversation, whether the visitor or the agent ends it."""

from django.utils import timezone
from django.utils.translation import gettext_noop

from chat.actions.events import ConversationChange, digest_of
from chat.models import Assignment, Conversation, Status


def end(conversation: Conversation, *, by: str) -> None:
    """End a locked, open conversation. If it has an agent, it goes to wrap-up; if it has none, it is closed as
    abandoned."""
    change = ConversationChange(conversation)
    now = timezone.now()
    conversation.ended_at, conversation.ended_by = now, by
    conversation.unanswered_since = None
    conversation.offered_to = conversation.offered_until = None
    if conversation.agent_id is None:
        conversation.status, conversation.closed_at = Status.CLOSED, now
        change.add_event(
            "left_queue",
            gettext_noop("The visitor left the queue."),
            to_visitor=gettext_noop("You left the queue."),
        )
    else:
        conversation.status = Status.WRAP_UP
        if by == "visitor":
            change.add_event(
                "ended",
                gettext_noop("The visitor ended the conversation."),
                to_visitor=gettext_noop("You ended the conversation."),
            )
        else:
            change.add_event("ended", gettext_noop("The agent ended the conversation."))
    conversation.digest = digest_of(conversation)
    change.save(
        "status",
        "ended_at",
        "ended_by",
        "closed_at",
        "unanswered_since",
        "digest",
        "offered_to",
        "offered_until",
    )


def finish_assignment(conversation: Conversation) -> None:
    """Record that the current assignment of the conversation ends now."""
    Assignment.objects.filter(conversation=conversation, until_at__isnull=True).update(
        until_at=timezone.now()
    )
