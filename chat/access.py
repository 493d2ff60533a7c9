"""May this person do it? One door for each kind of object; missing and forbidden look the same."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.access import may
from accounts.models import Staff
from chat import batch_statements
from chat.errors import NotAssigned, NotFound
from chat.models import CURRENT_FIRST, OPEN, Attachment, Conversation, Site, Status, Visitor
from chat.protocol import serializers
from chat.widget import tokens


def sites_in_use(keys: Iterable[str]) -> dict[str, Site]:
    """The sites in use with these public keys, by key. One query."""
    # PostgreSQL does not even look for a text with a zero in it.
    wanted = {key for key in keys if "\x00" not in key}
    found = Site.objects.select_related("department").filter(key__in=wanted, is_active=True)
    return {site.key: site for site in found}


def site_by_key(key: str) -> Site:
    """The site in use with this public key. Raises NotFound."""
    site = sites_in_use([key]).get(key)
    if site is None:
        raise NotFound
    return site


def visible_to(staff: Staff) -> QuerySet[Conversation]:
    """The conversations this member of staff may read.

    Supervisors and auditors all; an agent those of their departments, those they ever had, and those of a visitor
    whom they have before them now.
    """
    if may(staff, "see_all_conversations") or may(staff, "read_records"):
        return Conversation.objects.all()
    if not may(staff, "answer"):
        return Conversation.objects.none()
    before_me = Conversation.objects.filter(agent=staff).exclude(status=Status.CLOSED).values("visitor")
    return Conversation.objects.filter(
        Q(department__in=staff.departments.values("pk"))
        | Q(agent=staff)
        | Q(pk__in=staff.assignments.values("conversation"))
        | Q(visitor__in=before_me)
    )


def readable_ids(staff: Staff, pks: list[int]) -> set[int]:
    """Those of these conversations that this member of staff may read. One query."""
    return set(visible_to(staff).filter(pk__in=pks).values_list("pk", flat=True))


def followable_by(staff: Staff) -> QuerySet[Conversation]:
    """The conversations that this member of staff may follow live.

    Of those that they once had and that go on in another department they may read, but hear no more.
    """
    visible = visible_to(staff)
    if may(staff, "see_all_conversations") or may(staff, "read_records"):
        return visible
    before_me = Conversation.objects.filter(agent=staff).exclude(status=Status.CLOSED).values("visitor")
    return visible.filter(
        Q(department__in=staff.departments.values("pk"))
        | Q(agent=staff)
        | Q(visitor__in=before_me)
        | ~Q(status__in=OPEN)
    )


def followable_ids(staff: Staff, pks: list[int]) -> set[int]:
    """Those of these conversations that this member of staff may follow live. One query."""
    return set(followable_by(staff).filter(pk__in=pks).values_list("pk", flat=True))


def is_assigned_to(staff: Staff, pk: int) -> bool:
    """Whether this member of staff is the one who talks in this conversation now. One query."""
    return Conversation.objects.filter(pk=pk, agent=staff, status=Status.ACTIVE).exists()


def conversation_for(staff: Staff, uuid: UUID) -> Conversation:
    """A conversation this member of staff may read. Raises NotFound."""
    try:
        return visible_to(staff).select_related("visitor", "agent", "department", "site").get(uuid=uuid)
    except Conversation.DoesNotExist as error:
        raise NotFound from error


def lock_conversation_for(staff: Staff, uuid: UUID) -> Conversation:
    """The same, locked until the transaction ends. Raises NotFound."""
    conversation = conversation_for(staff, uuid)
    return lock(conversation.pk)


def lock_own_conversation(staff: Staff, uuid: UUID) -> Conversation:
    """A conversation assigned to this member of staff, locked. Raises NotFound, NotAssigned."""
    conversation = lock_conversation_for(staff, uuid)
    if conversation.agent_id != staff.pk:
        raise NotAssigned
    return conversation


def lock(pk: int) -> Conversation:
    """By id, locked, as it stands after everybody who came before; no question of rights. Raises NotFound."""
    try:
        return (
            Conversation.objects.select_for_update(of=("self",))
            .select_related("visitor", "agent", "department", "site")
            .get(pk=pk)
        )
    except Conversation.DoesNotExist as error:
        raise NotFound from error


_locking = batch_statements.PreparedSelect(
    lambda: (
        Conversation.objects.select_for_update(of=("self",))
        .filter(pk__among=batch_statements.PARAM)
        .order_by("pk")
        .values_list(*serializers.ROW_FIELDS)
    )
)


def lock_conversations(pks: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The ROW_FIELDS of those of these that there are, locked in id order, by id; no question of rights. One query."""
    return {
        values[0]: dict(zip(serializers.ROW_FIELDS, values, strict=True)) for values in _locking.rows(pks)
    }


def lock_conversation_of(visitor: Visitor, uuid: UUID | None = None) -> Conversation:
    """This conversation of the visitor's own, or their open or newest one, locked. Raises NotFound."""
    own = visitor.conversations.order_by(*CURRENT_FIRST).values_list("pk", flat=True)
    present = (own if uuid is None else own.filter(uuid=uuid)).first()
    if present is None:
        raise NotFound
    return lock(present)


def visitor_by_token(token: str | None) -> Visitor:
    """The visitor whom a token names, on a site in use. Raises NotFound."""
    read = tokens.read_token(token)
    if read is None:
        raise NotFound
    visitor = (
        Visitor.objects.select_related("site")
        .filter(uuid=read.visitor, site__key=read.site_key, site__is_active=True)
        .first()
    )
    if visitor is None or not visitor.accepts(read.generation):
        raise NotFound
    return visitor


def conversation_of(visitor: Visitor, uuid: UUID | None = None) -> Conversation:
    """This conversation of the visitor's own, or their open or newest one. Raises NotFound."""
    own = visitor.conversations.select_related("visitor", "agent", "department", "site").order_by(
        *CURRENT_FIRST
    )
    conversation = (own if uuid is None else own.filter(uuid=uuid)).first()
    if conversation is None:
        raise NotFound
    return conversation


def current_conversation_of(site: Site, token: tokens.VisitorToken) -> Conversation | None:
    """The open or newest conversation of the visitor for whom this token of the site speaks. One query."""
    own = Conversation.objects.select_related("visitor").filter(
        visitor__uuid=token.visitor, visitor__site=site
    )
    present = own.order_by(*CURRENT_FIRST).first()
    return present if present is not None and present.visitor.accepts(token.generation) else None


def attachment_of(visitor: Visitor, uuid: UUID) -> Attachment:
    """A file of one of the visitor's own conversations. Raises NotFound."""
    attachment = Attachment.objects.filter(uuid=uuid, conversation__visitor=visitor).first()
    if attachment is None:
        raise NotFound
    return attachment


def attachment_for(staff: Staff, uuid: UUID) -> Attachment:
    """A file of a conversation this member of staff may read. Raises NotFound."""
    readable_ones = Attachment.objects.filter(uuid=uuid, conversation__in=visible_to(staff).values("pk"))
    attachment = readable_ones.select_related("conversation").first()
    if attachment is None:
        raise NotFound
    return attachment
