"""May this person do it? One door for each kind of object; missing and forbidden look the same."""

from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.access import may
from accounts.models import Staff
from chat.errors import NotAssigned, NotFound
from chat.models import Conversation, Site, Status, Visitor


def site_by_key(key: str) -> Site:
    """The site in use with this public key. Raises NotFound."""
    try:
        return Site.objects.select_related("department").get(key=key, is_active=True)
    except Site.DoesNotExist as error:
        raise NotFound from error


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


def lock_conversation_of(visitor: Visitor) -> Conversation:
    """The visitor's newest conversation, locked. Raises NotFound when there is none."""
    newest = visitor.conversations.order_by("-id").values_list("pk", flat=True).first()
    if newest is None:
        raise NotFound
    return lock(newest)
