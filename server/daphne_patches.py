"""Patches of Daphne, Twisted and Autobahn that remove unneeded work for each connection.

They save half of the cost of a handshake and a tenth of a POST: thousands of clients reconnect at once after a network
failure. `chat/realtime/transport.py`, `chat/realtime/coalescing.py` and `server/gc_tuning.py` do the rest. No patch
changes which bytes a socket sends.
"""

from typing import Any

# Seconds to wait for the peer's close frame. Autobahn waits one second and then resets the connection, so a slow client
# lost the last frame, `bye` with the time to reconnect.
CLOSE_SECONDS = 6.0
# Listen backlog. The kernel caps it at net.core.somaxconn.
BACKLOG = 4096


def apply_patches() -> None:
    """In a process of Daphne, before it listens."""
    from twisted.internet import reactor

    _disable_handshake_logging()
    _break_reference_cycle()
    _raise_close_timeout()
    _skip_form_parsing()
    _limit_request_bodies()

    reactor.callWhenRunning(_raise_listen_backlog, reactor)


def _disable_handshake_logging() -> None:
    """Autobahn lays out lines for its debug log, in colours, at every handshake; Daphne sends that log nowhere."""
    from autobahn.twisted import websocket
    from autobahn.websocket import protocol

    for module in (websocket, protocol):
        for words in ("hltype", "hlval", "pformat"):
            if hasattr(module, words):
                setattr(module, words, _no_op)
    # It does nothing but log before it calls the same.
    adapter: Any = websocket.WebSocketAdapterProtocol
    adapter.dataReceived = protocol.WebSocketProtocol._dataReceived


def _break_reference_cycle() -> None:
    """A protocol that has ended is the result of a promise of its own, which would keep it until Python looks for
    such circles (`server/gc_tuning.py`). Nobody waits for that promise here."""
    from autobahn.twisted.websocket import WebSocketAdapterProtocol

    adapter: Any = WebSocketAdapterProtocol
    lost = adapter.connectionLost

    def connection_lost(protocol: Any, *reason: Any) -> None:
        lost(protocol, *reason)
        protocol.is_closed = None

    adapter.connectionLost = connection_lost


def _raise_close_timeout() -> None:
    from daphne.ws_protocol import WebSocketFactory

    factory: Any = WebSocketFactory
    reset = factory.resetProtocolOptions

    def reset_options(self: Any) -> None:
        reset(self)
        self.closeHandshakeTimeout = CLOSE_SECONDS

    factory.resetProtocolOptions = reset_options


def _skip_form_parsing() -> None:
    """Twisted parses every form that is posted, and its Content-Type as if it were a mail's; Django does it again."""
    from twisted.web import http

    # One that is no form's.
    module: Any = http
    module._parseContentType = lambda _: b""


def _limit_request_bodies() -> None:
    """Put our class of requests in the place of Daphne's, which its factory looks up for each connection."""
    from daphne import http_protocol

    from server.daphne_body_limits import LimitedRequest

    http_protocol.WebRequest = LimitedRequest


def _no_op(*_: Any, **__: Any) -> str:
    return ""


def _raise_listen_backlog(reactor: Any) -> None:
    """Fifty wait at Twisted's door; whom the kernel turns away tries again after one second, then three, then seven."""
    from twisted.internet.interfaces import IListeningPort

    for reader in reactor.getReaders():
        if IListeningPort.providedBy(reader):
            reader.socket.listen(BACKLOG)
