"""Tests of the rate-limit counters that server processes share, and of their behaviour without Redis."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import override_settings
from redis import Redis

from core import rate_limits
from core.rate_limits import LocalCounters, SharedCounters
from tests.harness.servers.process import ROOT

NOWHERE = "redis://127.0.0.1:9/0"


@pytest.fixture
def key() -> str:
    """Return a key that no other test uses, because the counters in Redis outlive a test."""
    return uuid4().hex


@pytest.fixture(autouse=True)
def fresh_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "shared_counters", SharedCounters())
    monkeypatch.setattr(rate_limits, "local_counters", LocalCounters())


@pytest.mark.parametrize("url", ["", None, NOWHERE], ids=["no Redis", "Redis", "Redis away"])
async def test_limit_reached_refuses_until_window_ends(url: str | None, key: str) -> None:
    with override_settings(REDIS_URL=settings.REDIS_URL if url is None else url):
        assert [rate_limits.hit("test", key, 2, 60) for _ in range(2)] == [0, 0]
        assert 1 <= rate_limits.hit("test", key, 2, 60) <= 60
        assert 1 <= await rate_limits.hit_async("test", key, 2, 60) <= 60
        assert rate_limits.hit("test", key + "other", 2, 60) == 0
        assert rate_limits.hit("another test", key, 2, 60) == 0
        assert rate_limits.retry_after("test", key, 2, 60) >= 1
        rate_limits.forget("test", key)
        assert rate_limits.retry_after("test", key, 2, 60) == 0
        assert rate_limits.hit("test", key, 2, 60) == 0


def test_two_processes_share_one_counter(key: str) -> None:
    script = "from core.rate_limits import hit; import sys; print(hit('test', sys.argv[1], 2, 60))"
    command = [sys.executable, "-c", script, key]
    answers = [
        int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert answers[:2] == [0, 0]
    assert answers[2] >= 1
    assert rate_limits.hit("test", key, 3, 60) >= 1


def test_later_hits_do_not_extend_the_window(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with override_settings(REDIS_URL=""):
        assert rate_limits.hit("test", key, 1, 60) == 0
        now += 59
        assert rate_limits.hit("test", key, 1, 60) == 1
        now += 1
        assert rate_limits.hit("test", key, 1, 60) == 0


def test_later_hits_do_not_extend_the_window_in_redis(key: str) -> None:
    rate_limits.hit("test", key, 1, 30)
    assert rate_limits.hit("test", key, 1, 6000) <= 30


def test_redis_keys_hold_no_address_and_no_name() -> None:
    rate_limits.hit("test", "203.0.113.9", 5, 60)
    rate_limits.hit("test", "王小明", 5, 60)
    client: Any = Redis.from_url(settings.REDIS_URL)
    keys = b"".join(client.scan_iter("lianxin:limit:*")).decode()
    assert "test" in keys
    assert "203.0.113.9" not in keys
    assert "王" not in keys


def test_unreachable_redis_is_tried_once_and_then_paused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[str] = []
    real_client = rate_limits._client

    def client(url: str) -> Redis:
        connections.append(url)
        return real_client(url)

    monkeypatch.setattr(rate_limits, "_client", client)
    with override_settings(REDIS_URL=NOWHERE):
        assert [rate_limits.hit("test", key, 9, 60) for _ in range(5)] == [0] * 5
    assert connections == [NOWHERE]


def test_local_counters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_LOCAL_COUNTERS", 3)
    counters = LocalCounters()
    for letter in "abcd":
        counters.add(letter, 1, 60)
    assert len(counters._counters) == 3
    assert counters.add("a", 1, 60)[0] == 1, "the least recently used counter is deleted"
    assert counters.add("d", 1, 60)[0] == 2
