"""What a visitor does besides posting: begin, end, rate."""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Department
from chat import access
from chat.actions.closing import end
from chat.actions.events import ConversationChange, current_row
from chat.errors import FormIncomplete, RatingRefused
from chat.models import (
    CURRENT_FIRST,
    Conversation,
    FormField,
    Level,
    QuickTopic,
    Rating,
    Site,
    Status,
    Visitor,
)
from chat.protocol import MAX_ANSWER_CHARACTERS, ConversationChanged
from chat.realtime import delivery
from core.text.cleaning import clean_line, clean_text


def start_conversation(
    *,
    site: Site,
    visitor_uuid: UUID,
    client_id: UUID,
    form: dict[str, str],
    topic: int | None = None,
    language: str = "zh",
    page: str = "",
    device: str = "",
) -> Conversation:
    """Begins a conversation, and makes the visitor on their first. Repeats, and a second tab, get the same one.

    Raises FormIncomplete when a required answer is missing.
    """
    fields = list(site.form_fields.all())
    answers = {field.key: clean_line(form.get(field.key, ""), MAX_ANSWER_CHARACTERS) for field in fields}
    if any(field.is_required and not answers[field.key] for field in fields):
        raise FormIncomplete
    try:
        with transaction.atomic():
            visitor, _ = Visitor.objects.select_for_update(of=("self",)).get_or_create(
                uuid=visitor_uuid, defaults={"site": site, "language": language}
            )
            begun = (
                visitor.conversations.filter(client_id=client_id).first()
                or visitor.conversations.filter(status__in=(Status.WAITING, Status.ACTIVE)).first()
            )
            if begun is not None:
                return begun
            name = clean_line(next((answers[f.key] for f in fields if f.kind == FormField.Kind.NAME), ""), 60)
            if name and not visitor.is_customer:
                visitor.level, visitor.name = Level.CLAIMED, name
            visitor.language, visitor.last_seen_at = language, timezone.now()
            visitor.save(update_fields=["level", "name", "language", "last_seen_at"])
            department, subject = _destination(site, fields, answers, topic)
            conversation = Conversation.objects.create(
                client_id=client_id,
                site=site,
                visitor=visitor,
                department=department,
                verified_at=visitor.verified_at if visitor.level_now() == Level.VERIFIED else None,
                language=language,
                subject=subject,
                form=answers,
                page=page.replace("\x00", "").split("?")[0].split("#")[0][:300],
                device=device.replace("\x00", "")[:20],
            )
            row = current_row(conversation)
            was = ("", None, conversation.department_id)
            delivery.announce_on_commit(ConversationChanged(conversation.pk, row, *was))
            return conversation
    except IntegrityError:
        # Two tabs, or a repeat on another process, began at the same moment: theirs is ours.
        begun = Conversation.objects.filter(visitor__uuid=visitor_uuid).order_by(*CURRENT_FIRST).first()
        assert begun is not None
        return begun


def _destination(
    site: Site, fields: list[FormField], answers: dict[str, str], topic: int | None
) -> tuple[Department, str]:
    """The department and the subject that the form or a quick topic chose."""
    for field in fields:
        if field.kind == FormField.Kind.DEPARTMENT and answers[field.key]:
            chosen = Department.objects.filter(code=answers[field.key], is_active=True).first()
            if chosen is not None:
                return chosen, ""
    if topic is not None:
        quick = QuickTopic.objects.select_related("department").filter(pk=topic, site=site).first()
        if quick is not None:
            return quick.department or site.department, quick.label
    return site.department, ""


def end_by_visitor(*, visitor: Visitor, uuid: UUID | None = None) -> None:
    """The visitor ends their conversation, or leaves the queue. Ending what has ended is harmless.

    Without `uuid` it is the one that they have now. Raises NotFound.
    """
    with transaction.atomic():
        conversation = access.lock_conversation_of(visitor, uuid)
        if not conversation.is_open:
            return
        end(conversation, by="visitor")


def rate(*, visitor: Visitor, score: int, comment: str, uuid: UUID | None = None) -> None:
    """Rates the visitor's ended conversation; rating again replaces the former one.

    Without `uuid` it is the one that they have now. Raises NotFound, and RatingRefused while it is open or
    when no agent was there to rate.
    """
    with transaction.atomic():
        conversation = access.lock_conversation_of(visitor, uuid)
        if conversation.is_open or conversation.agent_id is None:
            raise RatingRefused
        change = ConversationChange(conversation)
        Rating.objects.update_or_create(
            conversation=conversation,
            defaults={
                "agent": conversation.agent,
                "score": score,
                "comment": clean_text(comment),
                "at": timezone.now(),
            },
        )
        change.save("last_seq")
