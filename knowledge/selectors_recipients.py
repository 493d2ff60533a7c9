"""Queries for the recipients of a knowledge point. Each docstring says how many queries it makes."""

from dataclasses import dataclass, replace
from datetime import date

from django.db.models import QuerySet

from chat.models import Message
from core.date_ranges import end_of, start_of
from knowledge import message_sources
from knowledge.models import Point, Use


@dataclass(frozen=True)
class RecipientFilter:
    """The filters of a list of recipients. `known`: only with a customer reference. `before`: only messages with a
    lower id."""

    version: int | None = None
    since: date | None = None
    until: date | None = None
    known: bool = False
    before: int | None = None


@dataclass(frozen=True)
class Recipient:
    """A message made from version `number` of a point. `is_edited`: the agent changed the text before sending."""

    message: Message
    number: int
    is_edited: bool


def recipients_of(point: Point, wanted: RecipientFilter) -> QuerySet[Message]:
    """Return every message made from the wanted versions of the point, newest first.

    One query through the index of `Message.source` when evaluated, and before it one for the version numbers if
    `wanted` names no version.
    """
    numbers = (
        [wanted.version] if wanted.version is not None else point.versions.values_list("number", flat=True)
    )
    messages = Message.objects.filter(source__in=[f"point/{point.pk}/{number}" for number in numbers])
    if wanted.since:
        messages = messages.filter(at__gte=start_of(wanted.since))
    if wanted.until:
        messages = messages.filter(at__lt=end_of(wanted.until))
    if wanted.known:
        messages = messages.exclude(conversation__visitor__customer_reference="")
    if wanted.before is not None:
        messages = messages.filter(pk__lt=wanted.before)
    return messages.select_related("conversation__visitor", "conversation__department", "agent").order_by(
        "-pk"
    )


def recipient_rows(messages: list[Message]) -> list[Recipient]:
    """Return the messages with their version number and whether the agent changed the text. One query."""
    conversations = {message.conversation_id for message in messages}
    uses = Use.objects.filter(conversation__in=conversations, by=Use.By.AGENT, is_edited=True)
    edited = set(uses.values_list("conversation", "seq"))
    rows = []
    for message in messages:
        named = message_sources.point_version_in(message.source)
        rows.append(
            Recipient(message, named[1] if named else 0, (message.conversation_id, message.seq) in edited)
        )
    return rows


def recipient_count(point: Point, wanted: RecipientFilter) -> int:
    """Return the number of visitors who received the answer. At most two queries."""
    messages = recipients_of(point, replace(wanted, before=None)).order_by()
    return messages.values("conversation__visitor").distinct().count()
