"""The writer: one thread in each process that stores posts in batches.

Posts that arrive while one batch is being committed form the next batch. An idle server therefore adds no delay, and a
busy server commits many posts at once. The `accepted` frame is sent after the commit, never before.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic

from django.db import InterfaceError, OperationalError, connection

from chat.actions.posts import Outcome, Post, ReadMark, RowValues, post_batch
from chat.errors import Unavailable
from chat.protocol import AcceptedFrame, Event
from chat.realtime import delivery, metrics
from core.database_threads import release_slot

logger = logging.getLogger(__name__)

MAX_BATCH = 200
MAX_QUEUED = 5000
# The number of conversations whose values are kept after a write. Each takes 2 to 3 KB.
MAX_RECENT = 1000
# Seconds for which a read mark waits for a post, to be stored in the same transaction. A read mark alone costs a
# transaction of its own.
MARK_SECONDS = 0.3
IDLE_SECONDS = 30
ATTEMPTS = 3


# A post and the callback for its outcome, which is called on the writer's thread.
_QueuedPost = tuple[Post, Callable[[Outcome], None]]


class Writer:
    """Queues posts and read marks from any thread, and stores them in batches on a thread of its own."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._posts: deque[_QueuedPost] = deque()
        self._marks: dict[tuple[int, int | None, int | None], ReadMark] = {}
        self._thread: threading.Thread | None = None
        self._is_busy = False
        self._is_ending = False
        # The values of conversations as this writer last wrote them. Only its thread uses them.
        self._recent: RowValues = {}

    def submit(self, post: Post, answer: Callable[[Outcome], None]) -> None:
        """Queue a post. `answer` is called on any thread: with AcceptedFrame after the commit, or with a Refusal."""
        with self._wake:
            is_full = len(self._posts) >= MAX_QUEUED
            if not is_full:
                self._posts.append((post, answer))
                self._start()
                self._wake.notify()
        if is_full:
            answer(Unavailable())

    def post(self, post: Post) -> Future[Outcome]:
        """Queue a post and return a future, for a caller that waits for the outcome.

        The future resolves to an Outcome. It never raises and cannot be cancelled.
        """
        release_slot()
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        self.submit(post, future.set_result)
        return future

    def mark(self, mark: ReadMark) -> None:
        """Queue a read mark, which is stored with the next post, or after MARK_SECONDS if there is none.

        Only the highest mark of each reader and conversation is stored. A client sends a lost mark again.
        """
        with self._wake:
            if len(self._marks) >= MAX_QUEUED:
                return
            key = (mark.pk, mark.visitor_id, mark.agent_id)
            previous = self._marks.get(key)
            if previous is not None:
                mark = ReadMark(
                    mark.pk,
                    max(mark.received, previous.received),
                    max(mark.read, previous.read),
                    mark.visitor_id,
                    mark.agent_id,
                )
            self._marks[key] = mark
            self._start()
            if len(self._marks) == 1:
                self._wake.notify()

    @property
    def queued(self) -> int:
        return len(self._posts)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until everything queued is stored or refused. Returns False after `timeout` seconds."""
        with self._wake:
            return self._wake.wait_for(lambda: not (self._posts or self._marks or self._is_busy), timeout)

    def stop(self, timeout: float) -> bool:
        """End the thread and close its database connection when everything queued is stored or refused.

        Returns whether that happened within `timeout` seconds. The next post starts another thread.
        """
        with self._wake:
            thread, self._is_ending = self._thread, True
            self._wake.notify_all()
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def _start(self) -> None:
        self._is_ending = False
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._is_busy = False
                self._wake.notify_all()
                self._wake.wait_for(lambda: self._posts or self._marks or self._is_ending, IDLE_SECONDS)
                if self._marks:
                    self._wake.wait_for(lambda: self._posts or self._is_ending, MARK_SECONDS)
                if not (self._posts or self._marks):
                    self._recent.clear()
                    connection.close()
                    if self._is_ending:
                        self._thread = None
                        return
                    continue
                self._is_busy = True
                posts = [self._posts.popleft() for _ in range(min(MAX_BATCH, len(self._posts)))]
                marks, self._marks = list(self._marks.values()), {}
            self._store(posts, marks)

    def _store(self, posts: list[_QueuedPost], marks: list[ReadMark]) -> None:
        """Store a batch and answer each post exactly once, even if storing fails."""
        try:
            outcomes, events = self._post_with_retries([post for post, _ in posts], marks)
        except (OperationalError, InterfaceError) as error:
            logger.warning("%d posts were not stored: %s", len(posts), type(error).__name__)
            outcomes, events = [Unavailable()] * len(posts), []
        except Exception as error:
            if len(posts) > 1 or (posts and marks):
                # One bad post or mark fails the whole batch, so store the posts one by one.
                for single in posts:
                    self._store([single], [])
                return
            # Log no error text: it may hold the text of the message.
            logger.error("a post cannot be stored: %s", type(error).__name__)
            outcomes, events = [Unavailable()] * len(posts), []
        answered = list(zip(posts, outcomes, strict=True))
        received_at = [post.received_at for (post, _), outcome in answered if type(outcome) is AcceptedFrame]
        with delivery.hub.one_wake():
            delivery.announce(events, received_at)
            for (_, answer), outcome in answered:
                try:
                    answer(outcome)
                except Exception as error:
                    logger.error("an outcome was not taken: %s", type(error).__name__)

    def _post_with_retries(
        self, posts: list[Post], marks: list[ReadMark]
    ) -> tuple[list[Outcome], list[Event]]:
        """Call `post_batch`, and retry after transient database errors. Raises django.db.Error if they persist."""
        for attempt in range(1, ATTEMPTS + 1):
            connection.ensure_connection()
            started = monotonic()
            self._forget_outdated(posts, marks)
            try:
                outcomes, events = post_batch(posts, marks, self._recent)
            except (OperationalError, InterfaceError) as error:
                # After a failure, another server with other revisions may have become the primary.
                self._recent.clear()
                # A deadlock, a serialization failure or a lost connection: a retry may succeed.
                logger.warning("a batch failed (attempt %d): %s", attempt, type(error).__name__)
                connection.close()
                continue
            metrics.stored(outcomes, monotonic() - started)
            while len(self._recent) > MAX_RECENT:
                del self._recent[next(iter(self._recent))]
            return outcomes, events
        raise OperationalError

    def _forget_outdated(self, posts: list[Post], marks: list[ReadMark]) -> None:
        """Forget the values of conversations of which this process has already sent a newer row."""
        for pk in {post.pk for post in posts} | {mark.pk for mark in marks}:
            values, sent = self._recent.get(pk), delivery.hub.sent_rows.get(pk)
            if values is not None and sent is not None and values["revision"] < sent.revision:
                del self._recent[pk]


writer = Writer()
