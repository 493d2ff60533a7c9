"""Named limits. Token buckets in memory: a limit holds for one socket of one process."""

import time


class Bucket:
    """`burst` at once, then `per_second`; time is a monotonic clock in seconds."""

    __slots__ = ("_at", "_burst", "_level", "_per_second")

    def __init__(self, *, burst: float, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._level = burst
        self._at = time.monotonic()

    def take(self, now: float | None = None) -> bool:
        """Whether one more is allowed, and takes it."""
        now = time.monotonic() if now is None else now
        self._level = min(self._burst, self._level + (now - self._at) * self._per_second)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


def frames() -> Bucket:
    """Frames of any kind on one socket; more is a flood and ends it."""
    return Bucket(burst=120, per_second=20)


def posts() -> Bucket:
    """Messages of one visitor's socket: a person in a hurry, not a machine."""
    return Bucket(burst=12, per_second=1)


def starts() -> Bucket:
    """Conversations begun on one socket."""
    return Bucket(burst=5, per_second=1 / 60)


def uploads() -> Bucket:
    return Bucket(burst=6, per_second=0.2)
