"""Patches of Daphne, Twisted and Autobahn that remove unneeded work for each connection.

They save half of the cost of a handshake and a tenth of a POST: thousands of clients reconnect at once after a network
failure. `chat/realtime/transport.py`, `chat/realtime/coalescing.py` and `server/gc_tuning.py` do the rest. No patch
changes which bytes a socket sends.
"""

from typing import Any

# Seconds to wait for the peer's close frame. Autobahn waits one second and then resets the connection, so a slow client
# lost the last frame: `bye`, which contains the time to reconnect.
CLOSE_SECONDS = 6.0
# Listen backlog. The kernel caps it at net.core.somaxconn.
BACKLOG = 4096


def apply_patches() -> None:
    """Apply all patches. Call it in a process of Daphne before the process listens."""
    from twisted.internet import reactor

    _disable_handshake_logging()
    _break_reference_cycle()
    _raise_close_timeout()
    _skip_form_parsing()
    _limit_request_bodies()

    reactor.callWhenRunning(_raise_listen_backlog, reactor)


def _disable_handshake_logging() -> None:
    """Stop Autobahn from formatting coloured debug messages at every handshake; Daphne discards that log."""
    from autobahn.twisted import websocket
    from autobahn.websocket import protocol

    for module in (websocket, protocol):
        for function in ("hltype", "hlval", "pformat"):
            if hasattr(module, function):
                setattr(module, function, _no_op)
    # The adapter's method only logs and then calls this one.
    adapter: Any = websocket.WebSocketAdapterProtocol
    adapter.dataReceived = protocol.WebSocketProtocol._dataReceived


def _break_reference_cycle() -> None:
    """Break the reference cycle of a closed protocol: it is the result of its own future `is_closed`.

    Without this, it stays in memory until a garbage collection, which is rare (`server/gc_tuning.py`). Nothing awaits
    that future here.
    """
    from autobahn.twisted.websocket import WebSocketAdapterProtocol

    adapter: Any = WebSocketAdapterProtocol
    original = adapter.connectionLost

    def connection_lost(protocol: Any, *reason: Any) -> None:
        original(protocol, *reason)
        protocol.is_closed = None

    adapter.connectionLost = connection_lost


def _raise_close_timeout() -> None:
    """Wait CLOSE_SECONDS for the peer's close frame."""
    from daphne.ws_protocol import WebSocketFactory

    factory: Any = WebSocketFactory
    reset = factory.resetProtocolOptions

    def reset_options(self: Any) -> None:
        reset(self)
        self.closeHandshakeTimeout = CLOSE_SECONDS

    factory.resetProtocolOptions = reset_options


def _skip_form_parsing() -> None:
    """Stop Twisted from parsing posted forms and their Content-Type; Django parses them again anyway."""
    from twisted.web import http

    # Twisted does not parse a body whose type is not that of a form.
    module: Any = http
    module._parseContentType = lambda _: b""


def _limit_request_bodies() -> None:
    """Replace Daphne's request class, which its factory looks up for each connection, by ours."""
    from daphne import http_protocol

    from server.daphne_body_limits import LimitedRequest

    http_protocol.WebRequest = LimitedRequest


def _no_op(*_: Any, **__: Any) -> str:
    return ""


def _raise_listen_backlog(reactor: Any) -> None:
    """Raise the listen backlog from Twisted's 50. A client that the kernel turns away retries only after one second,
    then three, then seven."""
    from twisted.internet.interfaces import IListeningPort

    for reader in reactor.getReaders():
        if IListeningPort.providedBy(reader):
            reader.socket.listen(BACKLOG)
