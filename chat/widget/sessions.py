"""What a visitor's box needs when it opens or comes back. Runs on a thread; one function a question."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import time
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import OuterRef, Subquery

from chat import access, batch_statements, selectors
from chat.actions import identities, visitors
from chat.errors import NotFound
from chat.languages import language_of
from chat.models import PRESENT_FIRST, Conversation, Level, Site, Visitor
from chat.protocol import Hello, Messages, Row, Start, Welcome, serializers
from chat.widget import tokens


@dataclass(frozen=True, slots=True)
class VisitorSession:
    """Who said hello, and the conversation that is theirs: both None when there is none yet."""

    site: Site
    visitor_uuid: UUID
    visitor: Visitor | None
    pk: int | None
    # Whether this visitor has other conversations as well.
    is_returning: bool = False

    @property
    def generation(self) -> int:
        return 0 if self.visitor is None else self.visitor.token_generation


@dataclass(frozen=True, slots=True)
class ResumedSession:
    """Somebody who was found, and what their box has on screen already."""

    found: VisitorSession
    conversation: UUID | None = None
    after: int = 0


def find_session(hellos: Sequence[Hello]) -> list[VisitorSession | NotFound]:
    """NotFound for an unknown site. Two queries for all of them."""
    sites = access.sites_in_use(hello.site for hello in hellos)
    read = [tokens.token_of_site(hello.token, hello.site) for hello in hellos]
    theirs = Conversation.objects.filter(visitor=OuterRef("pk")).values("pk")
    present, second = theirs.order_by(*PRESENT_FIRST)[:1], theirs.order_by()[1:2]
    known: dict[UUID, Any] = {
        visitor.uuid: visitor
        for visitor in Visitor.objects.filter(uuid__in={token.visitor for token in read if token}).annotate(
            present=Subquery(present), second=Subquery(second)
        )
    }
    found: list[VisitorSession | NotFound] = []
    for hello, token in zip(hellos, read, strict=True):
        site = sites.get(hello.site)
        visitor = known.get(token.visitor) if token else None
        if site is None:
            found.append(NotFound())
        elif token is None or (visitor is not None and visitor.site_id != site.pk):
            found.append(VisitorSession(site, uuid4(), None, None))
        elif visitor is None:
            # Said hello before, and has begun nothing yet. Such a visitor has had no sign-in and no logout.
            found.append(
                VisitorSession(site, token.visitor if token.generation == 0 else uuid4(), None, None)
            )
        elif not visitor.accepts(token.generation):
            found.append(VisitorSession(site, uuid4(), None, None))
        else:
            is_returning = visitor.second is not None
            found.append(VisitorSession(site, visitor.uuid, visitor, visitor.present, is_returning))
    return found


def session_for(site: Site, visitor: Visitor) -> VisitorSession:
    """The same for somebody who is known already. One query."""
    newest = list(visitor.conversations.order_by(*PRESENT_FIRST).values_list("pk", flat=True)[:2])
    return VisitorSession(site, visitor.uuid, visitor, newest[0] if newest else None, len(newest) > 1)


_rows = batch_statements.PreparedSelect(
    lambda: (
        Conversation.objects.filter(pk__among=batch_statements.PARAM)
        .order_by()
        .values_list(*serializers.ROW_FIELDS)
    )
)


def now_ms() -> int:
    """The server's time in milliseconds since 1970: the box names its days by that, not by the visitor's clock."""
    return int(time() * 1000)


def welcome_frames(asked: Sequence[ResumedSession]) -> list[tuple[Welcome, Row | None]]:
    """For each the welcome, and their conversation as it stands. One query, and one for each who has missed something.

    Who listens to the conversation already misses nothing: what is newer than the welcome comes after it.
    """
    pks = {each.found.pk for each in asked if each.found.pk is not None}
    stored = {values[0]: values for values in _rows.rows(pks)} if pks else {}
    return [_welcome(each, stored.get(each.found.pk)) for each in asked]


def _welcome(asked: ResumedSession, values: tuple[Any, ...] | None) -> tuple[Welcome, Row | None]:
    found = asked.found
    who = (found.visitor_uuid, found.site.key, found.generation)
    token, nonce = tokens.token_for(*who), tokens.nonce_for(*who)
    visitor = found.visitor
    level = Level.ANONYMOUS if visitor is None else visitor.level_now()
    identity: dict[str, Any] = {"level": level.value, "nonce": nonce, "now": now_ms()}
    if visitor is not None:
        identity["verified_seconds"] = visitor.verified_seconds()
    if values is None or visitor is None:
        is_same = asked.conversation is None
        return Welcome(token, settings.HEARTBEAT_SECONDS, None, [], recovered=is_same, **identity), None
    row = serializers.row_of(dict(zip(serializers.ROW_FIELDS, values, strict=True)))
    is_same = str(asked.conversation) == row.id and asked.after <= row.last_seq
    after = asked.after if is_same else 0
    messages, more = selectors.messages_after(values[0], after) if after < row.last_seq else ([], False)
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


def page(visitor: Visitor, conversation: UUID, after: int, limit: int) -> Messages:
    """The answer to fetch. Raises NotFound when the conversation is not, or no longer, this visitor's."""
    return selectors.page_of(access.conversation_of(visitor, conversation), after, limit)


def start_conversation(site: Site, visitor_uuid: UUID, start: Start, hello: Hello) -> VisitorSession:
    conversation = visitors.start_conversation(
        site=site,
        visitor_uuid=visitor_uuid,
        client_id=start.client_id,
        form=dict(start.form),
        topic=start.topic,
        language=language_of(hello.language),
        page=hello.page,
        device=hello.device,
    )
    return session_for(site, conversation.visitor)


def recognise(site: Site, found: VisitorSession, identity: str, language: str) -> VisitorSession:
    """The visitor whom an identity token names. Raises IdentityRefused."""
    visitor = identities.identify(
        site=site,
        visitor_uuid=found.visitor_uuid,
        generation=found.generation,
        identity=identity,
        language=language_of(language),
    )
    return session_for(site, visitor)
