"""Patches of Daphne and Autobahn for the whole process. docs/performance.md says why each patch is needed.

`server/daphne/transport.py` and `server/daphne/body_limits.py` use internals of single connections.
"""

from typing import Any

from autobahn.websocket import protocol as autobahn_protocol
from daphne import http_protocol
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.web import http

from server.daphne.body_limits import LimitedRequest
from server.library_internals import Internal, check_internals

# The versions whose internals this code was written against. A test compares them with the installed versions.
VERSIONS = {"daphne": "4.2.3", "Twisted": "26.10.0", "autobahn": "26.10.2"}

INTERNALS = (
    # Used by server/daphne/body_limits.py
    Internal(http_protocol.HTTPFactory, "buildProtocol", ("WebRequest", "requestFactory")),
    Internal(http.HTTPChannel, "lineReceived", ("_path", "requestFactory", "requests")),
    Internal(http.HTTPChannel, "allHeadersReceived", ("gotLength",)),
    Internal(http.HTTPChannel, "rawDataReceived"),
    Internal(http.Request, "__init__", ("parsePOSTFormSubmission",)),
    Internal(http.Request, "handleContentChunk"),
    # Used by server/daphne/transport.py
    Internal(Server, "create_application", ("partial", "handle_reply")),
    Internal(autobahn_protocol.WebSocketProtocol, "__init__", ("is_closed",)),
    Internal(WebSocketProtocol, "sendCloseFrame", ("STATE_OPEN", "closeHandshakeTimeout")),
    # Used by this module
    Internal(autobahn_protocol.WebSocketProtocol, "_connectionMade", ("pformat",)),
)


def apply_patches() -> None:
    """Apply all patches. Call it in a process of Daphne before the process listens.

    Raises ImproperlyConfigured if a library no longer has an internal name on which Lianxin depends.
    """
    check_internals(INTERNALS)
    _limit_request_bodies()
    _skip_option_listing()


def _limit_request_bodies() -> None:
    """Replace Daphne's request class with LimitedRequest. Daphne looks the class up for each connection."""
    http_protocol.WebRequest = LimitedRequest


def _skip_option_listing() -> None:
    """Stop Autobahn from formatting a list of its options at each handshake, for a debug log that Daphne discards.

    Autobahn formats the list even if nothing logs it, so no log level avoids the cost.
    """
    module: Any = autobahn_protocol
    module.pformat = _no_text


def _no_text(_: object) -> str:
    return ""
