"""The load: visitors who write and agents who listen, over real sockets and the real protocol."""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

# Two thirds Chinese, of the lengths that customers write (p50 13 characters, p90 27).
TEXTS = itertools.cycle(
    [
        "你好，我的卡被取款机吞了",
        "请问营业部周末开门吗？我想下周六上午带孩子去办一张卡",
        "Why was my card declined abroad yesterday?",
        "手机银行登录不上去，一直转圈",
        "房贷提前还款要带什么材料，需要提前预约吗",
        "Hi, I have not received my new card yet.",
    ]
)


@dataclass
class Tally:
    """Seconds on one monotonic clock: when a message was meant to be sent, accepted, and on the agent's screen."""

    intended: dict[str, float] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)

    def delays_ms(self) -> list[float]:
        return sorted((self.arrived[key] - self.intended[key]) * 1000 for key in self.arrived)


@asynccontextmanager
async def socket(url: str, path: str, cookie: str = "") -> AsyncIterator[ClientConnection]:
    origin = Origin(url.replace("ws://", "http://"))
    headers = {"Cookie": cookie} if cookie else {}
    async with connect(
        url + path, origin=origin, additional_headers=headers, compression=None, ping_interval=None
    ) as connection:
        yield connection


async def say(connection: ClientConnection, **frame: Any) -> None:
    await connection.send(json.dumps(frame, ensure_ascii=False))


async def hear(connection: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(connection.recv(), 30))
        if frame["kind"] == kind:
            return frame


async def visitor(url: str, started: asyncio.Queue[str], go: asyncio.Event, posts: "Posts") -> None:
    """Begins a conversation, waits for the start, then posts what the schedule gives it."""
    async with socket(url, "/ws/chat/") as connection:
        await say(connection, kind="hello", site="bench")
        await hear(connection, "welcome")
        await say(connection, kind="start", client_id=str(uuid.uuid4()))
        welcome = await hear(connection, "welcome")
        await started.put(welcome["state"]["id"])
        await go.wait()

        async def listen() -> None:
            async for text in connection:
                frame = json.loads(text)
                if frame["kind"] == "accepted":
                    posts.tally.accepted[frame["client_id"]] = time.monotonic()
                    posts.accepted_one.set()

        listening = asyncio.create_task(listen())
        async for intended in posts.schedule():
            key = str(uuid.uuid4())
            posts.tally.intended[key] = intended
            await say(connection, kind="post", client_id=key, body=next(TEXTS))
        await posts.settle()
        listening.cancel()


async def agent(
    url: str, cookie: str, conversations: list[str], ready: asyncio.Event, posts: "Posts"
) -> None:
    """Watches conversations as the console does, and notes when each message is there."""
    async with socket(url, "/ws/console/", cookie) as connection:
        await say(connection, kind="hello")
        await hear(connection, "welcome")
        for conversation in conversations:
            await say(connection, kind="watch", conversation=conversation, after=0)
            await hear(connection, "messages")
        ready.set()
        async for text in connection:
            frame = json.loads(text)
            if frame["kind"] == "message" and frame["message"].get("client_id"):
                posts.tally.arrived.setdefault(frame["message"]["client_id"], time.monotonic())


class Posts:
    """An open schedule: `rate` messages a second, each at its own moment whether or not the server keeps up."""

    def __init__(self, *, rate: float, seconds: float) -> None:
        self.tally = Tally()
        self._count = int(rate * seconds)
        self._numbers = iter(range(self._count))
        self._rate = rate
        self.began = 0.0
        self.accepted_one = asyncio.Event()

    async def schedule(self) -> AsyncIterator[float]:
        for number in self._numbers:
            intended = self.began + number / self._rate
            await asyncio.sleep(max(0.0, intended - time.monotonic()))
            yield intended

    async def settle(self) -> None:
        """Waits until everything has been accepted and has arrived, or ten seconds are over."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            if len(self.tally.arrived) >= self._count and len(self.tally.accepted) >= self._count:
                return
            await asyncio.sleep(0.05)
