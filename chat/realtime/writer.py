"""The writer: one thread a process that stores what is posted, batch by batch.

While one commit is on its way to the disk the next batch collects; so an idle server adds no delay and a busy one
commits for many. Accepted is said after the commit, never before.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic

from django.db import InterfaceError, OperationalError, connection

from chat.actions.posts import Outcome, Post, ReadMark, post_batch
from chat.errors import Unavailable
from chat.protocol import AcceptedFrame, Event
from chat.realtime import delivery, metrics
from core.database_threads import release_slot

logger = logging.getLogger(__name__)

MAX_BATCH = 200
MAX_QUEUED = 5000
ATTEMPTS = 3


# A post, and who wants to know what became of it; called on the writer's thread.
_Queued = tuple[Post, Callable[[Outcome], None]]


class Writer:
    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._posts: deque[_Queued] = deque()
        self._marks: dict[tuple[int, int | None, int | None], ReadMark] = {}
        self._thread: threading.Thread | None = None
        self._is_busy = False
        self._is_ending = False

    def submit(self, post: Post, answer: Callable[[Outcome], None]) -> None:
        """Queues a post; `answer` is called with Accepted after the commit, or with a Refusal, on any thread."""
        with self._wake:
            is_full = len(self._posts) >= MAX_QUEUED
            if not is_full:
                self._posts.append((post, answer))
                self._start()
                self._wake.notify()
        if is_full:
            answer(Unavailable())

    def post(self, post: Post) -> Future[Outcome]:
        """The same for who waits: the future gives the outcome, never an exception, and cannot be cancelled."""
        release_slot()
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        self.submit(post, future.set_result)
        return future

    def mark(self, mark: ReadMark) -> None:
        """Queues a mark. Only the newest of each reader and conversation is stored; one lost comes again."""
        with self._wake:
            if len(self._marks) >= MAX_QUEUED:
                return
            key = (mark.pk, mark.visitor_id, mark.agent_id)
            former = self._marks.get(key)
            if former is not None:
                mark = ReadMark(
                    mark.pk,
                    max(mark.received, former.received),
                    max(mark.read, former.read),
                    mark.visitor_id,
                    mark.agent_id,
                )
            self._marks[key] = mark
            self._start()
            self._wake.notify()

    @property
    def queued(self) -> int:
        return len(self._posts)

    def wait_until_idle(self, timeout: float) -> bool:
        """Whether everything in hand was stored or refused within `timeout` seconds."""
        with self._wake:
            return self._wake.wait_for(lambda: not (self._posts or self._marks or self._is_busy), timeout)

    def stop(self, timeout: float) -> bool:
        """Ends the thread, and with it its connection, once everything in hand was stored or refused.

        Whether that was within `timeout` seconds. The next post starts another thread.
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
                self._wake.wait_for(lambda: self._posts or self._marks or self._is_ending, timeout=30)
                if not (self._posts or self._marks):
                    connection.close()
                    if self._is_ending:
                        self._thread = None
                        return
                    continue
                self._is_busy = True
                posts = [self._posts.popleft() for _ in range(min(MAX_BATCH, len(self._posts)))]
                marks, self._marks = list(self._marks.values()), {}
            self._store(posts, marks)

    def _store(self, posts: list[_Queued], marks: list[ReadMark]) -> None:
        """Stores them and answers each; whatever happens, each is answered once."""
        try:
            outcomes, events = self._tried([post for post, _ in posts], marks)
        except (OperationalError, InterfaceError) as error:
            logger.warning("%d posts were not stored: %s", len(posts), type(error).__name__)
            outcomes, events = [Unavailable()] * len(posts), []
        except Exception as error:
            if len(posts) > 1 or (posts and marks):
                # One of them spoils it for the others: each for itself.
                for single in posts:
                    self._store([single], [])
                return
            # Not the error's own words: they may hold the message's.
            logger.error("a post cannot be stored: %s", type(error).__name__)
            outcomes, events = [Unavailable()] * len(posts), []
        stored = zip(posts, outcomes, strict=True)
        delivery.announce(events, [post.received_at for (post, _), it in stored if type(it) is AcceptedFrame])
        for (_, answer), outcome in zip(posts, outcomes, strict=True):
            try:
                answer(outcome)
            except Exception as error:
                logger.error("an outcome was not taken: %s", type(error).__name__)

    def _tried(self, posts: list[Post], marks: list[ReadMark]) -> tuple[list[Outcome], list[Event]]:
        """As post_batch, several times where that may help. Raises django.db.Error as it does."""
        for attempt in range(1, ATTEMPTS + 1):
            connection.ensure_connection()
            started = monotonic()
            try:
                outcomes, events = post_batch(posts, marks)
            except (OperationalError, InterfaceError) as error:
                # A deadlock, a serialization failure or a connection that has gone: all may pass on a retry.
                logger.warning("a batch failed (attempt %d): %s", attempt, type(error).__name__)
                connection.close()
                continue
            metrics.stored(outcomes, monotonic() - started)
            return outcomes, events
        raise OperationalError


writer = Writer()
