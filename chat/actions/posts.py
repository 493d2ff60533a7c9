"""Stores posts and read marks of many sockets with one query and one statement. This is the hot path."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import IntegrityError, OperationalError
from django.utils import timezone

from chat import batch_statements, emergencies, selectors
from chat.actions import abandonment
from chat.actions.repeated_posts import StoredPost, find_stored
from chat.archive.search_terms import terms_of
from chat.errors import ConversationClosed, NotAssigned, NotFound, Refusal, WrittenForAnotherConversation
from chat.models import AuthorRole, Message, MessageKind, Status
from chat.protocol import (
    AcceptedFrame,
    Event,
    MessageData,
    MessagePosted,
    Person,
    SeenChanged,
    SeenFrame,
    serializers,
    stamp,
)
from chat.realtime import delivery


@dataclass(frozen=True, slots=True)
class Post:
    """A message to store in conversation `pk`, by a visitor (`visitor_id`) or an agent (`agent`).

    `written_for` is the conversation for which a visitor wrote the message, if the client names one. `is_returning`
    means that the visitor has other conversations as well. If the post is a repeat, the first copy may be stored in one
    of them.
    """

    pk: int
    client_id: UUID
    body: str
    visitor_id: int | None = None
    agent: Person | None = None
    written_for: UUID | None = None
    is_returning: bool = False
    kind: MessageKind = MessageKind.TEXT
    payload: dict[str, Any] = field(default_factory=dict)
    # Source of the text (`Message.source`), for staff only.
    source: str = ""
    # Monotonic time at which this process received the post.
    received_at: float = field(default_factory=monotonic, compare=False)

    @property
    def role(self) -> AuthorRole:
        return AuthorRole.VISITOR if self.agent is None else AuthorRole.AGENT


@dataclass(frozen=True, slots=True)
class ReadMark:
    """The seqs up to which a visitor (`visitor_id`) or an agent (`agent_id`) has received and read conversation
    `pk`."""

    pk: int
    received: int
    read: int
    visitor_id: int | None = None
    agent_id: int | None = None


Outcome = AcceptedFrame | Refusal
# The values of the ROW_FIELDS of conversations, by id.
RowValues = dict[int, dict[str, Any]]


# Columns of a conversation that a post or a read mark may change.
_COUNTERS = (
    "revision",
    "last_seq",
    "last_message_at",
    "excerpt",
    "visitor_message_count",
    "agent_message_count",
    "unread_by_agent",
    "unanswered_since",
    "first_response_at",
    "visitor_received_seq",
    "visitor_read_seq",
    "agent_received_seq",
    "agent_read_seq",
    "emergency",
    "emergency_reason",
    "queue_time",
)


# The maximum number of attempts to store a batch while other transactions keep changing its conversations.
MAX_ATTEMPTS = 20


def post_batch(
    posts: Sequence[Post], marks: Sequence[ReadMark] = (), recent: RowValues | None = None
) -> tuple[list[Outcome], list[Event]]:
    """Store posts and read marks. Returns the outcome of each post, in order, and the events.

    The conversations are read without a lock, and all changes are made in memory. One statement then writes each
    conversation whose revision is still the one that was read. Every write raises the revision, so seq is 1, 2, 3 ...
    in commit order, as under a lock. This takes two round trips to the database instead of five. If another transaction
    has changed a conversation meanwhile, its posts and read marks are processed again with the new values.

    `recent` saves even the query that reads the conversations. It holds the values that earlier batches have written,
    and this batch adds the values that it writes. They may be outdated, so no post is refused because of them: before a
    refusal, the conversation is read from the database.

    A post with the `client_id` of a stored message gets the first answer again, or ClientIdReused if its content
    differs. A visitor's post is compared with the messages of all conversations of that visitor. Raises django.db.Error
    when the database fails. Some posts may be stored all the same, for example if the answer to a commit was lost.
    Calling this function again with the same posts is harmless.
    """
    outcomes: dict[int, Outcome] = {}
    events: list[Event] = []
    undecided, are_new = list(range(len(posts))), True
    recent = {} if recent is None else recent
    for _ in range(MAX_ATTEMPTS):
        batch = _Batch([posts[index] for index in undecided], marks, recent, are_new=are_new)
        try:
            written, unsettled = batch.write()
        except IntegrityError:
            if not are_new:
                raise
            # A post of this batch was stored before. Repeats are rare, so storing the batch a second time costs less
            # than looking for repeats in every batch.
            are_new = False
            continue
        recent.update(written)
        events += batch.events()
        outcomes.update(zip(undecided, batch.outcomes, strict=True))
        # The outcome of a repeat depends on the first post with this client_id.
        unstored = {post.client_id for post in posts if post.pk in unsettled}
        undecided = [index for index in undecided if posts[index].client_id in unstored]
        marks = [mark for mark in marks if mark.pk in unsettled]
        if not undecided and not marks:
            return [outcomes[index] for index in range(len(posts))], events
    raise OperationalError("others keep changing a conversation")


class _Batch:
    """Posts and read marks, and the conversations that they change. All changes are made in memory and then written
    once."""

    def __init__(
        self, posts: Sequence[Post], marks: Sequence[ReadMark], recent: RowValues, *, are_new: bool
    ) -> None:
        self._posts = posts
        pks = {post.pk for post in posts} | {mark.pk for mark in marks}
        # Take the values out of `recent`. If the write fails or finds another revision, the next attempt reads them
        # from the database.
        self._rows = {pk: recent.pop(pk) for pk in pks & recent.keys()}
        self._unchecked = set(self._rows)
        if unread := pks - self._unchecked:
            self._rows |= selectors.row_values_by_pk(unread)
        self._now = timezone.now()
        self._stored: dict[UUID, list[StoredPost]] = {}
        self._is_looked_up = False
        self._messages: list[dict[str, Any]] = []
        self._posted: list[tuple[int, MessageData]] = []
        self._changed: dict[int, None] = {}
        self._marked: dict[tuple[int, AuthorRole], None] = {}
        # Look up stored posts only when a visitor has had another conversation, because this costs one more query.
        if not are_new or any(post.is_returning for post in posts):
            self._look_up()
        self.outcomes = [self._post(post) for post in posts]
        for mark in marks:
            self._mark(mark)

    def _post(self, post: Post) -> Outcome:
        """Add the post to the batch and return the answer.

        A repeat is not added and gets the first answer again. A refused post is not added either; its answer is the
        refusal.
        """
        row = self._rows.get(post.pk)
        if row is None or (post.agent is None and row["visitor_id"] != post.visitor_id):
            return NotFound()
        refusal: Refusal | None = None
        if post.written_for not in (None, row["uuid"]):
            refusal = WrittenForAnotherConversation()
        elif row["status"] not in (Status.WAITING, Status.ACTIVE) and not self._comes_back(post, row):
            refusal = ConversationClosed()
        elif post.agent is not None and row["agent_id"] != post.agent.id:
            refusal = NotAssigned()
        if refusal is not None:
            # A post that was accepted before gets its first answer again, even if it would be refused now.
            self._look_up()
        for stored in self._stored.get(post.client_id, ()):
            if stored.is_repeated_by(post):
                return stored.answer_to(post)
        return refusal or self._add_message(post, row)

    def _comes_back(self, post: Post, row: dict[str, Any]) -> bool:
        """Return a visitor who has abandoned the queue and writes again to the former place, if there is time left.

        Returns whether that was possible.
        """
        if row["status"] != Status.ABANDONED or post.agent is not None:
            return False
        if not abandonment.bring_back([post.pk], delivery.hub.process):
            return False
        row.update(selectors.row_values_by_pk([post.pk])[post.pk])
        return True

    def _look_up(self) -> None:
        if not self._is_looked_up:
            self._is_looked_up = True
            for client_id, stored in find_stored(self._posts).items():
                self._stored.setdefault(client_id, []).extend(stored)

    def _add_message(self, post: Post, row: dict[str, Any]) -> AcceptedFrame:
        now, role = self._now, post.role
        changes: dict[str, Any] = {
            "last_seq": row["last_seq"] + 1,
            "last_message_at": now,
            "excerpt": " ".join(post.body.split())[:120],
        }
        if post.agent is None:
            name, number = row["visitor__name"], ""
            changes["visitor_message_count"] = row["visitor_message_count"] + 1
            changes["unread_by_agent"] = row["unread_by_agent"] + 1
            if row["unanswered_since"] is None:
                changes["unanswered_since"] = now
            changes |= emergencies.raised_by(post.body, row)
        else:
            number = post.agent.number
            name = post.agent.name if row["language"] == "zh" else post.agent.name_en or post.agent.name
            changes["agent_message_count"] = row["agent_message_count"] + 1
            # An answer is not a read mark: messages that arrived while the agent wrote stay unread until the screen has
            # shown them.
            changes["unanswered_since"] = None
            if row["first_response_at"] is None:
                changes["first_response_at"] = now
        self._change(post.pk, changes)
        seq = changes["last_seq"]
        self._messages.append(
            {
                "conversation_id": post.pk,
                "seq": seq,
                "client_id": post.client_id,
                "kind": post.kind,
                "author_role": role,
                "author_name": name,
                "agent_id": post.agent.id if post.agent else None,
                "body": post.body,
                "payload": post.payload,
                "source": post.source,
                "at": now,
                "terms": terms_of(post.body),
            }
        )
        data = MessageData(
            seq=seq,
            type=post.kind,
            role=role,
            name=name,
            body=post.body,
            at=stamp(now),
            number=number,
            client_id=str(post.client_id),
            payload=post.payload,
        )
        self._posted.append((post.pk, data))
        agent_id = post.agent.id if post.agent else None
        stored = StoredPost(
            *(post.pk, row["uuid"], row["visitor_id"]), seq, now, role, agent_id, post.body, post.payload
        )
        self._stored.setdefault(post.client_id, []).append(stored)
        return AcceptedFrame(str(post.client_id), seq, stamp(now), str(row["uuid"]))

    def _mark(self, mark: ReadMark) -> None:
        """Apply a read mark of the visitor or the assigned agent. Marks of anybody else are ignored."""
        row = self._rows.get(mark.pk)
        if row is None:
            return
        if mark.visitor_id is not None and row["visitor_id"] == mark.visitor_id:
            role = AuthorRole.VISITOR
        elif mark.agent_id is not None and row["agent_id"] == mark.agent_id:
            role = AuthorRole.AGENT
        else:
            return
        # A read mark never moves back and never passes last_seq.
        read = max(row[f"{role}_read_seq"], min(mark.read, row["last_seq"]))
        received = max(row[f"{role}_received_seq"], min(mark.received, row["last_seq"]), read)
        changes: dict[str, Any] = {f"{role}_read_seq": read, f"{role}_received_seq": received}
        if role == AuthorRole.AGENT and read > row["agent_read_seq"]:
            changes["unread_by_agent"] = self._unread_after(mark.pk, read, row)
        if any(row[name] != value for name, value in changes.items()):
            self._change(mark.pk, changes)
            self._marked[(mark.pk, role)] = None

    def _unread_after(self, pk: int, seq: int, row: dict[str, Any]) -> int:
        if seq >= row["last_seq"]:
            return 0
        in_database = Message.objects.filter(
            conversation=pk, seq__gt=seq, author_role=AuthorRole.VISITOR
        ).count()
        return in_database + sum(
            1
            for message in self._messages
            if message["conversation_id"] == pk
            and message["seq"] > seq
            and message["author_role"] == AuthorRole.VISITOR
        )

    def _change(self, pk: int, changes: dict[str, Any]) -> None:
        if pk not in self._changed:
            self._changed[pk] = None
            changes["revision"] = self._rows[pk]["revision"] + 1
        self._rows[pk].update(changes)

    def write(self) -> tuple[RowValues, set[int]]:
        """Write the changed conversations and their messages.

        Returns the values of the conversations that were written, and the ids of those whose posts and read marks must
        be processed again. These are conversations that another transaction has changed, and conversations for which
        there was nothing to write according to values from `recent`, which may be outdated.
        """
        rows = [self._rows[pk] for pk in self._changed]
        written = batch_statements.write_at_revision(rows, _COUNTERS, self._messages) if rows else set()
        unsettled = (self._changed.keys() | self._unchecked) - written
        self._changed = {pk: None for pk in self._changed if pk in written}
        return {pk: self._rows[pk] for pk in written}, unsettled

    def events(self) -> list[Event]:
        """Return the events of the posts and read marks that were written."""
        current = {pk: serializers.row_of(self._rows[pk]) for pk in self._changed}
        events: list[Event] = [
            MessagePosted(pk, data, current[pk]) for pk, data in self._posted if pk in current
        ]
        for pk, role in self._marked:
            if pk in current:
                row = self._rows[pk]
                frame = SeenFrame(
                    str(row["uuid"]), role, row[f"{role}_received_seq"], row[f"{role}_read_seq"]
                )
                events.append(SeenChanged(pk, frame, current[pk]))
        return events
