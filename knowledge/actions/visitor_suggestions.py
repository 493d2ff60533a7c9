"""Records the suggestions that the widget showed a visitor, and the visitor's feedback on them."""

from collections.abc import Iterable

from django.db import transaction

from chat.models import Conversation
from knowledge import message_sources
from knowledge.actions.point_use import set_feedback
from knowledge.errors import PointNotFound
from knowledge.models import Use, Version


def record_shown(*, conversation: Conversation, versions: Iterable[Version]) -> None:
    """Record that the widget showed these versions. Recording them twice is harmless."""
    Use.objects.bulk_create(
        [Use(version=version, conversation=conversation, by=Use.By.WIDGET) for version in versions],
        ignore_conflicts=True,
    )


def record_feedback(*, conversation: Conversation, source: str, is_helpful: bool) -> None:
    """Record whether a suggestion solved the visitor's problem. Later feedback replaces earlier feedback.

    Raises PointNotFound if the version was not shown in this conversation.
    """
    named = message_sources.point_version_in(source)
    if named is None:
        raise PointNotFound
    with transaction.atomic():
        point, number = named
        shown = (
            Use.objects.select_for_update(of=("self",))
            .filter(conversation=conversation, version__point=point, version__number=number, by=Use.By.WIDGET)
            .first()
        )
        if shown is None:
            raise PointNotFound
        set_feedback(shown, is_helpful)
