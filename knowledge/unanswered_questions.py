"""Questions that no point answers: noted once, gathered with those that ask alike.

Not what is merely said, and not what a point has answered after all (`knowledge.actions.use`)."""

import logging
from collections.abc import Sequence

from django.db import DatabaseError

from chat.models import AuthorRole, Conversation, Message
from knowledge.actions.use import ANSWERED_WITHIN, record_unanswered
from knowledge.models import UnansweredQuestion, UnansweredQuestionExample, Use
from knowledge.question_detection import asks_for_a_point
from knowledge.search import NOT_ANSWERED, Index, IndexEntry
from knowledge.suggestions import Suggestion, suggest_for
from privacy.masking import mask

logger = logging.getLogger(__name__)

ALIKE = 0.6
COMPARED = 500


def record_question(conversation: Conversation, seq: int, found: Sequence[Suggestion]) -> None:
    """Notes message `seq` of the visitor as a gap when it asks for what no point answers. It never fails the caller.

    `found`: the likeliest for all that they have said since the last answer.
    """
    if _is_answered(found):
        return
    try:
        message = Message.objects.filter(
            conversation=conversation, seq=seq, author_role=AuthorRole.VISITOR
        ).first()
        if message is None or not asks_for_a_point(message.body) or _is_known(message):
            return
        # What was said besides may have hidden the question.
        alone = suggest_for(
            message.body, language=conversation.language, department=conversation.department_id
        )
        if not _is_answered(alone):
            record_unanswered(message=message, language=conversation.language, like=alike(message.body))
    except DatabaseError as error:
        logger.warning("a gap was not noted: %s", type(error).__name__)


def _is_answered(found: Sequence[Suggestion]) -> bool:
    return bool(found) and found[0].confidence >= NOT_ANSWERED


def _is_known(message: Message) -> bool:
    """Noted already, or answered with a point since. Two queries."""
    conversation, seq = message.conversation_id, message.seq
    return (
        UnansweredQuestionExample.objects.filter(conversation=conversation, seq=seq).exists()
        or Use.objects.filter(
            conversation=conversation, by=Use.By.AGENT, seq__gt=seq, seq__lte=seq + ANSWERED_WITHIN
        ).exists()
    )


def alike(text: str) -> int | None:
    """The open gap whose question comes near enough. Of the newest few hundred: editors keep them few."""
    open_ones = (
        UnansweredQuestion.objects.filter(state=UnansweredQuestion.State.OPEN)
        .order_by("-last_at")
        .values_list("pk", "text", "language")
    )
    entries = [
        IndexEntry(id=pk, title=words, language=language) for pk, words, language in open_ones[:COMPARED]
    ]
    if not entries:
        return None
    hits = Index(entries).find(mask(text), limit=1)
    return hits[0].id if hits and hits[0].confidence >= ALIKE else None
