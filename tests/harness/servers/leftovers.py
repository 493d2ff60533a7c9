"""The application, and one more door, which tells what of its sockets is still there when nobody looks for circles."""

from __future__ import annotations

import gc
from typing import Any

from config.asgi import application as production

gc.disable()

# Of ours, and of Daphne and Twisted, and of uvicorn.
OF_A_SOCKET = {
    *("VisitorConsumer", "Line"),
    *("WebSocketProtocol", "HTTPChannel", "WebRequest"),
    # Not the parsers below it: those are circles of their own making.
    "WebSocketsSansIOProtocol",
}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope.get("path") != "/leftovers":
        await production(scope, receive, send)
        return
    # The request that asks is there too.
    left = sum(type(each).__name__ in OF_A_SOCKET for each in gc.get_objects())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(left).encode()})
