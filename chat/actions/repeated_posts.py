"""Finds posts that repeat a stored message, by their `client_id`, and gives them the first answer again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from chat.errors import ClientIdReused
from chat.models import Conversation, Message
from chat.protocol import AcceptedFrame, stamp

if TYPE_CHECKING:
    from chat.actions.posts import Post


class StoredPost(NamedTuple):
    """The fields of a stored message that are needed to recognise and answer a repeated post.

    `pk` is the primary key of the conversation.
    """

    pk: int
    conversation: UUID
    visitor_id: int
    seq: int
    at: datetime
    role: str
    agent_id: int | None
    body: str
    payload: dict[str, Any]

    def is_repeated_by(self, post: Post) -> bool:
        """Return whether `post`, which has the same `client_id`, may be a repeat of this message.

        A repeat from an agent names the same conversation. A repeat from a visitor may arrive in a later conversation,
        or after the visitor has signed in as a customer. Then either the visitor is the same, or `written_for` names
        the conversation of this message.
        """
        is_own = post.agent is None and post.visitor_id == self.visitor_id
        return post.pk == self.pk or is_own or post.written_for == self.conversation

    def answer_to(self, post: Post) -> AcceptedFrame | ClientIdReused:
        """Return the first answer again, or ClientIdReused if the author or the content of `post` differs."""
        agent_id = post.agent.id if post.agent else None
        content = (post.role, agent_id, post.body, post.payload)
        if content != (self.role, self.agent_id, self.body, self.payload):
            return ClientIdReused()
        return AcceptedFrame(str(post.client_id), self.seq, stamp(self.at), str(self.conversation))


_COLUMNS = (
    *("conversation_id", "conversation__uuid", "conversation__visitor_id"),
    *("seq", "at", "author_role", "agent_id", "body", "payload"),
)


def find_stored(posts: Sequence[Post]) -> dict[UUID, list[StoredPost]]:
    """Return the stored messages that these posts may repeat, as a dict of lists by `client_id`. One query."""
    # Search by conversation, because there is no index on client_id alone. A batch has few conversations.
    conversations = Conversation.objects.filter(
        Q(pk__in={post.pk for post in posts})
        | Q(visitor__in={post.visitor_id for post in posts if post.is_returning})
        | Q(uuid__in={post.written_for for post in posts if post.written_for})
    )
    stored: dict[UUID, list[StoredPost]] = {}
    for client_id, *values in Message.objects.filter(
        conversation__in=conversations.values("pk"), client_id__in=[post.client_id for post in posts]
    ).values_list("client_id", *_COLUMNS):
        stored.setdefault(client_id, []).append(StoredPost(*values))
    return stored
