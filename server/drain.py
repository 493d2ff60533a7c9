"""The drain: told to end (SIGTERM), a server process finishes what it has in hand and sends its people elsewhere.

Neither Daphne nor uvicorn does that by itself: both cancel what is under way and drop the sockets. In this order:

1. `/readyz` says 503, nobody new is let in, posts that come in now are left unanswered (the screens keep them);
2. what the writer and the threads have in hand is finished and answered;
3. every socket hears `bye`, with a time to come back that is spread out, and is closed with 1012 (service restart);
4. requests get their answers and the other processes their events;
5. the server ends as it always does, with exit code 0.

Each step has a bound; what is stuck in the end is cut off, and the log says where it was stuck.
"""

import asyncio
import faulthandler
import logging
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import uniform
from types import FrameType
from typing import Any

from chat.realtime.delivery import hub
from chat.realtime.writer import writer
from core import database_threads

logger = logging.getLogger(__name__)

# The bounds of the steps. Systemd, containers and nginx in deploy/ allow for their sum.
WRITER_SECONDS = 8.0
THREADS_SECONDS = 2.0
CLOSE_SECONDS = 3.0
REQUESTS_SECONDS = 14.0
# Who had connected just before the door was closed is still served.
QUIET_SECONDS = 0.4
# From the signal on; then whatever is stuck is told on stderr and ended with exit code 1.
LAST_SECONDS = 20.0
# The same for who presses Ctrl-C, or tells it twice.
IMPATIENT_SECONDS = 3.0
# Of those who come back: so many a second the other processes take without a delay for anybody.
RECONNECTS_PER_SECOND = 400
SHORTEST_RETRY_MS = 50
LEAST_SPREAD_MS = 500


class Daphne:
    """A server that runs on a Twisted reactor."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def _ports(self) -> list[Any]:
        from twisted.internet.interfaces import IListeningPort

        return [reader for reader in self._reactor.getReaders() if IListeningPort.providedBy(reader)]

    def doors(self) -> list[int]:
        return [port.fileno() for port in self._ports()]

    def close_doors(self) -> None:
        for port in self._ports():
            port.stopListening()

    def end(self, *, at_once: bool = False) -> None:
        if self._reactor.running:
            self._reactor.stop()


class Uvicorn:
    def __init__(self, server: Any) -> None:
        self._server = server

    def doors(self) -> list[int]:
        return [each.fileno() for server in self._server.servers for each in server.sockets]

    def close_doors(self) -> None:
        for server in self._server.servers:
            server.close()

    def end(self, *, at_once: bool = False) -> None:
        # Not by its handler of signals: that one raises the signal again at the end, in place of exit code 0.
        self._server.force_exit = at_once
        self._server.should_exit = True


def server_of(handler: Any) -> Daphne | Uvicorn | None:
    """The server whose method handles SIGTERM just now; None when it is neither of the two."""
    owner = getattr(handler, "__self__", None)
    if hasattr(owner, "getReaders"):
        return Daphne(owner)
    if hasattr(owner, "should_exit"):
        return Uvicorn(owner)
    return None


class Drain:
    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Daphne | Uvicorn | None = None
        self._requests = 0
        self._task: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Takes SIGTERM over from the server that runs this loop; the second call does nothing."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self._loop = loop
        if threading.current_thread() is not threading.main_thread():
            return
        self._server = server_of(signal.getsignal(signal.SIGTERM))
        if self._server is not None:
            signal.signal(signal.SIGTERM, self._told)
            if callable(former := signal.getsignal(signal.SIGINT)):
                # Not where it is ignored: a shell does that for what it starts in the background.
                signal.signal(signal.SIGINT, partial(_interrupted, former))

    @contextmanager
    def in_hand(self) -> Iterator[None]:
        """A request that is being answered."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def _told(self, number: int, frame: FrameType | None) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        assert self._loop is not None
        assert self._server is not None
        if self._task is None:
            faulthandler.dump_traceback_later(LAST_SECONDS, exit=True)
            self._task = self._loop.create_task(self._drain(self._server))
        else:
            # Told twice: at once.
            faulthandler.dump_traceback_later(IMPATIENT_SECONDS, exit=True)
            self._task.cancel()
            self._server.end(at_once=True)

    async def _drain(self, server: Daphne | Uvicorn) -> None:
        hub.is_draining = True
        logger.info("draining: %d sockets, %d requests", len(hub.sockets), self._requests)
        try:
            await self._close_doors(server)
            quiet = asyncio.create_task(asyncio.sleep(QUIET_SECONDS))
            requests = asyncio.create_task(until(lambda: self._requests == 0, REQUESTS_SECONDS))
            await self._finish_frames()
            await self._say_bye()
            await quiet
            if not await requests:
                logger.warning("%d requests were not finished", self._requests)
            # To those who came in through the closing door meanwhile.
            await self._say_bye()
            await until(hub.has_published, 1.0)
            logger.info("drained")
        except Exception:
            logger.exception("the drain failed")
        server.end()

    async def _close_doors(self, server: Daphne | Uvicorn) -> None:
        """Stops listening, at a moment when nobody stands before the door: the kernel would reset those."""
        poller = select.poll()
        for door in server.doors():
            poller.register(door, select.POLLIN)
        for _ in range(1000):
            if not poller.poll(0):
                break
            await asyncio.sleep(0)
        server.close_doors()

    async def _finish_frames(self) -> None:
        """Waits until everything that came over the sockets is stored and answered."""
        # Asked again and again, not on a thread: Python waits for its threads before it ends.
        is_stored = await until(_is_everything_stored, WRITER_SECONDS)
        # The answers were called on the loop before: their turn comes first.
        await asyncio.sleep(0)
        if not (is_stored and await until(database_threads.is_idle, THREADS_SECONDS)):
            logger.warning("the database did not finish what was in hand: it stays with its senders")

    async def _say_bye(self) -> None:
        """Tells everybody when to come back, and sees them off. First come back who are talking, staff before all."""
        staff: set[object] = {*hub.staff}
        talking: set[object] = staff.union(*hub.visitors.values())
        sockets = sorted(hub.sockets, key=lambda socket: (socket not in staff, socket not in talking))
        for socket, retry_after_ms in zip(sockets, retries_ms(len(sockets)), strict=True):
            socket.end("bye", retry_after_ms=retry_after_ms)
        if not await until(lambda: not hub.sockets, CLOSE_SECONDS):
            for socket in tuple(hub.sockets):
                socket.abort()


def _is_everything_stored() -> bool:
    return writer.wait_until_idle(0) and not any(socket.has_posts_in_hand() for socket in hub.sockets)


def _interrupted(
    former: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None
) -> None:
    """Ctrl-C: the server's own end, but a thread that waits for the database does not hold it up."""
    faulthandler.dump_traceback_later(IMPATIENT_SECONDS, exit=True)
    former(number, frame)


def retries_ms(count: int) -> list[int]:
    """When each of so many should come back, the first first: by chance, but RECONNECTS_PER_SECOND on average."""
    spread = max(LEAST_SPREAD_MS, count * 1000 / RECONNECTS_PER_SECOND)
    return sorted(round(SHORTEST_RETRY_MS + uniform(0, spread)) for _ in range(count))


async def until(is_true: Callable[[], bool], seconds: float) -> bool:
    """Whether it became true within that time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not is_true():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


drain = Drain()
