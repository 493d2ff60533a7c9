"""The order of what one socket posts: stored as it came, whatever is put off in between."""

from collections import deque
from collections.abc import Callable, Container
from uuid import UUID

from chat.actions.posts import Outcome, Post
from chat.errors import Refusal

# As many as a person in a hurry has on the way (limits.posts).
MAX_HELD = 12


class PostQueue:
    """Posts of one socket. One at a time is with the writer, so that none is stored before one that came earlier.

    What is refused with a retry has to come again before anything newer: until then the rest is refused likewise
    (docs/protocol.md, "Order"). Used on the loop's thread only.
    """

    def __init__(
        self,
        submit: Callable[[Post], None],
        answer: Callable[[UUID, Outcome], None],
    ) -> None:
        self._submit, self._answer = submit, answer
        self._stored: Post | None = None
        self._waiting: deque[Post] = deque()
        # Refused with a retry, the earliest first: that one has to come again, and the others were refused because of
        # it. Any may be stored: the answer to the commit was lost, or it repeats one that is on its way.
        self.held: list[Post] = []
        self._refusal: Refusal

    @property
    def is_empty(self) -> bool:
        return self._stored is None

    def refusal_for(self, client_id: UUID) -> Refusal | None:
        """The refusal of an earlier post that was put off and has not come again; None: this one may be stored."""
        if not self.held or self.held[0].client_id == client_id:
            return None
        return self._refusal

    def put_off(self, post: Post, refusal: Refusal) -> None:
        """Refuses a post that has just come, and from now on those after it."""
        self.held[:1] = [post]
        self._refusal = refusal
        self._answer(post.client_id, refusal)

    def hold(self, post: Post) -> None:
        """Refuses a post because an earlier one was put off and has not come again."""
        is_known = any(held.client_id == post.client_id for held in self.held)
        if not is_known and len(self.held) < MAX_HELD:
            self.held.append(post)
        self._answer(post.client_id, self._refusal)

    def add(self, post: Post) -> None:
        """Stores a post after those before it. It is the one that was put off, if one was."""
        self.forget()
        if self._stored is None:
            self._stored = post
            self._submit(post)
        else:
            self._waiting.append(post)

    def settle(self, outcome: Outcome) -> None:
        """Takes the writer's outcome for the post that it has, and hands it the next."""
        post, self._stored = self._stored, None
        if post is None:
            return
        if isinstance(outcome, Refusal) and outcome.retry_after_ms:
            refused = [post, *self._waiting]
            self._waiting.clear()
            # Earlier than one that was put off meanwhile.
            self.held = [*refused, *self.held][:MAX_HELD]
            self._refusal = outcome
            for each in refused:
                self._answer(each.client_id, outcome)
            return
        self._answer(post.client_id, outcome)
        if self._waiting:
            self._stored = self._waiting.popleft()
            self._submit(self._stored)

    def release(self, stored: Container[UUID]) -> None:
        """Waits no more for those that are found to be stored: their sender sends them no more."""
        self.held = [post for post in self.held if post.client_id not in stored]

    def forget(self) -> None:
        """Lets all pass: the post that was put off has come, or belongs to a former conversation."""
        self.held = []

    def close(self) -> None:
        """Let go of the socket, which holds this queue: a reference cycle would keep both.

        What still waits is neither stored nor answered, so its sender posts it again on the next connection.
        """
        self.forget()
        self._waiting.clear()
        self._submit = self._answer = _ignore


def _ignore(*_: object) -> None:
    """Take the place of the socket's functions once it has ended."""
