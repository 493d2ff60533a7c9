"""Access checks for conversations, sites, visitors and files: one function for each kind of object and person.

NotFound is raised both for an object that does not exist and for one that the person is not allowed to see, so the
error does not reveal which objects exist.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from accounts.access import may
from accounts.models import Staff
from chat import batch_statements, selectors
from chat.errors import NotAssigned, NotFound
from chat.models import CURRENT_FIRST, OPEN, Attachment, Conversation, Site, Status, Visitor
from chat.protocol import serializers
from chat.widget import tokens

# Maximum number of conversations that one transaction should lock.
MAX_LOCKED = 1000


def sites_in_use(keys: Iterable[str]) -> dict[str, Site]:
    """Return the active sites with these public keys, as a dict by key. One query."""
    # PostgreSQL raises an error for a parameter that contains NUL.
    wanted = {key for key in keys if "\x00" not in key}
    sites = Site.objects.select_related("department").filter(key__in=wanted, is_active=True)
    return {site.key: site for site in sites}


def site_by_key(key: str) -> Site:
    """Return the active site with this public key. Raises NotFound."""
    site = sites_in_use([key]).get(key)
    if site is None:
        raise NotFound
    return site


def visible_to(staff: Staff) -> QuerySet[Conversation]:
    """Return the conversations that this staff member may read.

    Supervisors and auditors may read all conversations. An agent may read:

    - conversations of the agent's departments;
    - conversations that were ever assigned to the agent;
    - all conversations of a visitor, while one of them is assigned to the agent and not closed.
    """
    if may(staff, "see_all_conversations") or may(staff, "read_records"):
        return Conversation.objects.all()
    if not may(staff, "answer"):
        return Conversation.objects.none()
    current_visitors = (
        Conversation.objects.filter(agent=staff).exclude(status=Status.CLOSED).values("visitor")
    )
    return Conversation.objects.filter(
        Q(department__in=staff.departments.values("pk"))
        | Q(agent=staff)
        | Q(pk__in=staff.assignments.values("conversation"))
        | Q(visitor__in=current_visitors)
    )


def readable_ids(staff: Staff, pks: list[int]) -> set[int]:
    """Return those ids in `pks` whose conversations this staff member may read. One query."""
    return set(visible_to(staff).filter(pk__in=pks).values_list("pk", flat=True))


def followable_by(staff: Staff) -> QuerySet[Conversation]:
    """Return the conversations whose live events this staff member may receive.

    After a transfer to another department, the former agent may still read the conversation, but receives no live
    events of it while it is open.
    """
    visible = visible_to(staff)
    if may(staff, "see_all_conversations") or may(staff, "read_records"):
        return visible
    current_visitors = (
        Conversation.objects.filter(agent=staff).exclude(status=Status.CLOSED).values("visitor")
    )
    return visible.filter(
        Q(department__in=staff.departments.values("pk"))
        | Q(agent=staff)
        | Q(visitor__in=current_visitors)
        | ~Q(status__in=OPEN)
    )


def followable_ids(staff: Staff, pks: list[int]) -> set[int]:
    """Return those ids in `pks` whose live events this staff member may receive. One query."""
    return set(followable_by(staff).filter(pk__in=pks).values_list("pk", flat=True))


def is_assigned_to(staff: Staff, pk: int) -> bool:
    """Return whether the conversation is active and assigned to this staff member. One query."""
    return Conversation.objects.filter(pk=pk, agent=staff, status=Status.ACTIVE).exists()


def conversation_for(staff: Staff, uuid: UUID) -> Conversation:
    """Return a conversation that this staff member may read. Raises NotFound."""
    try:
        return visible_to(staff).select_related("visitor", "agent", "department", "site").get(uuid=uuid)
    except Conversation.DoesNotExist as error:
        raise NotFound from error


def lock_conversation_for(staff: Staff, uuid: UUID) -> Conversation:
    """Lock and return a conversation that this staff member may read. Raises NotFound.

    The lock lasts until the transaction ends.
    """
    conversation = conversation_for(staff, uuid)
    return lock(conversation.pk)


def lock_own_conversation(staff: Staff, uuid: UUID) -> Conversation:
    """Lock and return a conversation that is assigned to this staff member. Raises NotFound, NotAssigned."""
    conversation = lock_conversation_for(staff, uuid)
    if conversation.agent_id != staff.pk:
        raise NotAssigned
    return conversation


def lock(pk: int) -> Conversation:
    """Lock and return a conversation by id, without checking rights. Raises NotFound.

    The function waits until other transactions have released the lock, and then reads the values of the conversation
    that they have committed. The values of its visitor, agent, department and site may be older.
    """
    try:
        return (
            Conversation.objects.select_for_update(of=("self",))
            .select_related("visitor", "agent", "department", "site")
            .get(pk=pk)
        )
    except Conversation.DoesNotExist as error:
        raise NotFound from error


# Whether the statement had to wait for the row: the transaction that wrote the row had not ended when the statement
# began. The first argument of the function extends xmin to 64 bits. For a very old row the result may be wrong, which
# only costs another query. A snapshot lists no subtransactions, so no action may write a conversation inside a
# savepoint (a nested `atomic`).
_HAS_WAITED = """NOT pg_visible_in_snapshot(
    ((pg_snapshot_xmax(pg_current_snapshot())::text::bigint >> 32 << 32) + chat_conversation.xmin::text::bigint)
    ::text::xid8, pg_current_snapshot())"""
_lock_query = batch_statements.PreparedSelect(
    lambda: (
        Conversation.objects.select_for_update(of=("self",))
        .filter(pk__among=batch_statements.PARAM)
        .order_by("pk")
        .values_list(
            *serializers.ROW_FIELDS,
            # S611: no part of the SQL comes from outside.
            RawSQL(  # noqa: S611
                _HAS_WAITED if connection.vendor == "postgresql" else "0", [], BooleanField()
            ),
        )
    )
)


def lock_conversations(pks: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Lock conversations in the order of their ids; return a dict of their ROW_FIELDS by id.

    Ids that do not exist are left out. Rights are not checked. One query, or two if the first had to wait for a lock.
    After such a wait, PostgreSQL returns the new values of the conversation itself, but old values of its visitor,
    agent and rating, so the second query reads all values again.
    """
    pks = list(pks)
    rows = _lock_query.rows(pks)
    if any(has_waited for *_, has_waited in rows):
        rows = selectors.row_values.rows(pks)
    return {values[0]: dict(zip(serializers.ROW_FIELDS, values, strict=False)) for values in rows}


def in_lockable_chunks(pks: Iterable[int]) -> Iterable[list[int]]:
    """Split ids of conversations into lists of at most MAX_LOCKED, one for each transaction that locks them."""
    ordered = sorted(pks)
    return (ordered[start : start + MAX_LOCKED] for start in range(0, len(ordered), MAX_LOCKED))


def lock_conversation_of(visitor: Visitor, uuid: UUID | None = None) -> Conversation:
    """Lock and return a conversation of this visitor. Raises NotFound.

    Without `uuid`, the result is the visitor's open conversation, or the newest one if none is open.
    """
    own = visitor.conversations.order_by(*CURRENT_FIRST).values_list("pk", flat=True)
    pk = (own if uuid is None else own.filter(uuid=uuid)).first()
    if pk is None:
        raise NotFound
    return lock(pk)


def visitor_by_token(token: str | None) -> Visitor:
    """Return the visitor to whom a visitor token of an active site belongs. Raises NotFound."""
    contents = tokens.read_token(token)
    if contents is None:
        raise NotFound
    visitor = (
        Visitor.objects.select_related("site")
        .filter(uuid=contents.visitor, site__key=contents.site_key, site__is_active=True)
        .first()
    )
    if visitor is None or not visitor.accepts(contents.generation):
        raise NotFound
    return visitor


def conversation_of(visitor: Visitor, uuid: UUID | None = None) -> Conversation:
    """Return a conversation of this visitor. Raises NotFound.

    Without `uuid`, the result is the visitor's open conversation, or the newest one if none is open.
    """
    own = visitor.conversations.select_related("visitor", "agent", "department", "site").order_by(
        *CURRENT_FIRST
    )
    conversation = (own if uuid is None else own.filter(uuid=uuid)).first()
    if conversation is None:
        raise NotFound
    return conversation


def current_conversation_of(site: Site, token: tokens.VisitorToken) -> Conversation | None:
    """Return the current conversation of the visitor to whom the token belongs. One query.

    It is the open conversation, or the newest one if none is open. The result is None when there is no conversation or
    the token is no longer valid.
    """
    own = Conversation.objects.select_related("visitor").filter(
        visitor__uuid=token.visitor, visitor__site=site
    )
    current = own.order_by(*CURRENT_FIRST).first()
    return current if current is not None and current.visitor.accepts(token.generation) else None


def attachment_of(visitor: Visitor, uuid: UUID) -> Attachment:
    """Return an attachment from one of the visitor's own conversations. Raises NotFound."""
    attachment = Attachment.objects.filter(uuid=uuid, conversation__visitor=visitor).first()
    if attachment is None:
        raise NotFound
    return attachment


def attachment_for(staff: Staff, uuid: UUID) -> Attachment:
    """Return an attachment from a conversation that this staff member may read. Raises NotFound."""
    readable_files = Attachment.objects.filter(uuid=uuid, conversation__in=visible_to(staff).values("pk"))
    attachment = readable_files.select_related("conversation").first()
    if attachment is None:
        raise NotFound
    return attachment
