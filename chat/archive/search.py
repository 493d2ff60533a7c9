"""Search in the words of conversations.

The index (`chat.archive.search_terms`) finds the messages that hold every term of the query. Each of them is then
compared with the query itself, because pairs of characters would also match where they stand apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Lookup, OuterRef, QuerySet, Subquery

from accounts.models import Department
from chat.archive.search_terms import TermsField, normalized, query_terms, runs_of
from chat.models import AuthorRole, Conversation, Message

# Of messages that the index gives and the words refuse, so many are looked at before the page ends early.
MAX_EXAMINED = 2000
# So many of the newest messages are walked through before the index is asked: eight milliseconds' work.
NEWEST = 30_000
# So many candidates are few: 40 KB of ids.
FEW_CONVERSATIONS = 5000
# So many candidates are fetched at once where a page's worth was not enough, and no more of few that are mostly not the
# reader's.
MORE = 500
ROW = ("pk", "conversation_id", "body")
EXCERPT_BEFORE, EXCERPT_AFTER = 24, 60


@TermsField.register_lookup
class ContainsTerms(Lookup):
    """`terms__holds=[...]`: the message has all of these terms."""

    lookup_name = "holds"
    prepare_rhs = False

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        quoted = ("'" + term.replace("\\", "\\\\").replace("'", "''") + "'" for term in self.rhs)
        return f"{column} @@ %s::tsquery", [*parameters, " & ".join(quoted)]

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        key = column.replace('"terms"', '"id"')
        quoted = ('"' + term.replace('"', '""') + '"' for term in self.rhs)
        sql = " IN (SELECT rowid FROM chat_message_terms WHERE chat_message_terms MATCH %s)"
        return key + sql, [*parameters, " AND ".join(quoted)]


class Excerpt(NamedTuple):
    """A piece of a message round the first hit: what stands before it, the hit, and what comes after."""

    before: str
    hit: str
    after: str


class SearchHit(NamedTuple):
    """A message as a list of hits shows it: its place, who wrote it, and whose conversation it is. `department` is in
    the reader's language; `agent` is name and number, empty while nobody has the conversation."""

    conversation: UUID
    seq: int
    at: datetime
    author: str
    visitor: str
    department: str
    agent: str
    excerpt: Excerpt


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Hits, newest first. `before` asks for the next page; None when this is the last.

    A page may hold fewer hits than asked for, even none, and still have a next one.
    """

    hits: list[SearchHit]
    before: int | None


def search_messages(
    conversations: QuerySet[Conversation], text: str, before: int | None = None, limit: int = 50
) -> ResultPage:
    """Messages of these conversations that hold every word of `text`; a Chinese word wherever it stands.

    `conversations` says what the reader may see (`access.visible_to`). What holds neither letter nor digit finds
    nothing. Five queries at most, unless many messages only look like hits or are not the reader's.
    """
    found, before = _scan(conversations, text, before, limit)
    return ResultPage(_hits([pk for pk, _ in found], runs_of(text)), before)


def _hits(pks: list[int], runs: list[str]) -> list[SearchHit]:
    """Columns and not models: of five tables that are joined ten columns are shown."""
    shown = Message.objects.filter(pk__in=pks).order_by("-pk").values_list(
        *("conversation__uuid", "seq", "at", "author_name", "author_role", "body", "conversation__visitor__name"),
        *("conversation__department__name_zh", "conversation__department__name_en"),
        *("conversation__agent__name", "conversation__agent__number"),
    )  # fmt: skip
    return [
        SearchHit(
            conversation,
            seq,
            at,
            name or str(AuthorRole(role).label),
            visitor,
            str(Department(name_zh=name_zh, name_en=name_en)),
            f"{agent} {number}" if agent else "",
            excerpt_of(body, runs),
        )
        for conversation, seq, at, name, role, body, visitor, name_zh, name_en, agent, number in shown
    ]


def conversations_with(
    conversations: QuerySet[Conversation], text: str, limit: int = 1000
) -> tuple[list[int], bool]:
    """Ids of the conversations with such a message, newest words first, and whether there may be more."""
    found: dict[int, None] = {}
    before: int | None = None
    for _ in range(5):
        hits, before = _scan(conversations, text, before, limit)
        found.update(dict.fromkeys(conversation for _, conversation in hits))
        if before is None or len(found) >= limit:
            break
    return list(found)[:limit], before is not None or len(found) > limit


def _scan(
    conversations: QuerySet[Conversation], text: str, before: int | None, limit: int
) -> tuple[list[tuple[int, int]], int | None]:
    """(message, conversation) ids of up to `limit` hits, newest first, and where to go on."""
    terms = query_terms(text)
    runs = runs_of(text)
    if not terms or conversations.query.is_empty():
        return [], None
    found: list[tuple[int, int]] = []
    examined = 0
    for rows in _candidates(conversations, terms, before, limit + 1):
        for pk, conversation, body in rows:
            if len(found) == limit:
                return found, before
            if contains_query(body, runs):
                found.append((pk, conversation))
            before = pk
        examined += len(rows)
        if examined >= MAX_EXAMINED:
            return found, before
    return found, None


Row = tuple[int, int, str]


def _candidates(
    conversations: QuerySet[Conversation], terms: list[str], before: int | None, size: int
) -> Iterator[list[Row]]:
    """All messages with these terms that may be read, newest first, as (message id, conversation id, body).

    Where they stand is not known beforehand, so the cheap ways come first:

    1. Back through the newest NEWEST messages, by their ids. A common word fills its page here. The index would have
       to be asked for every place where the word ever stood.
    2. Where at most FEW older messages have the terms, their ids by the index, and then the newest few hundred of them.
    3. Where that is not enough, the reader may see little of what there is: one question with all conditions, which
       PostgreSQL plans from whichever side has less.

    In 1 and 2 each message that has the terms is asked whether it may be read. To gather first all conversations that
    may be read takes longer than the search.
    """
    holding = Message.objects.filter(terms__holds=terms)
    sees_all, more = not conversations.query.where, max(size, MORE)
    if before is None:
        before = (Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
    oldest = max(0, before - NEWEST)
    # Of an agent's candidates many are not theirs.
    of_few = size if sees_all else 4 * size
    while True:
        newest = _readable(holding.filter(pk__gte=oldest, pk__lt=before), conversations)
        rows: list[Row] = list(newest.order_by("-pk").values_list(*ROW)[:size])
        yield rows
        if len(rows) < size:
            break
        before, size = rows[-1][0], more
    # Any of them: where they are more than few, the rest is not even read.
    few = _ids_of(holding.filter(pk__lt=oldest), f"LIMIT {FEW_CONVERSATIONS + 1:d}")
    if len(few) <= FEW_CONVERSATIONS:
        while few and (sees_all or of_few <= MORE):
            ids, few = few[:of_few], few[of_few:]
            readable = _readable(Message.objects.filter(pk__in=ids), conversations)
            yield list(readable.order_by("-pk").values_list(*ROW))
            oldest, of_few = ids[-1], 4 * of_few
        if not few:
            return
    if not sees_all:
        holding = holding.filter(conversation__in=conversations.order_by().values("pk"))
    before = oldest
    while pks := _ids_of(holding.filter(pk__lt=before), f"ORDER BY id DESC LIMIT {more:d}"):
        yield list(Message.objects.filter(pk__in=pks).order_by("-pk").values_list(*ROW))
        before = pks[-1]


def _readable(messages: QuerySet[Message], conversations: QuerySet[Conversation]) -> QuerySet[Message]:
    """Those in these conversations, by a question for each: PostgreSQL makes no join of it, and takes it for one that
    nearly all of them pass, so that it stops when it has a page."""
    if not conversations.query.where:
        return messages
    one = conversations.order_by().filter(pk=OuterRef("conversation")).values("pk")
    return messages.alias(readable=Subquery(one)).filter(readable__isnull=False)


def _ids_of(messages: QuerySet[Message], end: str) -> list[int]:
    """Their ids, newest first, as far as the SQL of `end` lets them. In a WITH of its own the plan is made as if all
    were wanted: by terms, never back through all messages."""
    try:
        sql, parameters = messages.order_by().values_list("pk").query.sql_with_params()
    except EmptyResultSet:
        return []
    how = "MATERIALIZED" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        # All parts are ours; what is looked for goes in by the parameters.
        cursor.execute(f"WITH found (id) AS {how} ({sql}) SELECT id FROM found {end}", parameters)  # noqa: S608
        return sorted((pk for (pk,) in cursor.fetchall()), reverse=True)


def contains_query(body: str, runs: Sequence[str]) -> bool:
    """Whether every one of these runs (`runs_of`) stands in the body."""
    text = normalized(body)
    return all(run in text for run in runs)


def excerpt_of(body: str, runs: Sequence[str]) -> Excerpt:
    """The words round the first hit, on one line. Where letters change their number when they are unified
    (ligatures, say) and the place cannot be told, the beginning, with no hit."""
    line = " ".join(body.split())
    origins: list[int] = []
    unified = ""
    for index, character in enumerate(line):
        piece = normalized(character)
        unified += piece
        origins.extend([index] * len(piece))
    places = [(place, len(run)) for run in runs if (place := unified.find(run)) >= 0]
    if not places:
        return Excerpt(line[: EXCERPT_BEFORE + EXCERPT_AFTER], "", "")
    place, length = min(places)
    start, end = origins[place], origins[place + length - 1] + 1
    lead = line[max(0, start - EXCERPT_BEFORE) : start]
    tail = line[end : end + EXCERPT_AFTER]
    return Excerpt(
        ("…" if start > EXCERPT_BEFORE else "") + lead,
        line[start:end],
        tail + ("…" if end + EXCERPT_AFTER < len(line) else ""),
    )
