"""Counters for rate limits, which all server processes share through Redis.

Each counter belongs to the name of a limit and a key, such as a network address or a sign-in name. It starts with the
first hit and is deleted when its time window ends. Redis stores an HMAC of the key, never the key itself. Without
Redis, or while Redis does not answer, each process has its own counters: more hits may then pass, but the service goes
on.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

REDIS_TIMEOUT_SECONDS = 0.25
# Seconds for which Redis is not called after a failure, so that an outage delays one request and not every request.
REDIS_PAUSE_SECONDS = 5.0
MAX_LOCAL_COUNTERS = 20_000
REPORT_SECONDS = 30

# Lua script for a hash that has one field for each process. The field holds the count of the process, and the time of
# its report by the clock of Redis.
_REPORT = """
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. now)
redis.call('EXPIRE', KEYS[1], ARGV[3])
local total = 0
for _, report in ipairs(redis.call('HVALS', KEYS[1])) do
  local count, at = string.match(report, '(%d+):(%d+)')
  if now - tonumber(at) < tonumber(ARGV[3]) then total = total + tonumber(count) end
end
return total
"""
_PROCESS = secrets.token_hex(8)

_threads = ThreadPoolExecutor(2, thread_name_prefix="rate-limits")


def hit(name: str, key: str, limit: int, window_seconds: int) -> int:
    """Count one hit and return 0 if it is within the limit, otherwise the seconds until the window ends.

    Blocks for at most half a second. In a coroutine, use `hit_async`.
    """
    count, seconds_left = _add(_identifier(name, key), 1, window_seconds)
    return max(1, seconds_left) if count > limit else 0


async def hit_async(name: str, key: str, limit: int, window_seconds: int) -> int:
    """Call `hit` on a thread and return its result. Without Redis, `hit` cannot block, so no thread is used."""
    if not settings.REDIS_URL:
        return hit(name, key, limit, window_seconds)
    call = partial(hit, name, key, limit, window_seconds)
    return await asyncio.get_running_loop().run_in_executor(_threads, call)


def retry_after(name: str, key: str, limit: int, window_seconds: int) -> int:
    """Return the seconds until another hit is allowed, 0 if it is allowed now. Counts nothing."""
    count, seconds_left = _add(_identifier(name, key), 0, window_seconds)
    return max(1, seconds_left) if count >= limit else 0


def forget(name: str, key: str) -> None:
    """Reset a counter, for example after a successful sign-in."""
    identifier = _identifier(name, key)
    local_counters.forget(identifier)
    shared_counters.forget(identifier)


async def report_async(name: str, key: str, count: int) -> int:
    """Store a count of this process, such as its open sockets, in Redis and return the sum over all processes.

    A stored count expires after REPORT_SECONDS. Without Redis, or while Redis does not answer, the result is `count`.
    """
    call = partial(shared_counters.report, _identifier(name, key), count)
    total = await asyncio.get_running_loop().run_in_executor(_threads, call)
    return count if total is None else total


def _identifier(name: str, key: str) -> str:
    digest = hmac.new(
        settings.SECRET_KEY.encode(), f"{name}\0{key}".encode("utf-8", "replace"), hashlib.sha256
    )
    return f"lianxin:limit:{name}:{digest.hexdigest()[:32]}"


def _add(identifier: str, count: int, window_seconds: int) -> tuple[int, int]:
    shared = shared_counters.add(identifier, count, window_seconds)
    return local_counters.add(identifier, count, window_seconds) if shared is None else shared


class LocalCounters:
    """The counters of one process; thread-safe. Above MAX_LOCAL_COUNTERS, the least recently used counter is
    deleted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def add(self, identifier: str, count: int, window_seconds: int) -> tuple[int, int]:
        """Add to a counter; return the new count and the seconds until its window ends."""
        now = time.monotonic()
        with self._lock:
            previous, ends_at = self._counters.pop(identifier, (0, 0.0))
            if ends_at <= now:
                previous, ends_at = 0, now + window_seconds
            total = previous + count
            if total:
                self._counters[identifier] = total, ends_at
                if len(self._counters) > MAX_LOCAL_COUNTERS:
                    self._counters.popitem(last=False)
        return total, round(ends_at - now)

    def forget(self, identifier: str) -> None:
        with self._lock:
            self._counters.pop(identifier, None)


class SharedCounters:
    """The counters in Redis. Every method returns None without Redis or while Redis does not answer."""

    def __init__(self) -> None:
        self._paused_until = 0.0

    def add(self, identifier: str, count: int, window_seconds: int) -> tuple[int, int] | None:
        """Add to a counter; return the new count and the seconds until its window ends."""
        if not self._is_available():
            return None
        try:
            with _client(settings.REDIS_URL).pipeline(transaction=True) as pipeline:
                if count:
                    # Only the first hit sets the end of the window; later hits must not extend the window.
                    pipeline.set(identifier, 0, ex=window_seconds, nx=True)
                    pipeline.incrby(identifier, count)
                else:
                    pipeline.get(identifier)
                pipeline.ttl(identifier)
                *_, total, seconds_left = pipeline.execute()
        except RedisError as error:
            self._pause(error)
            return None
        return int(total or 0), max(0, int(seconds_left))

    def forget(self, identifier: str) -> None:
        if self._is_available():
            try:
                _client(settings.REDIS_URL).delete(identifier)
            except RedisError as error:
                self._pause(error)

    def report(self, identifier: str, count: int) -> int | None:
        """Store the count of this process; return the sum over all processes that have reported within
        REPORT_SECONDS."""
        if not self._is_available():
            return None
        try:
            client = _client(settings.REDIS_URL)
            return int(client.eval(_REPORT, 1, identifier, _PROCESS, count, REPORT_SECONDS))  # type: ignore[arg-type]
        except RedisError as error:
            self._pause(error)
            return None

    def _is_available(self) -> bool:
        return bool(settings.REDIS_URL) and time.monotonic() >= self._paused_until

    def _pause(self, error: RedisError) -> None:
        self._paused_until = time.monotonic() + REDIS_PAUSE_SECONDS
        logger.warning(
            "Redis failed (%s): this process counts rate limits on its own for a while", type(error).__name__
        )


@cache
def _client(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        # Retry once: after Redis has restarted, an old connection fails at its first use.
        retry=Retry(NoBackoff(), 1),
    )


local_counters = LocalCounters()
shared_counters = SharedCounters()
