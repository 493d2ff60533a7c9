"""Prometheus metrics of this process. `server/probes.py` serves them, and docs/operate.md explains each of them.

Metrics are updated once per batch or on rare events, so a single message costs nothing extra. Labels are codes and
kinds, never ids, so no metric is about a person.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Histogram

from chat.protocol import AcceptedFrame

# The registry of this process only: Prometheus scrapes each process at its own port.
registry = CollectorRegistry()

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LAG_EVERY_SECONDS = 0.5

accepted = Counter("lianxin_accepted", "Messages stored and accepted.", registry=registry)
refused = Counter("lianxin_refused", "Refusals answered, by code.", ["code"], registry=registry)
batch_messages = Histogram(
    "lianxin_batch_messages",
    "Messages stored by one commit.",
    buckets=(0, 1, 2, 4, 8, 16, 32, 64, 128, 200),
    registry=registry,
)
batch_seconds = Histogram(
    "lianxin_batch_seconds", "Time to store a batch, commit included.", buckets=FAST, registry=registry
)
delivery_seconds = Histogram(
    "lianxin_delivery_seconds",
    "Time from a message's arrival at this process until it was handed to this process's sockets.",
    buckets=FAST,
    registry=registry,
)
publish_failures = Counter(
    "lianxin_publish_failures",
    "Batches of events that could not be published through Redis within a second.",
    registry=registry,
)
unpublished = Counter(
    "lianxin_unpublished_events",
    "Events not published to the other processes; their sweeps find the changes in the database.",
    registry=registry,
)
sweep_repairs = Counter(
    "lianxin_healed_messages", "Messages delivered by the sweep after a lost notification.", registry=registry
)
resumed = Counter("lianxin_resumed", "Widgets that reconnected to their conversation.", registry=registry)
ended = Counter(
    "lianxin_sockets_ended",
    "Sockets closed by the server, by the code of the bye frame.",
    ["code"],
    registry=registry,
)
loop_lag_seconds = Histogram(
    "lianxin_loop_lag_seconds",
    f"How late the event loop ran a scheduled task; measured every {LAG_EVERY_SECONDS} s.",
    buckets=FAST,
    registry=registry,
)


def stored(outcomes: Sequence[object], seconds: float) -> None:
    """Record that a batch of posts with these outcomes was committed, `seconds` after the attempt began."""
    batch_messages.observe(len(outcomes))
    batch_seconds.observe(seconds)
    accepted.inc(sum(isinstance(outcome, AcceptedFrame) for outcome in outcomes))


def delivered(received_at: Sequence[float]) -> None:
    """Record that messages were just handed to the sockets. `received_at` has the `monotonic` times at which this
    process received them."""
    now = monotonic()
    for at in received_at:
        delivery_seconds.observe(now - at)


async def watch_loop() -> None:
    """Measure the lag of the event loop for the life of the process."""
    while True:
        started = monotonic()
        await asyncio.sleep(LAG_EVERY_SECONDS)
        loop_lag_seconds.observe(max(0.0, monotonic() - started - LAG_EVERY_SECONDS))
