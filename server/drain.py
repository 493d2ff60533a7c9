"""The drain: on SIGTERM, a server process finishes its work and sends its clients to the other processes.

Neither Daphne nor uvicorn does that: both cancel running work and drop the sockets. The steps are:

1. `/readyz` answers 503 and the process stops listening. New posts stay unanswered; the clients keep them;
2. the writer and the database threads finish and answer what they have accepted;
3. every socket gets the frame `bye` with a randomly spread time to reconnect, and is closed with code 1012 (service
   restart);
4. requests get their responses, and the other processes get the remaining events;
5. the server stops as usual, with exit code 0.

Each step has a time limit. Work that is stuck at the end is aborted, and stderr shows where it was stuck.
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

# Time limits of the steps. The stop timeouts of systemd, the containers and nginx in deploy/ allow for their sum.
WRITER_SECONDS = 8.0
THREADS_SECONDS = 2.0
CLOSE_SECONDS = 3.0
REQUESTS_SECONDS = 14.0
# Minimum duration of the drain, so that connections accepted just before the listeners closed are still served.
QUIET_SECONDS = 0.4
# Maximum duration of the whole drain. After that, the process writes the stack of every thread to stderr and exits with
# code 1.
MAX_DRAIN_SECONDS = 20.0
# Maximum duration after Ctrl-C, or after a second SIGTERM.
FORCED_END_SECONDS = 3.0
# Reconnections per second that the other processes accept without delay.
RECONNECTS_PER_SECOND = 400
MIN_RETRY_MS = 50
MIN_SPREAD_MS = 500


class Daphne:
    """A server that runs on a Twisted reactor."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def _ports(self) -> list[Any]:
        from twisted.internet.interfaces import IListeningPort

        return [reader for reader in self._reactor.getReaders() if IListeningPort.providedBy(reader)]

    def listeners(self) -> list[int]:
        """Return the file descriptors of the listening sockets."""
        return [port.fileno() for port in self._ports()]

    def stop_listening(self) -> None:
        for port in self._ports():
            port.stopListening()

    def stop(self, *, is_forced: bool = False) -> None:
        if self._reactor.running:
            self._reactor.stop()


class Uvicorn:
    """A server of uvicorn."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def listeners(self) -> list[int]:
        """Return the file descriptors of the listening sockets."""
        return [socket.fileno() for server in self._server.servers for socket in server.sockets]

    def stop_listening(self) -> None:
        for server in self._server.servers:
            server.close()

    def stop(self, *, is_forced: bool = False) -> None:
        # uvicorn's own signal handler would raise the signal again at the end, and the exit code would not be 0.
        self._server.force_exit = is_forced
        self._server.should_exit = True


def server_of(handler: Any) -> Daphne | Uvicorn | None:
    """Return the server to which this handler of SIGTERM belongs; None if it belongs to neither Daphne nor uvicorn."""
    owner = getattr(handler, "__self__", None)
    if hasattr(owner, "getReaders"):
        return Daphne(owner)
    if hasattr(owner, "should_exit"):
        return Uvicorn(owner)
    return None


class Drain:
    """The drain of this process. It counts running requests and starts on SIGTERM."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Daphne | Uvicorn | None = None
        self._requests = 0
        self._task: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Replace the SIGTERM handler of the server that runs this event loop, and wrap its SIGINT handler.

        A second call on the same event loop does nothing.
        """
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self._loop = loop
        if threading.current_thread() is not threading.main_thread():
            return
        self._server = server_of(signal.getsignal(signal.SIGTERM))
        if self._server is not None:
            signal.signal(signal.SIGTERM, self._on_sigterm)
            # If a shell started this process in the background and ignores SIGINT for it, the handler is not callable.
            if callable(original := signal.getsignal(signal.SIGINT)):
                signal.signal(signal.SIGINT, partial(_on_interrupt, original))

    @contextmanager
    def counted_request(self) -> Iterator[None]:
        """Count a request as running, so that the drain waits for its response."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        assert self._loop is not None
        assert self._server is not None
        if self._task is None:
            faulthandler.dump_traceback_later(MAX_DRAIN_SECONDS, exit=True)
            self._task = self._loop.create_task(self._drain(self._server))
        else:
            # A second SIGTERM stops the server without draining.
            faulthandler.dump_traceback_later(FORCED_END_SECONDS, exit=True)
            self._task.cancel()
            self._server.stop(is_forced=True)

    async def _drain(self, server: Daphne | Uvicorn) -> None:
        hub.is_draining = True
        logger.info("draining: %d sockets, %d requests", len(hub.sockets), self._requests)
        try:
            await self._stop_listening(server)
            quiet = asyncio.create_task(asyncio.sleep(QUIET_SECONDS))
            requests = asyncio.create_task(until(lambda: self._requests == 0, REQUESTS_SECONDS))
            await self._finish_frames()
            await self._say_bye()
            await quiet
            if not await requests:
                logger.warning("%d requests were not finished", self._requests)
            # Say bye also to sockets that were accepted while the listeners closed.
            await self._say_bye()
            await until(hub.has_published, 1.0)
            logger.info("drained")
        except Exception:
            logger.exception("the drain failed")
        server.stop()

    async def _stop_listening(self, server: Daphne | Uvicorn) -> None:
        """Close the listening sockets at a moment when no connection waits to be accepted.

        The kernel would reset connections that still wait.
        """
        poller = select.poll()
        for listener in server.listeners():
            poller.register(listener, select.POLLIN)
        for _ in range(1000):
            if not poller.poll(0):
                break
            await asyncio.sleep(0)
        server.stop_listening()

    async def _finish_frames(self) -> None:
        """Wait until everything received over the sockets is stored and answered."""
        # Poll instead of blocking a thread: at exit, Python would wait for that thread to end.
        is_stored = await until(_is_everything_stored, WRITER_SECONDS)
        # The answers are already scheduled on the event loop: let them run first.
        await asyncio.sleep(0)
        if not (is_stored and await until(database_threads.is_idle, THREADS_SECONDS)):
            logger.warning("the database did not finish in time: clients will send unanswered posts again")

    async def _say_bye(self) -> None:
        """Send `bye` with a time to reconnect to every socket and close it.

        Staff reconnect first, then visitors in a conversation, then all others.
        """
        staff: set[object] = {*hub.staff}
        in_conversation: set[object] = staff.union(*hub.visitors.values())
        sockets = sorted(hub.sockets, key=lambda socket: (socket not in staff, socket not in in_conversation))
        for socket, retry_after_ms in zip(sockets, retries_ms(len(sockets)), strict=True):
            socket.end("bye", retry_after_ms=retry_after_ms)
        if not await until(lambda: not hub.sockets, CLOSE_SECONDS):
            for socket in tuple(hub.sockets):
                socket.abort()


def _is_everything_stored() -> bool:
    return writer.wait_until_idle(0) and not any(socket.has_posts_in_hand() for socket in hub.sockets)


def _on_interrupt(
    original: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None
) -> None:
    """Handle Ctrl-C with the server's own handler, but exit after FORCED_END_SECONDS even if a thread is blocked."""
    faulthandler.dump_traceback_later(FORCED_END_SECONDS, exit=True)
    original(number, frame)


def retries_ms(count: int) -> list[int]:
    """Return random delays before reconnection for `count` sockets, in ascending order.

    They are spread so that on average at most RECONNECTS_PER_SECOND clients reconnect per second.
    """
    spread = max(MIN_SPREAD_MS, count * 1000 / RECONNECTS_PER_SECOND)
    return sorted(round(MIN_RETRY_MS + uniform(0, spread)) for _ in range(count))


async def until(is_true: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition is true, at most `seconds`; return whether it became true."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not is_true():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


drain = Drain()
