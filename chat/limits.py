"""Rate limits as token buckets in memory. A bucket counts for one socket or one key, in one process only."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from django.conf import settings


class Bucket:
    """Token bucket: allows `burst` at once and refills `per_second`. Times are monotonic, in seconds."""

    __slots__ = ("_at", "_burst", "_level", "_per_second")

    def __init__(self, *, burst: float, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._level = burst
        self._at = time.monotonic()

    def take(self, amount: float = 1, now: float | None = None) -> bool:
        """Take `amount` tokens and return True, or return False when there are too few."""
        now = time.monotonic() if now is None else now
        self._level = min(self._burst, self._level + (now - self._at) * self._per_second)
        self._at = now
        if self._level < amount:
            return False
        self._level -= amount
        return True


class Buckets:
    """One bucket for each key; thread-safe. Above `max_keys` the least recently used key is dropped."""

    def __init__(self, new_bucket: Callable[[], Bucket], *, max_keys: int = 10_000) -> None:
        self._new_bucket = new_bucket
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def take(self, key: Hashable | None) -> bool:
        """Take one token of this key and return True, or return False. A key of None is not limited."""
        if key is None:
            return True
        with self._lock:
            bucket = self._buckets.pop(key, None) or self._new_bucket()
            self._buckets[key] = bucket
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
            return bucket.take()


def frames() -> Bucket:
    """Frames of any kind on one socket, including control frames and fragments; a flood closes the socket."""
    return Bucket(burst=120, per_second=20 * settings.POSTS_PER_SECOND)


def frame_bytes() -> Bucket:
    """Return the limit on bytes received per socket.

    The burst is four times what a dozen posts of maximum length need, including their retries.
    """
    return Bucket(burst=1024 * 1024, per_second=64 * 1024 * settings.POSTS_PER_SECOND)


def posts() -> Bucket:
    """Messages on a visitor's socket: enough for a person who types fast, too few for a script."""
    return Bucket(burst=12, per_second=settings.POSTS_PER_SECOND)


def starts() -> Bucket:
    """Conversations started on one socket."""
    return Bucket(burst=5, per_second=1 / 60)


def hellos_of_address() -> Bucket:
    """Connections from one network address, which a whole company may share: a tenth of what we can answer."""
    return Bucket(burst=1000, per_second=100)


# Conversations started from one network address: count and seconds, over all processes. Agents must answer each.
STARTS_OF_ADDRESS = 120, 60
# Files sent from one network address: count and seconds, over all processes. Each file is decoded and stored.
UPLOADS_OF_ADDRESS = 120, 60


def control_requests() -> Bucket:
    """Requests that a visitor makes once or twice on one socket: identify, end, rate. Each may notify every console."""
    return Bucket(burst=10, per_second=0.2)


def uploads() -> Bucket:
    """Files sent by one visitor or agent."""
    return Bucket(burst=6, per_second=0.2)


def transcripts() -> Bucket:
    """Transcripts downloaded by one visitor."""
    return Bucket(burst=10, per_second=0.1)


def suggestions() -> Bucket:
    """Requests for suggestions by one visitor: the widget makes one for each message while they wait."""
    return Bucket(burst=20, per_second=0.5)


def suggestions_of_address() -> Bucket:
    """Requests for suggestions from one network address, which many visitors may share."""
    return Bucket(burst=200, per_second=10)
