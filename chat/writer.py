"""The writer: one thread a process that stores what is posted, batch by batch.

While one commit is on its way to the disk the next batch collects; so an idle server adds no delay and a busy one
commits for many. Accepted is said after the commit, never before.
"""

import logging
import threading
from collections import deque
from concurrent.futures import Future
from time import monotonic

from django.db import InterfaceError, OperationalError, connection

from chat import delivery, metrics
from chat.actions.posts import Mark, Outcome, Post, post_batch
from chat.errors import Unavailable
from chat.protocol import Accepted

logger = logging.getLogger(__name__)

MAX_BATCH = 200
MAX_QUEUED = 5000
ATTEMPTS = 3


class Writer:
    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._posts: deque[tuple[Post, Future[Outcome]]] = deque()
        self._marks: dict[tuple[int, int | None, int | None], Mark] = {}
        self._thread: threading.Thread | None = None
        self._is_busy = False
        self._is_ending = False

    def post(self, post: Post) -> Future[Outcome]:
        """Queues a post; the future gives Accepted after the commit, or a Refusal. Never an exception."""
        future: Future[Outcome] = Future()
        with self._wake:
            if len(self._posts) >= MAX_QUEUED:
                future.set_result(Unavailable())
                return future
            self._posts.append((post, future))
            self._start()
            self._wake.notify()
        return future

    def mark(self, mark: Mark) -> None:
        """Queues a mark. Only the newest of each reader and conversation is stored; one lost comes again."""
        with self._wake:
            if len(self._marks) >= MAX_QUEUED:
                return
            key = (mark.pk, mark.visitor_id, mark.agent_id)
            former = self._marks.get(key)
            if former is not None:
                mark = Mark(
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
                taken = [self._posts.popleft() for _ in range(min(MAX_BATCH, len(self._posts)))]
                marks, self._marks = list(self._marks.values()), {}
            # Nobody can cancel one of these from here on, so that each can be answered.
            posts = [(post, future) for post, future in taken if future.set_running_or_notify_cancel()]
            try:
                self._store(posts, marks)
            except Exception as error:
                # Not the error's own words: they may hold the message's.
                logger.error("a batch of %d posts failed: %s", len(posts), type(error).__name__)
                for _, future in posts:
                    if not future.done():
                        future.set_result(Unavailable())

    def _store(self, posts: list[tuple[Post, Future[Outcome]]], marks: list[Mark]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                connection.ensure_connection()
            except (OperationalError, InterfaceError) as error:
                logger.warning("the database does not answer: %s", type(error).__name__)
                break
            started = monotonic()
            try:
                outcomes, events = post_batch([post for post, _ in posts], marks)
            except (OperationalError, InterfaceError) as error:
                # A deadlock, a serialization failure or a connection that has gone: all may pass on a retry.
                logger.warning("a batch failed (attempt %d): %s", attempt, type(error).__name__)
                connection.close()
                continue
            except Exception as error:
                if len(posts) > 1 or marks:
                    # One of them spoils it for the others: each for itself.
                    for single in posts:
                        self._store([single], [])
                    return
                logger.error("a post cannot be stored: %s", type(error).__name__)
                break
            accepted = zip(posts, outcomes, strict=True)
            received_at = [post.received_at for (post, _), it in accepted if type(it) is Accepted]
            metrics.stored(len(posts), len(received_at), monotonic() - started)
            delivery.announce(events, received_at)
            for (_, future), outcome in zip(posts, outcomes, strict=True):
                future.set_result(outcome)
            return
        for _, future in posts:
            future.set_result(Unavailable())


writer = Writer()
