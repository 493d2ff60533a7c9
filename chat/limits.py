"""Rate limits of one server process, as token buckets in memory. Each bucket belongs to one socket or one key."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from django.conf import settings


class Bucket:
    """A token bucket: it holds at most `burst` tokens and gets `per_second` new ones each second.

    Times are in seconds of the monotonic clock.
    """

    __slots__ = ("_at", "_burst", "_level", "_per_second")

    def __init__(self, *, burst: float, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._level = burst
        self._at = time.monotonic()

    def take(self, amount: float = 1, now: float | None = None) -> bool:
        """Take `amount` tokens and return True, or take none and return False if there are too few."""
        now = time.monotonic() if now is None else now
        self._level = min(self._burst, self._level + (now - self._at) * self._per_second)
        self._at = now
        if self._level < amount:
            return False
        self._level -= amount
        return True


class Buckets:
    """A set of token buckets, one for each key; thread-safe. Above `max_keys`, the least recently used bucket is
    dropped."""

    def __init__(self, new_bucket: Callable[[], Bucket], *, max_keys: int = 10_000) -> None:
        self._new_bucket = new_bucket
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def take(self, key: Hashable | None) -> bool:
        """Take one token from the bucket of this key; return False if it is empty. The key None is not limited."""
        if key is None:
            return True
        with self._lock:
            bucket = self._buckets.pop(key, None) or self._new_bucket()
            self._buckets[key] = bucket
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
            return bucket.take()


def frames() -> Bucket:
    """Return the limit on frames received on one socket, including control frames and fragments.

    A socket that exceeds it is closed.
    """
    return Bucket(burst=120, per_second=20 * settings.POSTS_PER_SECOND)


def frame_bytes() -> Bucket:
    """Return the limit on bytes received on one socket.

    The burst is more than five times the size of a dozen frames of maximum length, which leaves room for retries.
    """
    return Bucket(burst=1024 * 1024, per_second=64 * 1024 * settings.POSTS_PER_SECOND)


def posts() -> Bucket:
    """Return the limit on messages sent on a visitor's socket. It is enough for a person who types fast, but not for a
    script."""
    return Bucket(burst=12, per_second=settings.POSTS_PER_SECOND)


def starts() -> Bucket:
    """Return the limit on conversations started on one socket."""
    return Bucket(burst=5, per_second=1 / 60)


def hellos_of_address() -> Bucket:
    """Return the limit on new connections from one network address, which a whole company may share.

    The limit is a tenth of the rate at which a server can answer new connections.
    """
    return Bucket(burst=1000, per_second=100)


# The limit on conversations started from one network address, over all processes: their number, and the period in
# seconds. Agents have to answer each conversation.
STARTS_OF_ADDRESS = 120, 60
# The limit on files sent from one network address, over all processes: their number, and the period in seconds. The
# server decodes and stores each file.
UPLOADS_OF_ADDRESS = 120, 60


def control_requests() -> Bucket:
    """Return the limit, for one socket, on requests to identify the visitor, to end the conversation or to rate it.

    A visitor normally makes each of these requests only once or twice. Each request may notify every console.
    """
    return Bucket(burst=10, per_second=0.2)


def uploads() -> Bucket:
    """Return the limit on files sent by one visitor or agent."""
    return Bucket(burst=6, per_second=0.2)


def transcripts() -> Bucket:
    """Return the limit on transcripts downloaded by one visitor."""
    return Bucket(burst=10, per_second=0.1)


def suggestions() -> Bucket:
    """Return the limit on requests for suggested answers by one visitor.

    The widget makes one request for each message that the visitor writes while waiting.
    """
    return Bucket(burst=20, per_second=0.5)


def suggestions_of_address() -> Bucket:
    """Return the limit on requests for suggested answers from one network address, which many visitors may share."""
    return Bucket(burst=200, per_second=10)
