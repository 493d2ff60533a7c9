"""The ASGI application with garbage collection disabled, and an extra endpoint that counts living socket objects."""

from __future__ import annotations

import gc
from typing import Any

from config.asgi import application as production

gc.disable()

# Our classes, and classes of Daphne, Twisted and uvicorn. For each open socket, there is one object of each class that
# its server uses.
SOCKET_CLASSES = {
    *("VisitorConsumer", "DaphneTransport", "UvicornTransport"),
    *("WebSocketProtocol", "HTTPChannel", "WebRequest"),
    # The parsers that this class uses are not listed, because they form reference cycles of their own.
    "WebSocketsSansIOProtocol",
}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope.get("path") != "/leftovers":
        await production(scope, receive, send)
        return
    # The count includes the objects that serve the present request.
    count = sum(type(thing).__name__ in SOCKET_CLASSES for thing in gc.get_objects())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(count).encode()})
