"""Questions that no point answers: noted once, gathered with those that ask alike."""

import logging
from collections.abc import Sequence

from django.db import DatabaseError

from chat.models import AuthorRole, Conversation, Message
from knowledge.actions.use import note_gap
from knowledge.finding import NOT_ANSWERED, Entry, Index
from knowledge.models import Gap, GapQuestion
from knowledge.offers import Offer
from knowledge.questions import MIN_CHARACTERS, without_numbers

logger = logging.getLogger(__name__)

ALIKE = 0.6
COMPARED = 500


def note(conversation: Conversation, seq: int, question: str, found: Sequence[Offer]) -> None:
    """Notes the visitor's question as a gap when nothing that was found answers it. It never fails the caller."""
    if len(question) < MIN_CHARACTERS or (found and found[0].confidence >= NOT_ANSWERED):
        return
    try:
        if GapQuestion.objects.filter(conversation=conversation, seq=seq).exists():
            return
        message = Message.objects.filter(
            conversation=conversation, seq=seq, author_role=AuthorRole.VISITOR
        ).first()
        if message is not None:
            note_gap(message=message, language=conversation.language, like=_like(message.body))
    except DatabaseError as error:
        logger.warning("a gap was not noted: %s", type(error).__name__)


def _like(text: str) -> int | None:
    """The open gap whose question comes near enough. Of the newest few hundred: editors keep them few."""
    open_ones = (
        Gap.objects.filter(state=Gap.State.OPEN).order_by("-last_at").values_list("pk", "text", "language")
    )
    entries = [Entry(id=pk, title=words, language=language) for pk, words, language in open_ones[:COMPARED]]
    if not entries:
        return None
    hits = Index(entries).find(without_numbers(text), limit=1)
    return hits[0].id if hits and hits[0].confidence >= ALIKE else None
