"""Full-text search in the messages of conversations.

The index (`chat.archive.search_terms`) finds candidates: messages that contain every term of the query. The text of
each candidate is then compared with the query, because the index also finds texts in which the terms are not adjacent.
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

# After this many candidates have been compared with the query, the page ends, even if it is not full.
MAX_EXAMINED = 2000
# The number of newest messages to scan before the index is used. The scan takes 8 ms.
SCANNED_MESSAGES = 30_000
# If at most this many candidates are left, fetch all their ids at once. The ids take 40 KB.
MAX_CANDIDATE_IDS = 5000
# The number of candidates that each query fetches if the first one did not fill the page. For a reader who does not see
# all conversations, the batches of ids grow up to this size.
CANDIDATE_BATCH = 500
ROW = ("pk", "conversation_id", "body")
EXCERPT_BEFORE, EXCERPT_AFTER = 24, 60


@TermsField.register_lookup
class ContainsTerms(Lookup):
    """The lookup `terms__holds=[...]`, which matches messages that contain all of these terms."""

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
    """A part of a message around the first match: the text before the match, the match, and the text after it."""

    before: str
    hit: str
    after: str


class SearchHit(NamedTuple):
    """A found message, with the data that a list of results shows.

    `author` is the name of the message's author, and `visitor` is the name of the conversation's visitor. `department`
    is the department's name in the reader's language. `agent` is the name and number of the assigned agent, or "".
    """

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
    """A page of search results, newest first.

    `before` is the parameter that requests the next page, or None on the last page. A page may have fewer results than
    requested, or even none, and still be followed by another page.
    """

    hits: list[SearchHit]
    before: int | None


def search_messages(
    conversations: QuerySet[Conversation], text: str, before: int | None = None, limit: int = 50
) -> ResultPage:
    """Search the messages of these conversations for every word of `text`, and return a page of results.

    Chinese words match anywhere in a text. `conversations` must be limited to those that the reader may see
    (`access.visible_to`). A query without letters and digits finds nothing. The search takes at most five database
    queries, unless many candidates do not match or are not visible to the reader.
    """
    matches, before = _find_matches(conversations, text, before, limit)
    return ResultPage(_hits([pk for pk, _ in matches], runs_of(text)), before)


def _hits(pks: list[int], runs: list[str]) -> list[SearchHit]:
    """Load the data of the messages that a list of results shows.

    The eleven columns come from five joined tables, so they are read as tuples and not as model instances.
    """
    rows = Message.objects.filter(pk__in=pks).order_by("-pk").values_list(
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
        for conversation, seq, at, name, role, body, visitor, name_zh, name_en, agent, number in rows
    ]


def conversations_with(
    conversations: QuerySet[Conversation], text: str, limit: int = 1000
) -> tuple[list[int], bool]:
    """Return the ids of at most `limit` conversations that contain a match, and whether there may be more.

    The conversation with the newest match comes first.
    """
    matching: dict[int, None] = {}
    before: int | None = None
    for _ in range(5):
        matches, before = _find_matches(conversations, text, before, limit)
        matching.update(dict.fromkeys(conversation for _, conversation in matches))
        if before is None or len(matching) >= limit:
            break
    return list(matching)[:limit], before is not None or len(matching) > limit


def _find_matches(
    conversations: QuerySet[Conversation], text: str, before: int | None, limit: int
) -> tuple[list[tuple[int, int]], int | None]:
    """Return up to `limit` pairs of message id and conversation id, newest first, and `before` for the next page."""
    terms = query_terms(text)
    runs = runs_of(text)
    if not terms or conversations.query.is_empty():
        return [], None
    matches: list[tuple[int, int]] = []
    examined = 0
    for rows in _candidates(conversations, terms, before, limit + 1):
        for pk, conversation, body in rows:
            if len(matches) == limit:
                return matches, before
            if contains_query(body, runs):
                matches.append((pk, conversation))
            before = pk
        examined += len(rows)
        if examined >= MAX_EXAMINED:
            return matches, before
    return matches, None


Row = tuple[int, int, str]


def _candidates(
    conversations: QuerySet[Conversation], terms: list[str], before: int | None, size: int
) -> Iterator[list[Row]]:
    """Yield batches of messages that contain these terms and that the reader may see, newest first.

    Each message is a tuple (message id, conversation id, body). The number and age of the candidates are not known
    beforehand, so the search tries cheap ways first:

    1. Scan the newest SCANNED_MESSAGES messages by id. A search for a common word fills its page here, while the index
       would return every message that ever contained the word.
    2. If at most MAX_CANDIDATE_IDS older messages contain the terms, fetch all their ids from the index, and then the
       newest few hundred messages.
    3. If the page is still not full, use one query with all conditions, including the reader's rights. PostgreSQL then
       begins with the most selective condition, which helps if the reader has access to few of the candidates.

    Ways 1 and 2 check for each candidate whether the reader may see it. Collecting all readable conversations first
    takes longer than the search.
    """
    matching = Message.objects.filter(terms__holds=terms)
    sees_all, larger_size = not conversations.query.where, max(size, CANDIDATE_BATCH)
    if before is None:
        before = (Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
    oldest = max(0, before - SCANNED_MESSAGES)
    # A reader without access to every conversation may see few of the candidates, so fetch larger batches.
    batch_size = size if sees_all else 4 * size
    while True:
        newest = _readable(matching.filter(pk__gte=oldest, pk__lt=before), conversations)
        rows: list[Row] = list(newest.order_by("-pk").values_list(*ROW)[:size])
        yield rows
        if len(rows) < size:
            break
        before, size = rows[-1][0], larger_size
    # The query has no ORDER BY, so PostgreSQL can stop as soon as there are too many ids.
    pks = _ids_of(matching.filter(pk__lt=oldest), f"LIMIT {MAX_CANDIDATE_IDS + 1:d}")
    if len(pks) <= MAX_CANDIDATE_IDS:
        while pks and (sees_all or batch_size <= CANDIDATE_BATCH):
            batch, pks = pks[:batch_size], pks[batch_size:]
            readable = _readable(Message.objects.filter(pk__in=batch), conversations)
            yield list(readable.order_by("-pk").values_list(*ROW))
            oldest, batch_size = batch[-1], 4 * batch_size
        if not pks:
            return
    if not sees_all:
        matching = matching.filter(conversation__in=conversations.order_by().values("pk"))
    before = oldest
    while pks := _ids_of(matching.filter(pk__lt=before), f"ORDER BY id DESC LIMIT {larger_size:d}"):
        yield list(Message.objects.filter(pk__in=pks).order_by("-pk").values_list(*ROW))
        before = pks[-1]


def _readable(messages: QuerySet[Message], conversations: QuerySet[Conversation]) -> QuerySet[Message]:
    """Return the messages that belong to these conversations. A subquery checks each message.

    PostgreSQL does not turn this subquery into a join. It assumes that nearly all messages pass the check, so it reads
    messages in order and stops as soon as it has a page.
    """
    if not conversations.query.where:
        return messages
    one = conversations.order_by().filter(pk=OuterRef("conversation")).values("pk")
    return messages.alias(readable=Subquery(one)).filter(readable__isnull=False)


def _ids_of(messages: QuerySet[Message], end: str) -> list[int]:
    """Return the ids of the messages, newest first. `end` is SQL that limits their number.

    The materialized WITH makes PostgreSQL plan as if all ids were needed, so that it uses the index of terms and never
    scans all messages by id.
    """
    try:
        sql, parameters = messages.order_by().values_list("pk").query.sql_with_params()
    except EmptyResultSet:
        return []
    mode = "MATERIALIZED" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        # All parts of the SQL are ours; the terms are passed as parameters.
        cursor.execute(f"WITH found (id) AS {mode} ({sql}) SELECT id FROM found {end}", parameters)  # noqa: S608
        return sorted((pk for (pk,) in cursor.fetchall()), reverse=True)


def contains_query(body: str, runs: Sequence[str]) -> bool:
    """Return whether the body contains all of these runs, which come from `runs_of`."""
    text = normalized(body)
    return all(run in text for run in runs)


def excerpt_of(body: str, runs: Sequence[str]) -> Excerpt:
    """Return the text around the first match, on one line.

    If no match can be located, return the beginning of the text. That can happen because normalizing may change the
    number of characters, for example of ligatures.
    """
    line = " ".join(body.split())
    # For each character of `normalized_line`, the index of its original in `line`.
    origins: list[int] = []
    normalized_line = ""
    for index, character in enumerate(line):
        piece = normalized(character)
        normalized_line += piece
        origins.extend([index] * len(piece))
    positions = [(position, len(run)) for run in runs if (position := normalized_line.find(run)) >= 0]
    if not positions:
        return Excerpt(line[: EXCERPT_BEFORE + EXCERPT_AFTER], "", "")
    position, length = min(positions)
    start, end = origins[position], origins[position + length - 1] + 1
    lead = line[max(0, start - EXCERPT_BEFORE) : start]
    tail = line[end : end + EXCERPT_AFTER]
    return Excerpt(
        ("…" if start > EXCERPT_BEFORE else "") + lead,
        line[start:end],
        tail + ("…" if end + EXCERPT_AFTER < len(line) else ""),
    )
