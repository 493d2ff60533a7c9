"""What the box shows a visitor beside the messages, and the visitor's word on it."""

from collections.abc import Iterable

from django.db import transaction

from chat.models import Conversation
from knowledge import message_sources
from knowledge.actions.use import count_word
from knowledge.errors import PointNotFound
from knowledge.models import Use, Version


def record_shown(*, conversation: Conversation, versions: Iterable[Version]) -> None:
    """The box has these before the visitor's eyes. Noting them again is harmless."""
    Use.objects.bulk_create(
        [Use(version=version, conversation=conversation, by=Use.By.BOX) for version in versions],
        ignore_conflicts=True,
    )


def record_feedback(*, conversation: Conversation, source: str, is_helpful: bool) -> None:
    """Whether it solved what the visitor came for. Their last word counts; the same again changes nothing.

    Raises PointNotFound for what was not shown in this conversation.
    """
    named = message_sources.named_in(source)
    if named is None:
        raise PointNotFound
    with transaction.atomic():
        point, number = named
        shown = (
            Use.objects.select_for_update(of=("self",))
            .filter(conversation=conversation, version__point=point, version__number=number, by=Use.By.BOX)
            .first()
        )
        if shown is None:
            raise PointNotFound
        count_word(shown, is_helpful)
