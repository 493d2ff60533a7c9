"""What a visitor's and a console's socket have in common: frames in, frames out, an end with a code."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from random import randint
from typing import Any

from channels.consumer import AsyncConsumer
from django.utils import translation
from msgspec import Struct

from chat import limits, protocol
from chat.errors import Refusal, Unavailable, refusal_of
from chat.languages import language_code
from chat.protocol import BadFrame, Bye, RefusedFrame
from chat.realtime import metrics
from chat.realtime.delivery import hub
from chat.realtime.transport import WebSocketTransport

logger = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 2 * 1024 * 1024
# Seconds until the connection is cut: a slow reader can read on and so learn why, a flooding client has less time.
CUT_SECONDS = {"slow": 10.0, "flood": 3.0}
# Seconds to wait for the peer's close frame: longer than Daphne waits (server/daphne_patches.py). uvicorn never stops
# waiting by itself.
CLOSE_SECONDS = 7.0
# Seconds to wait for a visitor's hello: a box says it at once.
HELLO_SECONDS = 10.0

# Our close codes. The box does not come back by itself after one of 4400 to 4499.
CLOSE_CODES = {
    # "Service restart", a code of the WebSocket registry.
    "bye": 1012,
    "unavailable": 4000,
    "slow": 4001,
    "superseded": 4002,
    "flood": 4400,
    "access_revoked": 4403,
    "not_found": 4404,
}

Message = MutableMapping[str, Any]


class Socket(AsyncConsumer):
    """A consumer without Channels' thread hop before every event and without a channel of its own.

    A frame that fails is answered with `refused`; it never ends the socket. What is pushed is sent in order by one
    task; a reader so slow that MAX_UNSENT_BYTES pile up is cut off, and comes back to what it missed.
    """

    language = "zh-hans"

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self.scope = scope
        self._send = send
        # The door's own, where there is one: others have wrapped `send` meanwhile.
        self._line: WebSocketTransport = scope.get("line") or WebSocketTransport(send)
        # Frames, and at the end the code to close with.
        self._unsent: deque[bytes | int] = deque()
        self._unsent_bytes = 0
        self._sender: asyncio.Task[None] | None = None
        self._held: list[bytes] | None = None
        self._is_over = False
        # The client_id that the frame in hand is about, for its refusal.
        self.about = ""
        # The meter counts before the server does; on a server without one, only whole messages are counted.
        self._frames = limits.frames() if self._line.meter is None else None
        hub.start()
        hub.sockets.add(self)
        if self._line.meter is not None:
            self._line.meter.watch(self._flood)
        silence = asyncio.get_running_loop().call_later(HELLO_SECONDS, self._end_silence)
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.connect":
                    await self.connected()
                elif message["type"] == "websocket.receive":
                    await self._received(message.get("text") or "")
                elif message["type"] == "websocket.disconnect":
                    return
        finally:
            self._is_over = True
            silence.cancel()
            if self._line.meter is not None:
                self._line.meter.watch(None)
            hub.sockets.discard(self)
            self.disconnected()

    # -- for subclasses ----------------------------------------------------------------------------------

    async def connected(self) -> None:
        raise NotImplementedError

    async def received(self, text: str) -> None:
        """Decode, call, push the answer. May raise Refusal and BadFrame."""
        raise NotImplementedError

    def disconnected(self) -> None:
        raise NotImplementedError

    def has_said_hello(self) -> bool:
        """Whether this socket may stay although its client says nothing more."""
        return True

    def has_posts_in_hand(self) -> bool:
        """Whether something that came over it is neither stored nor refused yet."""
        return False

    def is_gone(self) -> bool:
        """Whether nobody hears an answer any more."""
        return self._is_over or self._line.is_gone

    def ids(self) -> dict[str, str]:
        """What a line of the log may name of this socket."""
        return {"socket": f"{id(self):x}", "conversation": getattr(self, "conversation", "")}

    # -- frames in ---------------------------------------------------------------------------------------

    async def _received(self, text: str) -> None:
        if self._is_over:
            return
        if self._frames is not None and not self._frames.take():
            self._flood()
            return
        self.about = ""
        try:
            await self.received(text)
        except Refusal as refusal:
            self.refuse(refusal, self.about)
        except BadFrame as bad:
            if bad.language:
                # A hello that is refused says it too.
                self.language = language_code(bad.language)
            self.refuse(refusal_of(bad.bound), bad.client_id)
        except Exception as error:
            logger.error("a frame failed: %s", type(error).__name__, exc_info=True, extra=self.ids())
            self.refuse(Unavailable(), self.about)

    def _flood(self) -> None:
        """End a socket that sends too much, and read no more from it."""
        self.end("flood")
        self._line.stop_reading()

    def _end_silence(self) -> None:
        if not self.has_said_hello():
            self.end("unavailable")

    def refuse(self, refusal: Refusal, client_id: str = "") -> None:
        metrics.refused.labels(refusal.code).inc()
        with translation.override(self.language):
            words = str(refusal.words)
        frame = RefusedFrame(
            refusal.code, words, client_id, refusal.retry_after_ms, refusal.field, refusal.limit
        )
        self.push(protocol.encode(frame))

    # -- frames out --------------------------------------------------------------------------------------

    async def accept(self) -> None:
        await self._send({"type": "websocket.accept"})

    def answer(self, frame: Struct) -> None:
        self.push(protocol.encode(frame))

    @contextmanager
    def holding(self) -> Iterator[list[Struct]]:
        """What is pushed meanwhile waits behind the frames that are put into the list.

        For an answer that is read from the database while the hub is listened to already: the newer comes later.
        """
        first: list[Struct] = []
        self._held = []
        try:
            yield first
        finally:
            held, self._held = self._held, None
            for frame in first:
                self.answer(frame)
            for text in held:
                self.push(text)

    def push(self, text: bytes) -> None:
        """Sends a frame, after those pushed before it."""
        if self._is_over:
            return
        if self._held is not None:
            self._held.append(text)
            return
        if self._sender is None and self._line.write(text):
            return
        self._unsent_bytes += len(text)
        if self._unsent_bytes > MAX_UNSENT_BYTES:
            self._unsent.clear()
            self.end("slow")
            return
        self._queue(text)

    def end(self, code: str, *, retry_after_ms: int | None = None) -> None:
        """Says goodbye and closes. The retry is spread out, so that not all come back in one moment."""
        if self._is_over:
            return
        retry = randint(500, 5000) if retry_after_ms is None else retry_after_ms
        self._queue(protocol.encode(Bye(code, retry)))
        metrics.ended.labels(code).inc()
        self._queue(CLOSE_CODES.get(code, 4000))
        self._is_over = True
        self._line.cut_later(CUT_SECONDS.get(code, CLOSE_SECONDS))

    def _queue(self, message: bytes | int) -> None:
        self._unsent.append(message)
        if self._sender is None:
            self._sender = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        """Sends what the line could not take at once. As long as it is under way, the newer queues behind it."""
        try:
            while self._unsent:
                await self._line.writable()
                if not self._unsent:
                    break
                message = self._unsent.popleft()
                if isinstance(message, int):
                    await self._line.close(message)
                    return
                if not self._line.write(message):
                    await self._send({"type": "websocket.send", "text": message.decode()})
                self._unsent_bytes -= len(message)
        except Exception as error:
            # The other end has gone, or the server refuses the frame: a socket that hears no more is of no use.
            logger.info("a frame was not sent: %s", type(error).__name__, extra=self.ids())
            self._is_over = True
            self._line.cut()
        finally:
            self._sender = None

    def cut(self) -> None:
        """Drops the line without a goodbye."""
        self._line.cut()
