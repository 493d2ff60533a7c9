"""Keeps the posts of one socket in order: they are stored in the order of arrival, even if some must be sent again."""

from collections import deque
from collections.abc import Callable, Container
from uuid import UUID

from chat.actions.posts import Outcome, Post
from chat.errors import Refusal

# The maximum number of unanswered posts of one socket. It equals the burst that `limits.posts` allows a person who
# types fast.
MAX_HELD = 12


class PostSequencer:
    """The posts of one socket. At most one of them is with the writer, so no post is stored before an earlier one.

    If a post was refused with a time to retry, it must be sent again before any newer post. Until then, newer posts get
    the same refusal (docs/protocol.md, "Order"). Used on the event-loop thread only.
    """

    def __init__(
        self,
        submit: Callable[[Post], None],
        answer: Callable[[UUID, Outcome], None],
    ) -> None:
        self._submit, self._answer = submit, answer
        self._stored: Post | None = None
        self._waiting: deque[Post] = deque()
        # Posts refused with a retry, earliest first. The first must be sent again. The others were refused because of
        # the first. A post in this list may have been stored all the same, if the answer to its commit was lost or if
        # it repeats a post that is being stored.
        self.held: list[Post] = []
        self._refusal: Refusal

    @property
    def is_empty(self) -> bool:
        return self._stored is None

    def refusal_for(self, client_id: UUID) -> Refusal | None:
        """Return the refusal of an earlier post that must be sent again first; None if this post may be stored."""
        if not self.held or self.held[0].client_id == client_id:
            return None
        return self._refusal

    def put_off(self, post: Post, refusal: Refusal) -> None:
        """Refuse a post that has just arrived. Later posts are also refused until this post is sent again."""
        self.held[:1] = [post]
        self._refusal = refusal
        self._answer(post.client_id, refusal)

    def hold(self, post: Post) -> None:
        """Refuse a post because an earlier post was refused with a time to retry and has not been sent again."""
        is_known = any(held.client_id == post.client_id for held in self.held)
        if not is_known and len(self.held) < MAX_HELD:
            self.held.append(post)
        self._answer(post.client_id, self._refusal)

    def add(self, post: Post) -> None:
        """Pass a post to the writer, after all posts that were added before it.

        While a post must be sent again, the caller may add only the repeat of that post.
        """
        self.forget()
        if self._stored is None:
            self._stored = post
            self._submit(post)
        else:
            self._waiting.append(post)

    def settle(self, outcome: Outcome) -> None:
        """Pass the writer's outcome to the sender of the post, and submit the next post.

        If the post must be sent again, the posts that wait behind it are refused, too.
        """
        post, self._stored = self._stored, None
        if post is None:
            return
        if isinstance(outcome, Refusal) and outcome.retry_after_ms:
            refused = [post, *self._waiting]
            self._waiting.clear()
            # The refused posts arrived before the posts in `held`, which were refused meanwhile.
            self.held = [*refused, *self.held][:MAX_HELD]
            self._refusal = outcome
            for refused_post in refused:
                self._answer(refused_post.client_id, outcome)
            return
        self._answer(post.client_id, outcome)
        if self._waiting:
            self._stored = self._waiting.popleft()
            self._submit(self._stored)

    def release(self, stored: Container[UUID]) -> None:
        """Stop waiting for the repeats of posts that turned out to be stored: their sender will not send them again."""
        self.held = [post for post in self.held if post.client_id not in stored]

    def forget(self) -> None:
        """Stop refusing posts.

        Called when the post that was put off has come again, or when it belongs to a former conversation.
        """
        self.held = []

    def close(self) -> None:
        """Drop the references to the socket.

        The socket refers to this object, so a reference cycle would otherwise keep both in memory. Posts that still
        wait are neither stored nor answered, so the client posts them again on its next connection.
        """
        self.forget()
        self._waiting.clear()
        self._submit = self._answer = _ignore


def _ignore(*_: object) -> None:
    """Do nothing. Takes the place of the socket's callbacks after the socket has ended."""
