"""Records the use of knowledge points in the demo's conversations: recipients, feedback and unanswered questions."""

from accounts.models import Staff
from chat.models import Conversation, Message
from demo.dialogues import Turn
from knowledge import message_sources, unanswered_questions
from knowledge.actions import point_use
from knowledge.customer_question import question_in
from knowledge.models import Point, Version


class KnowledgeRecorder:
    """Implements `demo.chat_day.AnswerRecorder`: records the same data as the console when an agent uses a point or
    finds none."""

    def __init__(self) -> None:
        points = Point.objects.filter(published__isnull=False).select_related("published")
        self._published = {point.key: point.published for point in points}

    def source_of(self, key: str) -> str:
        return self._version(key).source

    def record_answer(self, turn: Turn, *, by: Staff, conversation: Conversation, seq: int) -> None:
        version = self._version(turn.source)
        question, _seq = question_in(conversation, before=seq)
        point_use.record_use(
            by=by,
            version=version,
            conversation=conversation,
            seq=seq,
            question=question,
            is_edited=turn.text != message_sources.message_text(version.answer, version.links),
        )
        if turn.helped is not None:
            point_use.record_agent_feedback(
                version=version, is_helpful=turn.helped, conversation=conversation, by=by
            )

    def record_unanswered(self, conversation: Conversation, seq: int) -> None:
        # A test checks that the console's search indeed finds no point for these questions.
        message = Message.objects.get(conversation=conversation, seq=seq)
        point_use.record_unanswered(
            message=message,
            language=conversation.language,
            like=unanswered_questions.similar_question(message.body),
        )

    def _version(self, key: str) -> Version:
        version = self._published[key]
        assert version is not None
        return version
