"""Faults that people make: two agents at once, an account switched off, a flood, a reader who does not read."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from uuid import uuid4

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.faults.checker import REVOKED_SECONDS
from tests.faults.nemesis import Nemesis, fault
from tests.people import SITE_KEY
from tests.simulation.transport import Frame

CONTESTED = "cards"
ROUNDS = 3
FLOOD = 400
# So many long messages, and so many times all of them.
LONG, PAGES = 12, 250
BEGINNINGS = 3


@fault("world", "several agents take the same conversation in one moment (F22)")
async def two_agents(nemesis: Nemesis) -> None:
    world = nemesis.world
    deadline = time.monotonic() + nemesis.hold + 15
    rounds = 0
    for agent in world.agents:
        agent.is_holding_back = True
    try:
        while rounds < ROUNDS and time.monotonic() < deadline:
            rivals = [
                agent
                for agent in world.agents
                if agent.is_welcomed and agent.departments == {CONTESTED} and agent.waiting
            ]
            first = {min(agent.waiting.values(), key=_place)["id"] for agent in rivals}
            if len(rivals) < 2 or len(first) != 1:
                if not rivals:
                    with suppress(OSError, TimeoutError, websockets.WebSocketException):
                        line, _ = await _stranger(nemesis)
                        line.transport.abort()
                await asyncio.sleep(0.1)
                continue
            (uuid,) = first
            statuses = await asyncio.gather(*(agent.take(uuid) for agent in rivals))
            rounds += 200 in statuses
            if statuses.count(200) > 1:
                world.wrong("nemesis", f"{statuses.count(200)} agents took {uuid}")
    finally:
        for agent in world.agents:
            agent.is_holding_back = False
    if not rounds:
        world.wrong("nemesis", "no two agents came to take the same conversation")


def _place(row: Frame) -> tuple[int, str]:
    return -row["priority"], row["waiting_since"]


@fault("world", "an account is switched off while its console is open (F23)")
async def disabled(nemesis: Nemesis) -> None:
    world = nemesis.world
    agent = nemesis.chance.choice([one for one in world.agents if one.is_welcomed] or world.agents)
    if await _ask(nemesis, "disable", agent.name) is None:
        return
    world.history.note("disabled", who=agent.name)
    # Longer than the rule gives it.
    await asyncio.sleep(REVOKED_SECONDS + 1.5)
    world.history.note("enabled", who=agent.name)
    session = await _ask(nemesis, "enable", agent.name)
    if session:
        # The others have ended with the account.
        nemesis.bank.staff[agent.name]["sessions"] = [session]
        agent.come_back(session)


async def _ask(nemesis: Nemesis, what: str, staff: str) -> str | None:
    """Whichever process is there does it."""
    for _ in range(200):
        for process in nemesis.bank.processes:
            answer = await process.door(what, staff=staff)
            if isinstance(answer, str):
                return answer
        await asyncio.sleep(0.1)
    nemesis.world.wrong("nemesis", f"nobody could {what} {staff}")
    return None


async def _stranger(nemesis: Nemesis) -> tuple[ClientConnection, Frame]:
    """A visitor of no good intentions, with a conversation of their own; may fail like any connection."""
    world = nemesis.world
    line = await _connect(nemesis)
    await line.send(json.dumps({"kind": "hello", "site": SITE_KEY}))
    await _hear(line, "welcome")
    await line.send(json.dumps({"kind": "start", "client_id": str(uuid4()), "form": {"name": "stranger"}}))
    welcome = await _hear(line, "welcome")
    world.history.note("begin", who="stranger", conv=welcome["state"]["id"], department="cards")
    return line, welcome


async def _connect(nemesis: Nemesis) -> ClientConnection:
    world = nemesis.world
    return await connect(
        f"{world.websocket_url}/ws/chat/", origin=websockets.Origin(world.url), compression=None, proxy=None,
        open_timeout=5, ping_interval=None, close_timeout=1, max_size=None,
    )  # fmt: skip


async def _hear(line: ClientConnection, kind: str) -> Frame:
    while True:
        frame: Frame = json.loads(await asyncio.wait_for(line.recv(), 5))
        if frame["kind"] == kind:
            return frame


class Stranger:
    """What a stranger posts is kept like what anybody posts."""

    def __init__(self, nemesis: Nemesis, line: ClientConnection, conversation: str) -> None:
        self._history = nemesis.world.history
        self._line, self._conversation = line, conversation
        self._said: dict[str, str] = {}

    async def post(self, words: str) -> None:
        client_id, body = str(uuid4()), f"stranger·{self._conversation[:8]}·{len(self._said)} {words}"
        self._said[client_id] = body
        self._history.note(
            "send", who="stranger", role="visitor", conv=self._conversation, id=client_id, body=body, line=0
        )
        await self._line.send(json.dumps({"kind": "post", "client_id": client_id, "body": body}))

    async def post_again(self, line: ClientConnection) -> None:
        """Posts once more, over this line, what was posted, and hears the answer to each."""
        for client_id, body in self._said.items():
            await line.send(json.dumps({"kind": "post", "client_id": client_id, "body": body}))
            while True:
                frame: Frame = json.loads(await asyncio.wait_for(line.recv(), 5))
                if frame["kind"] in ("accepted", "refused") and frame.get("client_id") == client_id:
                    self._hear(frame)
                    break

    async def listen(self) -> None:
        with suppress(websockets.WebSocketException):
            async for text in self._line:
                self._hear(json.loads(text))

    def _hear(self, frame: Frame) -> None:
        client_id = frame.get("client_id", "")
        about = {
            "who": "stranger",
            "conv": self._conversation,
            "id": client_id,
            "body": self._said.get(client_id, ""),
        }
        if frame["kind"] == "accepted":
            self._history.note("ack", **about, seq=frame["seq"])
        elif frame["kind"] == "refused" and client_id in self._said and not frame.get("retry_after_ms"):
            self._history.note("refuse", **about, code=frame["code"])


@fault("world", "one floods: frames of every size without a pause (F17)")
async def flood(nemesis: Nemesis) -> None:
    with suppress(OSError, TimeoutError, websockets.WebSocketException):
        line, welcome = await _stranger(nemesis)
        stranger = Stranger(nemesis, line, welcome["state"]["id"])
        listening = asyncio.create_task(stranger.listen())
        try:
            await line.send('{"kind": "wave", "by": "' + "x" * 1_000_000 + '"}')
            for _ in range(FLOOD):
                await stranger.post("!")
            await asyncio.wait_for(listening, 10)
        finally:
            listening.cancel()
            line.transport.abort()


@fault("world", "one asks for everything and reads nothing (F16)")
async def slow_reader(nemesis: Nemesis) -> None:
    with suppress(OSError, TimeoutError, websockets.WebSocketException):
        line, welcome = await _stranger(nemesis)
        stranger = Stranger(nemesis, line, welcome["state"]["id"])
        for _ in range(LONG):
            await stranger.post("很长的话" * 480)
        line.transport.pause_reading()
        try:
            for _ in range(PAGES):
                await line.send('{"kind": "fetch", "after": 0}')
                await asyncio.sleep(0.01)
            await nemesis.last()
        finally:
            line.transport.abort()


@fault("world", "another conversation begins while the answer to a post is lost")
async def another_begins(nemesis: Nemesis) -> None:
    """One tab posts and hears no answer; the other ends the chat and begins the next; the first posts it again."""
    for _ in range(BEGINNINGS):
        with suppress(OSError, TimeoutError, websockets.WebSocketException):
            await _begin_another(nemesis)
            return


async def _begin_another(nemesis: Nemesis) -> None:
    one, welcome = await _stranger(nemesis)
    two = await _tab(nemesis, welcome["token"])
    tabs = [one, two]
    try:
        conversation = welcome["state"]["id"]
        stranger = Stranger(nemesis, one, conversation)
        await stranger.post("the answer to this is lost")
        await _hear(two, "message")
        one.transport.abort()
        await two.send('{"kind": "end"}')
        await _hear(two, "state")
        await two.send(json.dumps({"kind": "start", "client_id": str(uuid4()), "form": {"name": "stranger"}}))
        now = (await _hear(two, "welcome"))["state"]["id"]
        nemesis.world.history.note("begin", who="stranger", conv=now, department="cards")
        tabs.append(await _tab(nemesis, welcome["token"]))
        await stranger.post_again(tabs[-1])
    finally:
        for tab in tabs:
            tab.transport.abort()


async def _tab(nemesis: Nemesis, token: str) -> ClientConnection:
    """Another tab of the visitor whose token that is."""
    line = await _connect(nemesis)
    await line.send(json.dumps({"kind": "hello", "site": SITE_KEY, "token": token}))
    await _hear(line, "welcome")
    return line
