"""The base class of the visitor's and the console's socket: receives frames, sends frames, closes with a code."""

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
from chat.errors import Refusal, Unavailable, decoding_refusal
from chat.languages import language_code
from chat.protocol import BadFrame, Bye, RefusedFrame
from chat.realtime import metrics
from chat.realtime.delivery import hub
from chat.realtime.transport import WebSocketTransport

logger = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 2 * 1024 * 1024
# Seconds until the connection is aborted: a slow reader gets time to read the reason, a flooding client gets less.
ABORT_SECONDS = {"slow": 10.0, "flood": 3.0}
# Seconds to wait for the peer's close frame. This is longer than the time limit on Daphne (server/daphne/transport.py);
# uvicorn itself has none.
CLOSE_SECONDS = 7.0
# Seconds to wait for a visitor's hello: the widget sends it as soon as the socket is open.
HELLO_SECONDS = 10.0

# Our close codes. After a code from 4400 to 4499 the widget does not reconnect by itself.
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
    """A consumer that, unlike those of Channels, has no thread switch before every event and no channel of its own.

    A frame that fails is answered with `refused`; it never ends the socket. Pushed frames are sent in order by one
    task. A client is disconnected if it is so slow that more than MAX_UNSENT_BYTES are waiting. It reconnects and
    fetches the frames that it missed.
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
        # config/asgi.py creates the transport from the server's own `send`, before middleware wraps it.
        self._transport: WebSocketTransport = scope.get("transport") or WebSocketTransport(send)
        # Frames to send, and at the end the close code.
        self._unsent: deque[bytes | int] = deque()
        self._unsent_bytes = 0
        self._sender: asyncio.Task[None] | None = None
        self._held: list[bytes] | None = None
        self._is_over = False
        # The client_id in the frame that is being handled, for its refusal.
        self.current_client_id = ""
        # The frame meter counts every frame before the server parses it. Without a meter, this socket counts whole
        # messages.
        self._frames = limits.frames() if self._transport.meter is None else None
        hub.start()
        hub.sockets.add(self)
        if self._transport.meter is not None:
            self._transport.meter.watch(self._flood)
        hello_timeout = asyncio.get_running_loop().call_later(HELLO_SECONDS, self._end_without_hello)
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
            hello_timeout.cancel()
            if self._transport.meter is not None:
                self._transport.meter.watch(None)
            hub.sockets.discard(self)
            self.disconnected()

    # -- for subclasses ----------------------------------------------------------------------------------

    async def connected(self) -> None:
        raise NotImplementedError

    async def received(self, text: str) -> None:
        """Decode a frame, call the action and push the answer. May raise Refusal and BadFrame."""
        raise NotImplementedError

    def disconnected(self) -> None:
        raise NotImplementedError

    def has_said_hello(self) -> bool:
        """Whether the client has sent its hello frame. If not, the socket is closed after HELLO_SECONDS."""
        return True

    def has_posts_in_hand(self) -> bool:
        """Whether a post received over this socket has been neither stored nor refused yet."""
        return False

    def is_disconnected(self) -> bool:
        """Whether an answer can no longer reach the client."""
        return self._is_over or self._transport.is_disconnected

    def ids(self) -> dict[str, str]:
        """Return the ids that a log record may hold about this socket."""
        return {"socket": f"{id(self):x}", "conversation": getattr(self, "conversation", "")}

    # -- frames in ---------------------------------------------------------------------------------------

    async def _received(self, text: str) -> None:
        if self._is_over:
            return
        if self._frames is not None and not self._frames.take():
            self._flood()
            return
        self.current_client_id = ""
        try:
            await self.received(text)
        except Refusal as refusal:
            self.refuse(refusal, self.current_client_id)
        except BadFrame as bad:
            if bad.language:
                # A refused hello also carries the language of the visitor.
                self.language = language_code(bad.language)
            self.refuse(decoding_refusal(bad.violation), bad.client_id)
        except Exception as error:
            logger.error("a frame failed: %s", type(error).__name__, exc_info=True, extra=self.ids())
            self.refuse(Unavailable(), self.current_client_id)

    def _flood(self) -> None:
        """End the socket and stop reading from it, because its client sends too much."""
        self.end("flood")
        self._transport.stop_reading()

    def _end_without_hello(self) -> None:
        if not self.has_said_hello():
            self.end("unavailable")

    def refuse(self, refusal: Refusal, client_id: str = "") -> None:
        metrics.refused.labels(refusal.code).inc()
        with translation.override(self.language):
            words = str(refusal.text)
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
        """Hold back frames pushed inside the `with` block, and send the frames appended to the yielded list first.

        Use it for an answer that is read from the database while the hub already pushes newer events to this socket.
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
        """Send an encoded frame, after all frames that were pushed before it."""
        if self._is_over:
            return
        if self._held is not None:
            self._held.append(text)
            return
        if self._sender is None and self._transport.write(text):
            return
        if self._unsent_bytes > MAX_UNSENT_BYTES:
            self._unsent.clear()
            self.end("slow")
            return
        self._unsent_bytes += len(text)
        self._queue(text)

    def end(self, code: str, *, retry_after_ms: int | None = None) -> None:
        """Send a bye frame and close. By default, the time to reconnect is random, so that clients do not all return at
        once."""
        if self._is_over:
            return
        retry = randint(500, 5000) if retry_after_ms is None else retry_after_ms
        self._queue(protocol.encode(Bye(code, retry)))
        metrics.ended.labels(code).inc()
        self._queue(CLOSE_CODES.get(code, 4000))
        self._is_over = True
        self._transport.abort_later(ABORT_SECONDS.get(code, CLOSE_SECONDS))

    def _queue(self, message: bytes | int) -> None:
        self._unsent.append(message)
        if self._sender is None:
            self._sender = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        """Send the frames that the transport could not take at once. While this task runs, newer frames queue behind
        them."""
        try:
            while self._unsent:
                await self._transport.writable()
                if not self._unsent:
                    break
                message = self._unsent.popleft()
                if isinstance(message, int):
                    await self._transport.close(message)
                    return
                if not self._transport.write(message):
                    await self._send({"type": "websocket.send", "text": message.decode()})
                self._unsent_bytes -= len(message)
        except Exception as error:
            # The client has disconnected or the server refuses the frame. Later frames would not arrive in order, so
            # the socket ends.
            logger.info("a frame was not sent: %s", type(error).__name__, extra=self.ids())
            self._is_over = True
            self._transport.abort()
        finally:
            self._sender = None

    def abort(self) -> None:
        """Drop the connection without a bye frame or a close frame."""
        self._transport.abort()
