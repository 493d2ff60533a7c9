"""The router: the one process that holds the lease gives waiting conversations to agents.

Every server process runs a `Router`. Whoever holds the lease in the database routes; if that process ends, another one
takes the lease within LEASE_SECONDS. Events only wake the router: the database is the truth, and a round at least every
POLL_SECONDS finds what a lost event has missed.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from math import inf

from django.utils import timezone

from accounts import presence
from chat.actions.visitor_presence import expire_dead_processes
from chat.protocol import ConversationChanged, Event, PresenceChanged
from chat.realtime.delivery import hub
from core import leases
from core.database_threads import in_thread
from routing.actions import absent_visitors, lost_agents, offers, overflow
from routing.actions.routing import LEASE, route

logger = logging.getLogger(__name__)

LEASE_SECONDS = 4.0
RENEW_SECONDS = 2.0
POLL_SECONDS = 1.0
# The shortest time between two rounds, so that many changes at once share a round.
PAUSE_SECONDS = 0.02
UPKEEP_SECONDS = 5.0

# The jobs that the holder of the lease runs every UPKEEP_SECONDS. Each returns the number of conversations changed.
UPKEEP: list[Callable[[], int]] = [
    expire_dead_processes,
    absent_visitors.abandon,
    offers.withdraw_stale,
    overflow.transfer_overflow,
]


class Rounds:
    """The rounds of one process. All methods run on a thread that may use the ORM. `clock` returns seconds."""

    def __init__(self, holder: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._holder = holder
        self._clock = clock
        self._renew_at = -inf
        self._upkeep_at = -inf
        # The time since which this process has held the lease without interruption.
        self._held_since = inf
        self._next_expiry: datetime | None = None

    def run(self) -> bool:
        """Take or renew the lease. If this process holds it, route. Returns whether conversations were given away, so
        that the next round should follow at once."""
        now = self._clock()
        if now >= self._renew_at:
            if not leases.hold(LEASE, self._holder, LEASE_SECONDS):
                self._held_since = inf
                return False
            if now - self._renew_at > LEASE_SECONDS:
                self._held_since = now
            self._renew_at = now + RENEW_SECONDS
        if now >= self._upkeep_at:
            self._upkeep_at = now + UPKEEP_SECONDS
            self._next_expiry = timezone.now()
            for job in UPKEEP:
                _attempt(job)
            # After an outage, no presence has been renewed. Wait until the consoles have had time to reconnect.
            if now - self._held_since >= presence.LEASE_SECONDS:
                _attempt(lost_agents.return_conversations)
        if self._next_expiry is not None and timezone.now() >= self._next_expiry:
            self._next_expiry = offers.expire()
        if not route(self._holder):
            return False
        # There may be new offers.
        self._next_expiry = offers.expire()
        return True

    def release(self) -> None:
        leases.release(LEASE, self._holder)


def _attempt(job: Callable[[], int]) -> None:
    try:
        job()
    except Exception as error:
        # Usually the database is unavailable or two transactions conflicted. The next round tries again.
        logger.warning("upkeep %s failed: %s", job.__name__, type(error).__name__)


class Router:
    """Runs the rounds of this process on its event loop, until the process shuts down."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Start the router on the current event loop. A second start on the same loop does nothing."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self._loop, self._wake = loop, asyncio.Event()
        if self.notice not in hub.observers:
            hub.observers.append(self.notice)
        self._task = loop.create_task(self._run())

    def notice(self, event: Event) -> None:
        """Wake the router if the event may have changed who waits or who has free capacity."""
        if isinstance(event, ConversationChanged | PresenceChanged):
            self._wake.set()

    async def _run(self) -> None:
        rounds = Rounds(hub.process)
        while not hub.is_draining:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            try:
                if await in_thread(rounds.run):
                    self._wake.set()
            except Exception as error:
                logger.warning("a round of the router failed: %s", type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)
        with suppress(Exception):
            await in_thread(rounds.release)


router = Router()
