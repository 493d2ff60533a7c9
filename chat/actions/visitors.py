"""What a visitor does besides posting: begin, say who they are, end, rate."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Department
from chat import access, delivery
from chat.actions.ending import end
from chat.actions.events import Change, row_now
from chat.errors import FormIncomplete, IdentityRefused, RatingRefused
from chat.models import (
    PRESENT_FIRST,
    Conversation,
    FormField,
    IdentityUse,
    Level,
    QuickTopic,
    Rating,
    Site,
    Status,
    Visitor,
)
from chat.protocol import MAX_ANSWER_CHARACTERS, ConversationChanged
from chat.text import cleaned, one_line

IDENTITY_MAX_SECONDS = 300


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
    answers = {field.key: one_line(form.get(field.key, ""), MAX_ANSWER_CHARACTERS) for field in fields}
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
            name = one_line(next((answers[f.key] for f in fields if f.kind == FormField.Kind.NAME), ""), 60)
            if name and visitor.level != Level.VERIFIED:
                visitor.level, visitor.name = Level.CLAIMED, name
            visitor.language, visitor.last_seen_at = language, timezone.now()
            visitor.save(update_fields=["level", "name", "language", "last_seen_at"])
            department, subject = _destination(site, fields, answers, topic)
            conversation = Conversation.objects.create(
                client_id=client_id,
                site=site,
                visitor=visitor,
                department=department,
                language=language,
                subject=subject,
                form=answers,
                page=page.replace("\x00", "").split("?")[0].split("#")[0][:300],
                device=device.replace("\x00", "")[:20],
            )
            row = row_now(conversation)
            was = ("", None, conversation.department_id)
            delivery.announce_on_commit(ConversationChanged(conversation.pk, row, *was))
            return conversation
    except IntegrityError:
        # Two tabs, or a repeat on another process, began at the same moment: theirs is ours.
        begun = Conversation.objects.filter(visitor__uuid=visitor_uuid).order_by(*PRESENT_FIRST).first()
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


def identify(*, site: Site, visitor_uuid: UUID, identity: str, language: str = "zh") -> Visitor:
    """The verified visitor whom a token of the bank's site names; what this one has open becomes theirs.

    The token is a JWT (RFC 7519) signed with HS256 and the site's secret: `sub` the customer reference, `aud` the
    site key, `iat` and `exp` at most five minutes apart, `jti` used once, `name` if wanted. Raises IdentityRefused.
    """
    if not site.identity_secret:
        raise IdentityRefused
    try:
        claims = jwt.decode(
            identity,
            site.identity_secret,
            algorithms=["HS256"],
            audience=site.key,
            leeway=5,
            options={"require": ["sub", "aud", "iat", "exp", "jti"]},
        )
        reference, token_id = str(claims["sub"]), str(claims["jti"])
        is_sound = 0 < claims["exp"] - claims["iat"] <= IDENTITY_MAX_SECONDS
    except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError) as error:
        raise IdentityRefused from error
    if (
        not is_sound
        or not 0 < len(reference) <= 64
        or not 0 < len(token_id) <= 64
        or cleaned(reference + token_id) != reference + token_id
    ):
        raise IdentityRefused
    name = one_line(str(claims.get("name") or ""), 60)
    with transaction.atomic():
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        _, is_new = IdentityUse.objects.get_or_create(
            token_id=hashlib.sha256(f"{site.pk}:{token_id}".encode()).hexdigest(),
            defaults={"expires_at": expires_at},
        )
        if not is_new:
            raise IdentityRefused
        IdentityUse.objects.filter(expires_at__lt=timezone.now() - timedelta(days=1)).delete()
        verified, _ = Visitor.objects.select_for_update(of=("self",)).get_or_create(
            site=site,
            customer_reference=reference,
            defaults={"level": Level.VERIFIED, "name": name, "language": language},
        )
        verified.name, verified.last_seen_at = name or verified.name, timezone.now()
        verified.save(update_fields=["name", "last_seen_at"])
        _bring_along(visitor_uuid, verified)
    return verified


def _bring_along(visitor_uuid: UUID, verified: Visitor) -> None:
    """Hands the open conversation of an unverified visitor to the verified one.

    Where that one has one open already, they go on in that, and the other ends: nobody reads what is said there.
    """
    open_ones = Conversation.objects.filter(status__in=(Status.WAITING, Status.ACTIVE))
    mine = open_ones.filter(visitor__uuid=visitor_uuid).exclude(visitor__level=Level.VERIFIED).first()
    if mine is None:
        return
    conversation = access.lock(mine.pk)
    if not conversation.is_open:
        return
    if open_ones.filter(visitor=verified).exists():
        end(conversation, by="visitor")
        return
    change = Change(conversation)
    conversation.visitor = verified
    change.save("visitor")


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
        change = Change(conversation)
        Rating.objects.update_or_create(
            conversation=conversation,
            defaults={
                "agent": conversation.agent,
                "score": score,
                "comment": cleaned(comment),
                "at": timezone.now(),
            },
        )
        change.save("last_seq")
