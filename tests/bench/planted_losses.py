"""Lianxin with a fault of its own choice, to see that the bench calls such a run void. BENCH_PLANT names it:

unstored: a post is acknowledged and never stored. deleted: one is stored, delivered and acknowledged, and then gone.
unseen: one does not reach the agent's screen.
"""

import json
import os
from typing import Any

from config.asgi import application as lianxin

PLANT = os.environ["BENCH_PLANT"]
# Which post of the run is the victim.
NUMBER = 40

posts = 0
victim = ""


async def application(scope: dict[str, Any], receive: Any, send: Any) -> Any:
    if scope["type"] != "websocket":
        return await lianxin(scope, receive, send)
    is_box = scope["path"] == "/ws/chat/"

    async def receive_or_swallow() -> Any:
        global posts, victim
        message = await receive()
        text = message.get("text") or ""
        if is_box and '"kind":"post"' in text:
            posts += 1
            if posts == NUMBER:
                victim = json.loads(text)["client_id"]
                if PLANT == "unstored":
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

    async def send_or_spoil(message: Any) -> None:
        text = message.get("text") or ""
        if victim and victim in text:
            if PLANT == "unseen" and not is_box:
                message = {**message, "text": text.replace(victim, "")}
            if PLANT == "deleted" and '"kind":"accepted"' in text:
                await _delete(victim)
        await send(message)

    return await lianxin(scope, receive_or_swallow, send_or_spoil)


async def _delete(client_id: str) -> None:
    from chat.models import Message

    await Message.objects.filter(client_id=client_id).adelete()
