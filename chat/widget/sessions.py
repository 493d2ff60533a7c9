"""Find, resume and start the session of a visitor's widget. All functions run on a thread that may use the ORM."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import time
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import OuterRef, Subquery

from chat import access, selectors
from chat.actions import abandonment, identities, visitors
from chat.errors import NotFound
from chat.languages import language_of
from chat.models import CURRENT_FIRST, Conversation, Level, Site, Status, Visitor
from chat.protocol import Hello, Messages, Row, Start, Welcome, serializers
from chat.realtime.delivery import hub
from chat.widget import tokens


@dataclass(frozen=True, slots=True)
class VisitorSession:
    """The visitor behind a socket and their conversation. `visitor` and `pk` are None until a conversation exists."""

    site: Site
    visitor_uuid: UUID
    visitor: Visitor | None
    # The primary key of the visitor's current conversation.
    pk: int | None
    # Whether this visitor has other conversations as well.
    is_returning: bool = False

    @property
    def generation(self) -> int:
        return 0 if self.visitor is None else self.visitor.token_generation


@dataclass(frozen=True, slots=True)
class ResumedSession:
    """A session and what its widget already shows: a conversation, and its messages up to the seq `after`."""

    session: VisitorSession
    conversation: UUID | None = None
    after: int = 0


def find_session(hellos: Sequence[Hello]) -> list[VisitorSession | NotFound]:
    """Return the session of each hello, or NotFound where its site is unknown. Two queries altogether.

    A hello without a valid token gets the session of a new visitor.
    """
    sites = access.sites_in_use(hello.site for hello in hellos)
    tokens_read = [tokens.token_of_site(hello.token, hello.site) for hello in hellos]
    own = Conversation.objects.filter(visitor=OuterRef("pk")).values("pk")
    present, second = own.order_by(*CURRENT_FIRST)[:1], own.order_by()[1:2]
    visitors_by_uuid: dict[UUID, Any] = {
        visitor.uuid: visitor
        for visitor in Visitor.objects.filter(
            uuid__in={token.visitor for token in tokens_read if token}
        ).annotate(present=Subquery(present), second=Subquery(second))
    }
    found_sessions: list[VisitorSession | NotFound] = []
    for hello, token in zip(hellos, tokens_read, strict=True):
        site = sites.get(hello.site)
        visitor = visitors_by_uuid.get(token.visitor) if token else None
        if site is None:
            found_sessions.append(NotFound())
        elif token is None or (visitor is not None and visitor.site_id != site.pk):
            found_sessions.append(VisitorSession(site, uuid4(), None, None))
        elif visitor is None:
            # The visitor has a token but is not stored in the database. Such a visitor has not started a conversation,
            # signed in or logged out, so only generation 0 is valid.
            uuid = token.visitor if token.generation == 0 else uuid4()
            found_sessions.append(VisitorSession(site, uuid, None, None))
        elif not visitor.accepts(token.generation):
            found_sessions.append(VisitorSession(site, uuid4(), None, None))
        else:
            is_returning = visitor.second is not None
            found_sessions.append(VisitorSession(site, visitor.uuid, visitor, visitor.present, is_returning))
    return found_sessions


def session_for(site: Site, visitor: Visitor) -> VisitorSession:
    """Return the session of a stored visitor. One query."""
    newest = list(visitor.conversations.order_by(*CURRENT_FIRST).values_list("pk", flat=True)[:2])
    return VisitorSession(site, visitor.uuid, visitor, newest[0] if newest else None, len(newest) > 1)


def now_ms() -> int:
    """Return the server's time in milliseconds since 1970.

    The widget uses it to show "today" or "yesterday", because the visitor's clock may be wrong.
    """
    return int(time() * 1000)


def welcome_frames(resumed: Sequence[ResumedSession]) -> list[tuple[Welcome, Row | None]]:
    """Return for each session its welcome frame and the current row of its conversation.

    Visitors who have abandoned the queue, and come back in time, first return to their former place. Without them,
    there is one query, and another one for each session that has missed messages. A socket that subscribed to the
    conversation before this call misses nothing: newer events are sent after the welcome.
    """
    pks = {one.session.pk for one in resumed if one.session.pk is not None}
    stored = selectors.row_values_by_pk(pks)
    abandoned = [pk for pk, row in stored.items() if row["status"] == Status.ABANDONED]
    if back := abandonment.bring_back(abandoned, hub.process):
        stored |= selectors.row_values_by_pk(back)
    return [_welcome(one, stored.get(one.session.pk or 0)) for one in resumed]


def _welcome(resumed: ResumedSession, values: dict[str, Any] | None) -> tuple[Welcome, Row | None]:
    session = resumed.session
    identifiers = (session.visitor_uuid, session.site.key, session.generation)
    token, nonce = tokens.token_for(*identifiers), tokens.nonce_for(*identifiers)
    visitor = session.visitor
    level = Level.ANONYMOUS if visitor is None else visitor.level_now()
    identity: dict[str, Any] = {"level": level.value, "nonce": nonce, "now": now_ms()}
    if visitor is not None:
        identity["verified_seconds"] = visitor.verified_seconds()
    if values is None or visitor is None:
        is_same = resumed.conversation is None
        return Welcome(token, settings.HEARTBEAT_SECONDS, None, [], recovered=is_same, **identity), None
    row = serializers.row_of(values)
    is_same = str(resumed.conversation) == row.id and resumed.after <= row.last_seq
    after = resumed.after if is_same else 0
    messages, more = selectors.messages_after(values["id"], after) if after < row.last_seq else ([], False)
    welcome = Welcome(
        token,
        settings.HEARTBEAT_SECONDS,
        serializers.state_of(row),
        messages,
        recovered=is_same,
        more=more,
        name=visitor.name if level != Level.ANONYMOUS else "",
        **identity,
    )
    return welcome, row


def message_page(visitor: Visitor, conversation: UUID, after: int, limit: int) -> Messages:
    """Return the answer to a fetch frame. Raises NotFound if the conversation does not belong to the visitor, or no
    longer does."""
    return selectors.page_of(access.conversation_of(visitor, conversation), after, limit)


def start_conversation(site: Site, visitor_uuid: UUID, start: Start, hello: Hello) -> VisitorSession:
    """Start a conversation and return its visitor's session. Raises the errors of `visitors.start_conversation`."""
    conversation = visitors.start_conversation(
        site=site,
        visitor_uuid=visitor_uuid,
        client_id=start.client_id,
        form=dict(start.form),
        topic=start.topic,
        language=language_of(hello.language),
        page=hello.page,
        device=hello.device,
        process=hub.process,
    )
    return session_for(site, conversation.visitor)


def identify(site: Site, session: VisitorSession, identity: str, language: str) -> VisitorSession:
    """Sign the session's visitor in with an identity token and return the new session. Raises IdentityRefused."""
    visitor = identities.identify(
        site=site,
        visitor_uuid=session.visitor_uuid,
        generation=session.generation,
        identity=identity,
        language=language_of(language),
    )
    return session_for(site, visitor)
