"""Named limits. Token buckets in memory: a limit holds for one socket, or one key, of one process."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from django.conf import settings


class Bucket:
    """`burst` at once, then `per_second`; time is a monotonic clock in seconds."""

    __slots__ = ("_at", "_burst", "_level", "_per_second")

    def __init__(self, *, burst: float, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._level = burst
        self._at = time.monotonic()

    def take(self, amount: float = 1, now: float | None = None) -> bool:
        """Whether as many more are allowed, and takes them."""
        now = time.monotonic() if now is None else now
        self._level = min(self._burst, self._level + (now - self._at) * self._per_second)
        self._at = now
        if self._level < amount:
            return False
        self._level -= amount
        return True


class Buckets:
    """A bucket for each key, from any thread. Of `most` keys the one not used for longest is forgotten."""

    def __init__(self, new: Callable[[], Bucket], *, most: int = 10_000) -> None:
        self._new = new
        self._most = most
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def take(self, key: Hashable | None) -> bool:
        """Whether one more is allowed for this key, and takes it. None: always."""
        if key is None:
            return True
        with self._lock:
            bucket = self._buckets.pop(key, None) or self._new()
            self._buckets[key] = bucket
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
            return bucket.take()


def frames() -> Bucket:
    """Frames of any kind on one socket, control frames and fragments too; more is a flood and ends it."""
    return Bucket(burst=120, per_second=20 * settings.POSTS_PER_SECOND)


def frame_bytes() -> Bucket:
    """Bytes of frames on one socket: four times what a dozen of the longest posts and their repeats come to."""
    return Bucket(burst=1024 * 1024, per_second=64 * 1024 * settings.POSTS_PER_SECOND)


def posts() -> Bucket:
    """Messages of one visitor's socket: a person in a hurry, not a machine."""
    return Bucket(burst=12, per_second=settings.POSTS_PER_SECOND)


def starts() -> Bucket:
    """Conversations begun on one socket."""
    return Bucket(burst=5, per_second=1 / 60)


def hellos_of_address() -> Bucket:
    """Who comes from one network address, behind which there may be a whole company: a tenth of what we can answer."""
    return Bucket(burst=1000, per_second=100)


# Conversations begun from one network address in so many seconds, on all processes: agents have to answer each.
STARTS_OF_ADDRESS = 120, 60
# Files sent from one network address in so many seconds, on all processes: each is decoded and kept.
UPLOADS_OF_ADDRESS = 120, 60


def control_requests() -> Bucket:
    """What a visitor does once or twice on one socket (identify, end, rate), and what every console may hear of."""
    return Bucket(burst=10, per_second=0.2)


def uploads() -> Bucket:
    return Bucket(burst=6, per_second=0.2)


def transcripts() -> Bucket:
    return Bucket(burst=10, per_second=0.1)


def suggestions() -> Bucket:
    """What a visitor's box asks for beside the chat: once for each message while they wait."""
    return Bucket(burst=20, per_second=0.5)


def suggestions_of_address() -> Bucket:
    """The same from one network address, behind which there may be many."""
    return Bucket(burst=200, per_second=10)
