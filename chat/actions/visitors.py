"""Actions of a visitor other than posting: start, end and rate a conversation."""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Department
from chat import access
from chat.actions import abandonment
from chat.actions.closing import end
from chat.actions.events import ConversationChange, current_row, show_visitor
from chat.errors import FormIncomplete, RatingRefused
from chat.models import (
    CURRENT_FIRST,
    RESUMABLE,
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
    process: str = "",
) -> Conversation:
    """Start a conversation, and create the visitor if this is the visitor's first.

    If the visitor has an open conversation, or one with the same `client_id`, that conversation is returned instead. A
    conversation that the visitor has abandoned waits again and is returned, if there is time left for that.

    `process` is the server process to which the visitor is connected, if any. Raises FormIncomplete if a required
    answer is missing.
    """
    fields = list(site.form_fields.all())
    answers = {field.key: clean_line(form.get(field.key, ""), MAX_ANSWER_CHARACTERS) for field in fields}
    if any(field.is_required and not answers[field.key] for field in fields):
        raise FormIncomplete
    try:
        with transaction.atomic():
            visitor, is_new = Visitor.objects.select_for_update(of=("self",)).get_or_create(
                uuid=visitor_uuid, defaults={"site": site, "language": language}
            )
            existing = (
                visitor.conversations.filter(client_id=client_id).first()
                or visitor.conversations.filter(status__in=RESUMABLE).order_by(*CURRENT_FIRST).first()
            )
            if existing is not None and existing.status == Status.ABANDONED:
                existing = _brought_back(existing, process)
            if existing is not None:
                return existing
            name = clean_line(next((answers[f.key] for f in fields if f.kind == FormField.Kind.NAME), ""), 60)
            is_renamed = bool(name) and not visitor.is_customer and name != visitor.name
            if is_renamed:
                visitor.level, visitor.name = Level.CLAIMED, name
            visitor.language, visitor.last_seen_at = language, timezone.now()
            visitor.save(update_fields=["level", "name", "language", "last_seen_at"])
            if is_renamed and not is_new:
                show_visitor([visitor.pk])
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
                visitor_process=process,
            )
            row = current_row(conversation)
            before = ("", None, conversation.department_id)
            delivery.announce_on_commit(ConversationChanged(conversation.pk, row, *before))
            return conversation
    except IntegrityError:
        # Another tab, or a repeated request in another process, has started a conversation at the same moment. Return
        # that one.
        existing = Conversation.objects.filter(visitor__uuid=visitor_uuid).order_by(*CURRENT_FIRST).first()
        assert existing is not None
        return existing


def _brought_back(conversation: Conversation, process: str) -> Conversation | None:
    """Return the visitor of an abandoned conversation to the queue. Returns None if the time for that is over."""
    if not abandonment.bring_back([conversation.pk], process):
        return None
    conversation.refresh_from_db()
    return conversation


def _destination(
    site: Site, fields: list[FormField], answers: dict[str, str], topic: int | None
) -> tuple[Department, str]:
    """Return the department of a new conversation, and its subject.

    A department chosen in the form comes before that of the quick topic, and the site's department comes last. The
    subject is the label of the quick topic, or "" if there is none or the form determined the department.
    """
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
    """End the visitor's conversation, or let the visitor leave the queue. Does nothing if it has ended.

    Without `uuid`, it is the visitor's current conversation. Raises NotFound.
    """
    with transaction.atomic():
        conversation = access.lock_conversation_of(visitor, uuid)
        if not conversation.is_open:
            return
        end(conversation, by="visitor")


def rate(*, visitor: Visitor, score: int, comment: str, uuid: UUID | None = None) -> None:
    """Rate the visitor's ended conversation; a second rating replaces the first.

    Without `uuid`, it is the visitor's current conversation. Raises NotFound. Raises RatingRefused if the conversation
    is open or never had an agent.
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
        change.save()
