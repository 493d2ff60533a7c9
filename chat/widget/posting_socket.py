"""The posts of a visitor's socket: their checks, their order, and the answers to them."""

from functools import partial
from uuid import UUID

from django.db import Error

from chat import limits
from chat.actions.posts import Outcome, Post
from chat.actions.repeated_posts import find_stored
from chat.errors import EmptyText, NotFound, TooFast
from chat.models import Visitor
from chat.protocol import AcceptedFrame, PostFrame
from chat.realtime.delivery import hub
from chat.realtime.post_order import PostSequencer
from chat.realtime.sockets import Socket
from chat.realtime.writer import writer
from core.database_threads import in_thread
from core.text.cleaning import clean_text


class PostingSocket(Socket):
    """A socket whose posts are stored by the writer. The subclass sets the visitor and their conversation."""

    visitor: Visitor | None
    # The primary key of the conversation.
    pk: int | None
    # Whether the visitor has other conversations as well.
    _is_returning: bool

    async def connected(self) -> None:
        self._queue_of_posts = PostSequencer(self._submit, self._answer_post)
        self._post_limit = limits.posts()
        self._repeat_lookup_limit = limits.posts()

    def disconnected(self) -> None:
        # If the socket closes during the handshake, the queue does not exist yet.
        if (queue := getattr(self, "_queue_of_posts", None)) is not None:
            queue.close()

    async def _post(self, frame: PostFrame) -> None:
        if hub.is_draining:
            # The widget keeps an unanswered post and sends it again to the next process.
            return
        self.current_client_id = str(frame.client_id)
        body = clean_text(frame.body)
        if not body:
            raise EmptyText
        if self.pk is None or self.visitor is None:
            raise NotFound
        post = Post(
            self.pk,
            frame.client_id,
            body,
            visitor_id=self.visitor.pk,
            written_for=frame.conversation,
            is_returning=self._is_returning,
        )
        queue = self._queue_of_posts
        if queue.refusal_for(post.client_id) is not None and await self._is_answered_as_stored(post):
            return
        if queue.refusal_for(post.client_id) is not None:
            queue.hold(post)
        elif not self._post_limit.take():
            queue.put_off(post, TooFast())
        else:
            queue.add(post)

    async def _is_answered_as_stored(self, post: Post) -> bool:
        """Answer a post if it repeats a stored message. Returns whether the post was answered.

        This method is called while posts are refused because an earlier one must be sent again. Refused posts that turn
        out to be stored stop blocking the newer ones.
        """
        if not self._repeat_lookup_limit.take():
            return False
        posts = [*self._queue_of_posts.held, post]
        try:
            candidates = await in_thread(find_stored, posts)
        except Error:
            return False
        answers = {
            held.client_id: message.answer_to(held)
            for held in posts
            for message in candidates.get(held.client_id, ())
            if message.is_repeated_by(held)
        }
        self._queue_of_posts.release(answers)
        if post.client_id not in answers:
            return False
        self._answer_post(post.client_id, answers[post.client_id])
        return True

    def _submit(self, post: Post) -> None:
        writer.submit(post, partial(hub.call, self._queue_of_posts.settle))

    def _answer_post(self, client_id: UUID, outcome: Outcome) -> None:
        if isinstance(outcome, AcceptedFrame):
            self.answer(outcome)
        else:
            self.refuse(outcome, str(client_id))

    def has_posts_in_hand(self) -> bool:
        # If the socket closes during the handshake, the queue does not exist yet.
        queue = getattr(self, "_queue_of_posts", None)
        return queue is not None and not queue.is_empty
