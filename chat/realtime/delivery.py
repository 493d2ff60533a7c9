"""Delivers events: directly to the sockets of this process, and through the channel layer to other processes.

This is the only file that names the channel layer, which may lose, repeat and reorder notifications. The database is
the truth, and a sweep every second or two finds the changes whose notification was lost. Only `announce`,
`announce_on_commit`, `Hub.call` and `Hub.one_wake` may be called on threads other than that of the event loop.
"""

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction

from chat import protocol
from chat.protocol import Event

# A module, not a name: the sweep imports actions, which import this module.
from chat.realtime import metrics, sweep
from chat.realtime.event_routing import EventRouter

logger = logging.getLogger(__name__)

GROUP = "hub"
PUBLISH_TIMEOUT_SECONDS = 1.0
# Another process counts as no longer listening if it has sent nothing for this many sweeps. Each listening process
# publishes a message without events every ten sweeps.
LISTENING_SWEEPS = 40
MAX_UNPUBLISHED = 10_000


class Hub(EventRouter):
    """Pushes events to the subscribed sockets of this process and publishes them to the other processes."""

    def __init__(self) -> None:
        super().__init__()
        self.process = uuid.uuid4().hex
        self.loop: asyncio.AbstractEventLoop | None = None
        # True while this process is shutting down: new posts are left to another process (server/drain.py).
        self.is_draining = False
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        # True while a wake-up of the loop is scheduled.
        self._is_wake_scheduled = False
        self._unpublished: list[Event] = []
        self._has_unpublished = asyncio.Event()
        self._is_publishing = False
        # For each other process, the time by the clock of the loop until which it counts as listening. Events are
        # published only while at least one process listens.
        self._listeners: dict[str, float] = {}
        self._is_sign_due = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Bind the hub to the running event loop and start its tasks. Does nothing if it is already bound to it."""
        loop = asyncio.get_running_loop()
        if self.loop is loop:
            return
        self.loop = loop
        self.forget_all()
        self._calls.clear()
        self._unpublished.clear()
        self._is_wake_scheduled = False
        self._has_unpublished = asyncio.Event()
        self._listeners.clear()
        self._tasks = [loop.create_task(sweep.sweep(self)), loop.create_task(metrics.watch_loop())]
        if settings.CHANNEL_LAYERS:
            self._tasks += [loop.create_task(self._publish()), loop.create_task(self._listen())]

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Schedule `function(*arguments)` on the loop, from any thread. Calls keep their order.

        Calls that are scheduled shortly after each other share one wake-up of the loop.
        """
        self._calls.append((function, arguments))
        if not self._is_wake_scheduled:
            self._wake()

    @contextmanager
    def one_wake(self) -> Iterator[None]:
        """Wake the loop once, at the end of the `with` block, for all calls that are scheduled inside the block."""
        self._is_wake_scheduled = True
        try:
            yield
        finally:
            self._wake()

    def _wake(self) -> None:
        if self.loop is None:
            return
        self._is_wake_scheduled = True
        try:
            self.loop.call_soon_threadsafe(self._run_calls)
        except RuntimeError:
            # The loop has been closed.
            self._is_wake_scheduled = False

    def _run_calls(self) -> None:
        # Reset first, so that a call added while this method runs wakes the loop again.
        self._is_wake_scheduled = False
        while self._calls:
            function, arguments = self._calls.popleft()
            try:
                function(*arguments)
            except Exception as error:
                logger.error("a call on the loop failed: %s", type(error).__name__, exc_info=True)

    # -- notifications between processes -----------------------------------------------------------------

    def announce(self, events: list[Event], received_at: Sequence[float] = ()) -> None:
        """Push events to the sockets of this process at once, and queue them to be published to the other processes
        together.

        Call it on the loop. `received_at` has the times at which this process received the messages among the events;
        the metrics use them.
        """
        self.route(events)
        metrics.delivered(received_at)
        if self._has_listeners():
            # Events beyond the limit are dropped: the sweeps of the other processes find the changes.
            if len(self._unpublished) < MAX_UNPUBLISHED:
                self._unpublished.extend(events)
            else:
                metrics.unpublished.inc(len(events))
            self._has_unpublished.set()

    def show_that_it_listens(self) -> None:
        """Publish a message without events, to tell the other processes that this process listens for theirs."""
        self._is_sign_due = True
        self._has_unpublished.set()

    def _has_listeners(self) -> bool:
        return self.loop is not None and max(self._listeners.values(), default=0.0) > self.loop.time()

    def _receive(self, message: dict[str, Any]) -> None:
        process: str = message["process"]
        if process == self.process:
            return
        if events := protocol.decode_events(message["events"]):
            self.route(events)
            return
        now = asyncio.get_running_loop().time()
        self._listeners = {name: until for name, until in self._listeners.items() if until > now}
        if process not in self._listeners:
            # Answer a process that has just started, so that it learns at once that this process listens, too.
            self.show_that_it_listens()
        self._listeners[process] = now + LISTENING_SWEEPS * settings.SWEEP_SECONDS

    async def _publish(self) -> None:
        while True:
            await self._has_unpublished.wait()
            self._has_unpublished.clear()
            events, self._unpublished = self._unpublished, []
            self._is_publishing = True
            if self._is_sign_due:
                self._is_sign_due = False
                await send_to_layer(self.process, [])
            if events:
                await send_to_layer(self.process, events)
            self._is_publishing = False

    def has_published(self) -> bool:
        """Whether all events have been published to the other processes."""
        return not (self._unpublished or self._is_publishing)

    async def _listen(self) -> None:
        layer = get_channel_layer()
        assert layer is not None
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                self.show_that_it_listens()
                while True:
                    self._receive(await layer.receive(channel))
            except Exception as error:
                logger.warning("the channel layer does not answer: %s", type(error).__name__)
                await asyncio.sleep(1)


async def send_to_layer(process: str, events: list[Event]) -> None:
    """Publish the events once. Never raises, and takes at most a second.

    If a publish fails, the sweeps of the other processes find the changes.
    """
    layer = get_channel_layer()
    if layer is None:
        return
    started = time.monotonic()
    try:
        message = {"type": "chat.events", "process": process, "events": protocol.encode_events(events)}
        # Not `wait_for`: on Python 3.11 it may swallow the cancellation of this task, which would then never end.
        async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
            await layer.group_send(GROUP, message)
    except Exception as error:
        metrics.publish_failures.inc()
        metrics.unpublished.inc(len(events))
        logger.warning(
            "%d events were not published after %.1f s: %s",
            len(events),
            time.monotonic() - started,
            type(error).__name__,
        )


hub = Hub()


def announce(events: list[Event], received_at: Sequence[float] = ()) -> None:
    """Send events to every screen. Call it after the commit, on any thread. It never raises.

    `received_at` has the times at which this process received the messages among the events; the metrics use them.
    """
    if not events:
        return
    loop = hub.loop
    try:
        if loop is not None and loop.is_running():
            hub.call(hub.announce, events, received_at)
        elif settings.CHANNEL_LAYERS:
            # A management command or a process without sockets has no running loop to publish from.
            async_to_sync(send_to_layer)(hub.process, events)
    except Exception as error:
        # Do not raise: the change is committed and the sweeps will find it, so the caller must not conclude that it
        # failed.
        logger.warning("%d events were not announced: %s", len(events), type(error).__name__)


def announce_on_commit(*events: Event) -> None:
    """Send events to every screen when the current transaction commits. After a rollback, nothing is sent."""
    transaction.on_commit(lambda: announce(list(events)))
