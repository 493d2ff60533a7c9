"""What is counted, for Prometheus; server/probes.py serves it. docs/operate.md tells what each figure means.

Everything here is counted once a batch or where something is rare: a message on its way costs no count of its own.
Labels are codes and kinds, never ids: nothing here is about a person.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Histogram

from chat.protocol import AcceptedFrame

# Of this process only: each is asked at its own port.
registry = CollectorRegistry()

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LAG_EVERY_SECONDS = 0.5

accepted = Counter("lianxin_accepted", "Messages stored and accepted.", registry=registry)
refused = Counter("lianxin_refused", "Refusals answered, by code.", ["code"], registry=registry)
batch_messages = Histogram(
    "lianxin_batch_messages",
    "Messages that one commit stored.",
    buckets=(0, 1, 2, 4, 8, 16, 32, 64, 128, 200),
    registry=registry,
)
batch_seconds = Histogram(
    "lianxin_batch_seconds", "Time that a batch took, to the commit.", buckets=FAST, registry=registry
)
delivery_seconds = Histogram(
    "lianxin_delivery_seconds",
    "From a message's arrival at this process until the sockets of this process were handed it.",
    buckets=FAST,
    registry=registry,
)
publish_failures = Counter(
    "lianxin_publish_failures",
    "Batches of events that Redis did not take within a second.",
    registry=registry,
)
unpublished = Counter(
    "lianxin_unpublished_events",
    "Events that other processes were not told; their sweeps find what is in the database.",
    registry=registry,
)
sweep_repairs = Counter(
    "lianxin_healed_messages", "Messages that the sweep found and the doorbell had missed.", registry=registry
)
resumed = Counter("lianxin_resumed", "Boxes that came back to their conversation.", registry=registry)
ended = Counter(
    "lianxin_sockets_ended",
    "Sockets that the server ended, by the code of its bye.",
    ["code"],
    registry=registry,
)
loop_lag_seconds = Histogram(
    "lianxin_loop_lag_seconds",
    f"How much later than asked the event loop came to a task; asked every {LAG_EVERY_SECONDS} s.",
    buckets=FAST,
    registry=registry,
)


def stored(outcomes: Sequence[object], seconds: float) -> None:
    """A batch of posts with these outcomes was committed after that time."""
    batch_messages.observe(len(outcomes))
    batch_seconds.observe(seconds)
    accepted.inc(sum(isinstance(each, AcceptedFrame) for each in outcomes))


def delivered(received_at: Sequence[float]) -> None:
    """Messages that came at these times (of `monotonic`) have just been handed to the sockets."""
    now = monotonic()
    for at in received_at:
        delivery_seconds.observe(now - at)


async def watch_loop() -> None:
    """Runs for the life of the process."""
    while True:
        asked = monotonic()
        await asyncio.sleep(LAG_EVERY_SECONDS)
        loop_lag_seconds.observe(max(0.0, monotonic() - asked - LAG_EVERY_SECONDS))
