"""Repeats: what was accepted before under the client_id of a post, and the answer that it gets again."""

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
    """A message that has been accepted under a client_id."""

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
        """Whether the post, which has this client_id, may be a repeat of this message.

        An agent's POST names the conversation. A visitor's may come after that one has ended and another has begun,
        even for the customer as whom the visitor has signed in since: then it names the one it was written for.
        """
        is_own = post.agent is None and post.visitor_id == self.visitor_id
        return post.pk == self.pk or is_own or post.written_for == self.conversation

    def answer_to(self, post: Post) -> AcceptedFrame | ClientIdReused:
        """The answer of the first time, unless the words are others."""
        agent_id = post.agent.id if post.agent else None
        said = (post.role, agent_id, post.body, post.payload)
        if said != (self.role, self.agent_id, self.body, self.payload):
            return ClientIdReused()
        return AcceptedFrame(str(post.client_id), self.seq, stamp(self.at), str(self.conversation))


_COLUMNS = (
    *("conversation_id", "conversation__uuid", "conversation__visitor_id"),
    *("seq", "at", "author_role", "agent_id", "body", "payload"),
)


def find_stored(posts: Sequence[Post]) -> dict[UUID, list[StoredPost]]:
    """The messages that were accepted under the client_ids of these posts, where they may repeat them. One query."""
    # By way of the conversations, which are few: there is no index on the client_id alone.
    conversations = Conversation.objects.filter(
        Q(pk__in={post.pk for post in posts})
        | Q(visitor__in={post.visitor_id for post in posts if post.is_returning})
        | Q(uuid__in={post.written_for for post in posts if post.written_for})
    )
    found: dict[UUID, list[StoredPost]] = {}
    for client_id, *values in Message.objects.filter(
        conversation__in=conversations.values("pk"), client_id__in=[post.client_id for post in posts]
    ).values_list("client_id", *_COLUMNS):
        found.setdefault(client_id, []).append(StoredPost(*values))
    return found
