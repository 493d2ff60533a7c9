"""The ASGI application for `scripts/test --slow`, which delays every request and every frame from a browser.

With these delays, a test that looks at a page before the server's answer has arrived fails every time, and not only on
a busy machine.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from config.asgi import application as lianxin

REQUEST_DELAY_SECONDS = 0.4
FRAME_DELAY_SECONDS = 0.2
FILE_DELAY_SECONDS = 0.05

Receive = Callable[[], Awaitable[dict[str, Any]]]


async def application(scope: dict[str, Any], receive: Receive, send: Any) -> Any:
    if scope["type"] == "http":
        is_file = scope["path"].startswith("/static/")
        await asyncio.sleep(FILE_DELAY_SECONDS if is_file else REQUEST_DELAY_SECONDS)
        return await lianxin(scope, receive, send)
    arrived: asyncio.Queue[tuple[float, dict[str, Any]]] = asyncio.Queue()

    async def receive_all() -> None:
        while True:
            arrived.put_nowait((time.monotonic(), await receive()))

    async def receive_late() -> dict[str, Any]:
        at, message = await arrived.get()
        await asyncio.sleep(at + FRAME_DELAY_SECONDS - time.monotonic())
        return message

    receiving = asyncio.create_task(receive_all())
    try:
        return await lianxin(scope, receive_late, send)
    finally:
        receiving.cancel()
