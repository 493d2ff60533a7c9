"""The demo's day as the library has it: who was told what, what helped, and what no point answers."""

from accounts.models import Staff
from chat.models import Conversation, Message
from demo.dialogues import Turn
from knowledge import message_sources, unanswered_questions
from knowledge.actions import use
from knowledge.customer_question import question_in
from knowledge.models import Point, Version


class KnowledgeShelf:
    """`demo.chat_day.DialogueShelf`: what the console does when its agent answers from a point, or finds none."""

    def __init__(self) -> None:
        points = Point.objects.filter(published__isnull=False).select_related("published")
        self._said = {point.key: point.published for point in points}

    def source_of(self, key: str) -> str:
        return self._version(key).source

    def answered(self, turn: Turn, *, by: Staff, conversation: Conversation, seq: int) -> None:
        version = self._version(turn.source)
        question, _seq = question_in(conversation, before=seq)
        use.record_use(
            by=by,
            version=version,
            conversation=conversation,
            seq=seq,
            question=question,
            is_edited=turn.text != message_sources.message_text(version.answer, version.links),
        )
        if turn.helped is not None:
            use.record_agent_feedback(
                version=version, is_helpful=turn.helped, conversation=conversation, by=by
            )

    def unanswered(self, conversation: Conversation, seq: int) -> None:
        # What the console's search would find for it: nothing. A test looks whether that is still so.
        message = Message.objects.get(conversation=conversation, seq=seq)
        use.record_unanswered(
            message=message,
            language=conversation.language,
            like=unanswered_questions.similar_question(message.body),
        )

    def _version(self, key: str) -> Version:
        version = self._said[key]
        assert version is not None
        return version
