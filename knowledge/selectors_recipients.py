"""Reads of who was told what a point says. Each says how many queries it makes."""

from dataclasses import dataclass, replace
from datetime import date

from django.db.models import QuerySet

from chat.models import Message
from core.date_ranges import end_of, start_of
from knowledge import message_sources
from knowledge.models import Point, Use


@dataclass(frozen=True)
class RecipientFilter:
    """What the list of who was told is narrowed to; `before`: the page goes on after this message."""

    version: int | None = None
    since: date | None = None
    until: date | None = None
    known: bool = False
    before: int | None = None


@dataclass(frozen=True)
class Recipient:
    """A message that was made from a version of a point."""

    message: Message
    number: int
    is_edited: bool


def recipients_of(point: Point, wanted: RecipientFilter) -> QuerySet[Message]:
    """Every message made from these versions of the point, newest first, by the index on the source. One query."""
    numbers = (
        [wanted.version] if wanted.version is not None else point.versions.values_list("number", flat=True)
    )
    found = Message.objects.filter(source__in=[f"point/{point.pk}/{number}" for number in numbers])
    if wanted.since:
        found = found.filter(at__gte=start_of(wanted.since))
    if wanted.until:
        found = found.filter(at__lt=end_of(wanted.until))
    if wanted.known:
        found = found.exclude(conversation__visitor__customer_reference="")
    if wanted.before is not None:
        found = found.filter(pk__lt=wanted.before)
    return found.select_related("conversation__visitor", "conversation__department", "agent").order_by("-pk")


def recipient_rows(messages: list[Message]) -> list[Recipient]:
    """With whether the agent changed the words. One query."""
    places = {(message.conversation_id, message.seq) for message in messages}
    uses = Use.objects.filter(
        conversation__in={place[0] for place in places}, by=Use.By.AGENT, is_edited=True
    )
    edited = set(uses.values_list("conversation", "seq"))
    rows = []
    for message in messages:
        named = message_sources.named_in(message.source)
        rows.append(
            Recipient(message, named[1] if named else 0, (message.conversation_id, message.seq) in edited)
        )
    return rows


def recipient_count(point: Point, wanted: RecipientFilter) -> int:
    """How many visitors were told. One query."""
    found = recipients_of(point, replace(wanted, before=None)).order_by()
    return found.values("conversation__visitor").distinct().count()
