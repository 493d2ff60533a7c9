"""Records visitors' questions that no point answers, each of them once, and groups similar questions.

Messages that are not questions are skipped. If an agent later answers a recorded question with a point, the question is
removed again (`knowledge.actions.point_use`).
"""

import logging
from collections.abc import Sequence

from django.db import DatabaseError

from chat.models import AuthorRole, Conversation, Message
from knowledge.actions.point_use import ANSWERED_WITHIN, record_unanswered
from knowledge.models import UnansweredQuestion, UnansweredQuestionExample, Use
from knowledge.question_detection import asks_for_a_point
from knowledge.search import NOT_ANSWERED, Index, IndexEntry
from knowledge.suggestions import Suggestion, suggest_for
from privacy.masking import mask

logger = logging.getLogger(__name__)

MIN_SIMILARITY = 0.6
MAX_COMPARED = 500


def record_question(conversation: Conversation, seq: int, suggestions: Sequence[Suggestion]) -> None:
    """Record the visitor's message `seq` as unanswered if it asks something that no point answers.

    `suggestions` are the results of a search with all the visitor's messages since the last answer. A database error is
    logged and not raised, because the caller's answer must not fail.
    """
    if _is_answered(suggestions):
        return
    try:
        message = Message.objects.filter(
            conversation=conversation, seq=seq, author_role=AuthorRole.VISITOR
        ).first()
        if message is None or not asks_for_a_point(message.body) or _is_known(message):
            return
        # The visitor's other messages may have hidden the question, so search for this question alone.
        alone = suggest_for(
            message.body, language=conversation.language, department=conversation.department_id
        )
        if not _is_answered(alone):
            record_unanswered(
                message=message, language=conversation.language, like=similar_question(message.body)
            )
    except DatabaseError as error:
        logger.warning("an unanswered question was not recorded: %s", type(error).__name__)


def _is_answered(suggestions: Sequence[Suggestion]) -> bool:
    return bool(suggestions) and suggestions[0].confidence >= NOT_ANSWERED


def _is_known(message: Message) -> bool:
    """Return whether the message is recorded already, or an agent has answered it with a point. Two queries."""
    conversation, seq = message.conversation_id, message.seq
    return (
        UnansweredQuestionExample.objects.filter(conversation=conversation, seq=seq).exists()
        or Use.objects.filter(
            conversation=conversation, by=Use.By.AGENT, seq__gt=seq, seq__lte=seq + ANSWERED_WITHIN
        ).exists()
    )


def similar_question(text: str) -> int | None:
    """Return the id of the most similar open question, or None if no question is similar enough.

    Only the newest few hundred open questions are compared.
    """
    open_questions = (
        UnansweredQuestion.objects.filter(state=UnansweredQuestion.State.OPEN)
        .order_by("-last_at")
        .values_list("pk", "text", "language")
    )
    entries = [
        IndexEntry(id=pk, title=title, language=language)
        for pk, title, language in open_questions[:MAX_COMPARED]
    ]
    if not entries:
        return None
    hits = Index(entries).find(mask(text), limit=1)
    return hits[0].id if hits and hits[0].confidence >= MIN_SIMILARITY else None
