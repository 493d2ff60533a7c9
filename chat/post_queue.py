"""The order of what one socket posts: stored as it came, whatever is put off in between."""

from collections import deque
from collections.abc import Callable
from uuid import UUID

from chat.actions.posts import Outcome, Post
from chat.errors import Refusal


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
        # The earliest post that was refused with a retry, and that refusal.
        self._put_off: tuple[UUID, Refusal] | None = None
        # That post, where the writer had it: it may be stored, when only the answer to the commit was lost.
        self.unsure: Post | None = None

    @property
    def is_empty(self) -> bool:
        return self._stored is None

    def refusal_for(self, client_id: UUID) -> Refusal | None:
        """The refusal of an earlier post that was put off and has not come again; None: this one may be stored."""
        if self._put_off is None or self._put_off[0] == client_id:
            return None
        return self._put_off[1]

    def put_off(self, client_id: UUID, refusal: Refusal) -> None:
        """Refuses a post that has just come, and from now on those after it."""
        self._put_off, self.unsure = (client_id, refusal), None
        self._answer(client_id, refusal)

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
            # Earlier than one that was put off meanwhile.
            self.put_off(post.client_id, outcome)
            self.unsure = post
            for later in self._waiting:
                self._answer(later.client_id, outcome)
            self._waiting.clear()
            return
        self._answer(post.client_id, outcome)
        if self._waiting:
            self._stored = self._waiting.popleft()
            self._submit(self._stored)

    def forget(self) -> None:
        """Lets all pass: the post that was put off has come, is stored, or belongs to a former conversation."""
        self._put_off = self.unsure = None
