"""What a visitor's box needs when it opens or comes back. Runs on a thread; one function a question."""

from uuid import UUID, uuid4

import msgspec
from django.conf import settings

from chat import access, rows, selectors, tokens
from chat.actions import visitors
from chat.languages import language_of
from chat.models import Conversation, Level, Site, Visitor
from chat.protocol import Hello, Messages, Row, Start, Welcome

Opened = tuple[Welcome, int | None, Visitor | None]


def open_box(site: Site, visitor_uuid: UUID, conversation: UUID | None, after: int) -> Opened:
    """The welcome, the id of the conversation it is about, and the visitor, both None when there is none yet."""
    visitor = Visitor.objects.filter(uuid=visitor_uuid, site=site).first()
    newest = visitor.conversations.order_by("-id").first() if visitor else None
    token = tokens.token_for(visitor_uuid, site.key)
    welcome = Welcome(token, settings.HEARTBEAT_SECONDS, None, [], recovered=conversation is None)
    if visitor is None or newest is None:
        return welcome, None, visitor
    is_same = conversation == newest.uuid and after <= newest.last_seq
    messages, more = selectors.messages_after(newest.pk, after if is_same else 0)
    row = rows.rows_in(Conversation.objects.filter(pk=newest.pk))[0]
    welcome = Welcome(
        token,
        settings.HEARTBEAT_SECONDS,
        rows.state_of(row),
        messages,
        recovered=is_same,
        more=more,
        level=visitor.level,
        name=visitor.name if visitor.level != Level.ANONYMOUS else "",
    )
    return welcome, newest.pk, visitor


def up_to_date(pk: int, welcome: Welcome, after: int) -> tuple[Welcome, Row]:
    """The welcome with what has happened since it was read, and the conversation as it stands. Two queries.

    `after` is what the box had already, where the welcome goes on from that.
    """
    row = rows.rows_in(Conversation.objects.filter(pk=pk))[0]
    messages, more = list(welcome.messages), welcome.more
    if not more:
        head = messages[-1].seq if messages else after if welcome.recovered else 0
        later, more = selectors.messages_after(pk, head)
        messages += later
    state = rows.state_of(row)
    return msgspec.structs.replace(welcome, state=state, messages=messages, more=more), row


def page(visitor: Visitor, conversation: UUID, after: int, limit: int) -> Messages:
    """The answer to fetch. Raises NotFound when the conversation is not, or no longer, this visitor's."""
    return selectors.page_of(access.conversation_of(visitor, conversation), after, limit)


def greet(hello: Hello) -> tuple[Site, UUID, Opened]:
    """The answer to hello. Raises NotFound for an unknown site."""
    site = access.site_by_key(hello.site)
    visitor_uuid = tokens.visitor_of(hello.token, site.key) or uuid4()
    return site, visitor_uuid, open_box(site, visitor_uuid, hello.conversation, hello.after)


def begin(site: Site, visitor_uuid: UUID, start: Start, hello: Hello) -> Opened:
    visitors.start_conversation(
        site=site,
        visitor_uuid=visitor_uuid,
        client_id=start.client_id,
        form=dict(start.form),
        topic=start.topic,
        language=language_of(hello.language),
        page=hello.page,
        device=hello.device,
    )
    return open_box(site, visitor_uuid, None, 0)


def recognise(site: Site, visitor_uuid: UUID, identity: str, language: str) -> tuple[UUID, Opened]:
    visitor = visitors.identify(
        site=site,
        visitor_uuid=visitor_uuid,
        identity=identity,
        language=language_of(language),
    )
    return visitor.uuid, open_box(site, visitor.uuid, None, 0)
