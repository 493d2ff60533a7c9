"""An ASGI application with a planted fault, to test that the benchmark declares such a run void.

The variable BENCH_PLANT names the fault:

- `unstored`: a post is acknowledged but never stored.
- `deleted`: a post is stored, delivered and acknowledged, and then deleted.
- `unseen`: a message does not reach the agent's screen.
"""

import json
import os
from typing import Any

from chat.realtime.transport import WebSocketTransport
from config import asgi

FAULT = os.environ["BENCH_PLANT"]
# The number of the post that suffers the fault.
VICTIM_NUMBER = 40

# Use the transport that works with any `send`. Daphne's transport needs the server's own, which this module wraps.
asgi.transport_of = WebSocketTransport
post_count = 0
victim = ""


async def application(scope: dict[str, Any], receive: Any, send: Any) -> Any:
    if scope["type"] != "websocket":
        return await asgi.application(scope, receive, send)
    is_visitor = scope["path"] == "/ws/chat/"

    async def receive_or_swallow() -> Any:
        global post_count, victim
        message = await receive()
        text = message.get("text") or ""
        if is_visitor and '"kind":"post"' in text:
            post_count += 1
            if post_count == VICTIM_NUMBER:
                victim = json.loads(text)["client_id"]
                if FAULT == "unstored":
                    accepted = {
                        "kind": "accepted",
                        "client_id": victim,
                        "seq": 9,
                        "at": "2026-01-01T00:00:00.000Z",
                    }
                    await send(
                        {"type": "websocket.send", "text": json.dumps(accepted, separators=(",", ":"))}
                    )
                    return await receive_or_swallow()
        return message

    async def send_or_alter(message: Any) -> None:
        text = message.get("text") or ""
        if victim and victim in text:
            if FAULT == "unseen" and not is_visitor:
                message = {**message, "text": text.replace(victim, "")}
            if FAULT == "deleted" and '"kind":"accepted"' in text:
                await _delete(victim)
        await send(message)

    return await asgi.application(scope, receive_or_swallow, send_or_alter)


async def _delete(client_id: str) -> None:
    from chat.models import Message

    await Message.objects.filter(client_id=client_id).adelete()
