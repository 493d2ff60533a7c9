"""Limits on request bodies in Daphne, which writes a whole body to disk before it calls the application.

Without these limits, a chunked body of 300 MB fills the disk and is never answered. Neither Twisted nor Daphne has a
setting for this, so `server.daphne.patches` replaces Daphne's request class with the subclass in this module.
tests/server/test_body_limits.py tests it with a real Daphne.
"""

from typing import Any

from daphne.http_protocol import WebRequest
from twisted.internet import reactor
from twisted.internet.protocol import Protocol

from server.body_limits import LINGER_BYTES, LINGER_SECONDS, REASONS, limit_for, refusal_body

_reactor: Any = reactor


class LimitedRequest(WebRequest):  # type: ignore[misc]
    """A request that is refused as soon as its Content-Length or its body is too large, or its body takes too long to
    arrive."""

    _deadline: Any = None
    _is_refused = False
    _bytes_left = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Django parses forms; Twisted would parse them too, on the thread of the event loop.
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)

    def gotLength(self, length: int | None) -> None:
        """Apply the limits. Twisted calls this method when all headers have arrived; `length` is None if it is
        unknown."""
        super().gotLength(length)
        if length == 0:
            return
        path = self.channel._path.partition(b"?")[0].decode("latin-1")
        limit = limit_for(path, [name.lower() for name, _ in self.requestHeaders.getAllRawHeaders()])
        self._bytes_left = limit.size
        if length is not None and length > limit.size:
            self._refuse(413)
        else:
            self._deadline = _reactor.callLater(limit.seconds, self._refuse, 408)

    def handleContentChunk(self, data: bytes) -> None:
        self._bytes_left -= len(data)
        if self._is_refused:
            return
        if self._bytes_left < 0:
            self._refuse(413)
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self._forget_deadline()
        if not self._is_refused:
            super().requestReceived(command, path, version)

    def connectionLost(self, reason: Any) -> None:
        self._forget_deadline()
        super().connectionLost(reason)

    def _forget_deadline(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def _refuse(self, status: int) -> None:
        self._is_refused = True
        self._forget_deadline()
        # With this header, Twisted would ask the client to send the body.
        self.requestHeaders.removeHeader(b"expect")
        headers, body = refusal_body(status)
        lines = [b"HTTP/1.1 %d %s" % (status, REASONS[status]), *(b"%s: %s" % header for header in headers)]
        LingeringReader(self.channel).answer(b"\r\n".join([*lines, b"", body]))


class LingeringReader(Protocol):
    """The protocol that replaces an HTTP channel after a refusal: it discards what the client still sends, for at most
    LINGER_SECONDS and LINGER_BYTES."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._end: Any = None
        self._bytes_left = LINGER_BYTES

    def answer(self, data: bytes) -> None:
        """Take over the connection, send the response and close the sending side."""
        transport = self._channel.transport
        self._channel.setTimeout(None)
        transport.unregisterProducer()
        # A TLS transport wraps the protocol in another one, as in `server.daphne.transport`.
        setattr(transport, "wrappedProtocol" if hasattr(transport, "wrappedProtocol") else "protocol", self)
        transport.resumeProducing()
        transport.write(data)
        transport.loseWriteConnection()
        self._end = _reactor.callLater(LINGER_SECONDS, transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self._channel.transport.abortConnection()

    def connectionLost(self, reason: Any = None) -> None:
        if self._end.active():
            self._end.cancel()
        self._channel.connectionLost(reason)
