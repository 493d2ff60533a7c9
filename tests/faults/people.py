"""Faults that people cause: two agents at once, a disabled account, a flood, a client that does not read."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from uuid import uuid4

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.faults.checker import REVOKED_SECONDS
from tests.faults.fault_schedule import FaultScheduler, fault
from tests.people import SITE_KEY
from tests.simulation.transport import Frame

CONTESTED = "cards"
ROUNDS = 3
FLOOD_FRAMES = 400
# The number of long messages, and the number of times that all of them are fetched.
LONG_MESSAGES, FETCHES = 12, 250
ATTEMPTS = 3


@fault("clients", "several agents take the same conversation at the same moment (F22)")
async def two_agents(scheduler: FaultScheduler) -> None:
    scenario = scheduler.scenario
    deadline = time.monotonic() + scheduler.hold_seconds + 15
    rounds = 0
    for agent in scenario.agents:
        agent.is_holding_back = True
    try:
        while rounds < ROUNDS and time.monotonic() < deadline:
            rivals = [
                agent
                for agent in scenario.agents
                if agent.is_welcomed and agent.departments == {CONTESTED} and agent.waiting
            ]
            first = {min(agent.waiting.values(), key=_queue_position)["id"] for agent in rivals}
            if len(rivals) < 2 or len(first) != 1:
                if not rivals:
                    with suppress(OSError, TimeoutError, websockets.WebSocketException):
                        socket, _ = await _open_hostile(scheduler)
                        socket.transport.abort()
                await asyncio.sleep(0.1)
                continue
            (uuid,) = first
            statuses = await asyncio.gather(*(agent.take(uuid) for agent in rivals))
            rounds += 200 in statuses
            if statuses.count(200) > 1:
                scenario.note_error("fault scheduler", f"{statuses.count(200)} agents took {uuid}")
    finally:
        for agent in scenario.agents:
            agent.is_holding_back = False
    if not rounds:
        scenario.note_error("fault scheduler", "no two agents tried to take the same conversation")


def _queue_position(row: Frame) -> tuple[int, str]:
    return -row["priority"], row["waiting_since"]


@fault("clients", "an account is disabled while its console is open (F23)")
async def disabled(scheduler: FaultScheduler) -> None:
    scenario = scheduler.scenario
    agent = scheduler.rng.choice([agent for agent in scenario.agents if agent.is_welcomed] or scenario.agents)
    if await _control_any(scheduler, "disable", agent.name) is None:
        return
    scenario.history.append("disabled", who=agent.name)
    # Longer than the rule `disabled_hears_nothing` allows.
    await asyncio.sleep(REVOKED_SECONDS + 1.5)
    scenario.history.append("enabled", who=agent.name)
    session = await _control_any(scheduler, "enable", agent.name)
    if session:
        # The agent's other sessions ended when the account was disabled.
        scheduler.bank.staff[agent.name]["sessions"] = [session]
        agent.come_back(session)


async def _control_any(scheduler: FaultScheduler, what: str, staff: str) -> str | None:
    """Call the endpoint on any process that answers."""
    for _ in range(200):
        for process in scheduler.bank.processes:
            answer = await process.control(what, staff=staff)
            if isinstance(answer, str):
                return answer
        await asyncio.sleep(0.1)
    scheduler.scenario.note_error("fault scheduler", f"no process could {what} {staff}")
    return None


async def _open_hostile(scheduler: FaultScheduler) -> tuple[ClientConnection, Frame]:
    """Open a hostile visitor's socket with a conversation of its own. Raises what any connection may raise."""
    scenario = scheduler.scenario
    socket = await _connect(scheduler)
    await socket.send(json.dumps({"kind": "hello", "site": SITE_KEY}))
    await _wait_for(socket, "welcome")
    await socket.send(json.dumps({"kind": "start", "client_id": str(uuid4()), "form": {"name": "stranger"}}))
    welcome = await _wait_for(socket, "welcome")
    scenario.history.append("begin", who="stranger", conv=welcome["state"]["id"], department="cards")
    return socket, welcome


async def _connect(scheduler: FaultScheduler) -> ClientConnection:
    scenario = scheduler.scenario
    return await connect(
        f"{scenario.websocket_url}/ws/chat/", origin=websockets.Origin(scenario.url), compression=None, proxy=None,
        open_timeout=5, ping_interval=None, close_timeout=1, max_size=None,
    )  # fmt: skip


async def _wait_for(socket: ClientConnection, kind: str) -> Frame:
    while True:
        frame: Frame = json.loads(await asyncio.wait_for(socket.recv(), 5))
        if frame["kind"] == kind:
            return frame


class HostileVisitor:
    """A hostile visitor whose posts are recorded like anyone's."""

    def __init__(self, scheduler: FaultScheduler, socket: ClientConnection, conversation: str) -> None:
        self._history = scheduler.scenario.history
        self._socket, self._conversation = socket, conversation
        self.bodies: dict[str, str] = {}

    async def post(self, text: str) -> None:
        client_id, body = str(uuid4()), f"stranger·{self._conversation[:8]}·{len(self.bodies)} {text}"
        self.bodies[client_id] = body
        self._history.append(
            "send",
            who="stranger",
            role="visitor",
            conv=self._conversation,
            id=client_id,
            body=body,
            connection=0,
        )
        await self._socket.send(json.dumps({"kind": "post", "client_id": client_id, "body": body}))

    async def post_again(self, socket: ClientConnection) -> None:
        """Post everything again over `socket`, and wait for the answer to each."""
        for client_id, body in self.bodies.items():
            await socket.send(json.dumps({"kind": "post", "client_id": client_id, "body": body}))
            while True:
                frame: Frame = json.loads(await asyncio.wait_for(socket.recv(), 5))
                if frame["kind"] in ("accepted", "refused") and frame.get("client_id") == client_id:
                    self._hear(frame)
                    break

    async def listen(self) -> None:
        with suppress(websockets.WebSocketException):
            async for text in self._socket:
                self._hear(json.loads(text))

    def _hear(self, frame: Frame) -> None:
        client_id = frame.get("client_id", "")
        fields = {
            "who": "stranger",
            "conv": self._conversation,
            "id": client_id,
            "body": self.bodies.get(client_id, ""),
        }
        if frame["kind"] == "accepted":
            self._history.append("ack", **fields, seq=frame["seq"])
        elif frame["kind"] == "refused" and client_id in self.bodies and not frame.get("retry_after_ms"):
            self._history.append("refuse", **fields, code=frame["code"])


@fault("clients", "a client floods: frames of every size without a pause (F17)")
async def flood(scheduler: FaultScheduler) -> None:
    with suppress(OSError, TimeoutError, websockets.WebSocketException):
        socket, welcome = await _open_hostile(scheduler)
        stranger = HostileVisitor(scheduler, socket, welcome["state"]["id"])
        listening = asyncio.create_task(stranger.listen())
        try:
            await socket.send('{"kind": "wave", "by": "' + "x" * 1_000_000 + '"}')
            for _ in range(FLOOD_FRAMES):
                await stranger.post("!")
            await asyncio.wait_for(listening, 10)
        finally:
            listening.cancel()
            socket.transport.abort()


@fault("clients", "a client requests everything and reads nothing (F16)")
async def slow_reader(scheduler: FaultScheduler) -> None:
    with suppress(OSError, TimeoutError, websockets.WebSocketException):
        socket, welcome = await _open_hostile(scheduler)
        stranger = HostileVisitor(scheduler, socket, welcome["state"]["id"])
        for _ in range(LONG_MESSAGES):
            await stranger.post("很长的话" * 480)
        socket.transport.pause_reading()
        try:
            for _ in range(FETCHES):
                await socket.send('{"kind": "fetch", "after": 0}')
                await asyncio.sleep(0.01)
            await scheduler.hold()
        finally:
            socket.transport.abort()


@fault("clients", "another conversation starts while the answer to a post is lost")
async def another_begins(scheduler: FaultScheduler) -> None:
    """One tab posts and its answer is lost; another tab ends the conversation and starts the next; a third
    repeats the post."""
    for _ in range(ATTEMPTS):
        with suppress(OSError, TimeoutError, websockets.WebSocketException):
            await _start_another(scheduler)
            return


async def _start_another(scheduler: FaultScheduler) -> None:
    first_tab, welcome = await _open_hostile(scheduler)
    second_tab = await _open_tab(scheduler, welcome["token"])
    tabs = [first_tab, second_tab]
    try:
        conversation = welcome["state"]["id"]
        stranger = HostileVisitor(scheduler, first_tab, conversation)
        await stranger.post("the answer to this is lost")
        while (await _wait_for(second_tab, "message"))["message"]["body"] not in stranger.bodies.values():
            # An agent has taken the conversation: the post may still be on its way.
            pass
        first_tab.transport.abort()
        await second_tab.send('{"kind": "end"}')
        await _wait_for(second_tab, "state")
        await second_tab.send(
            json.dumps({"kind": "start", "client_id": str(uuid4()), "form": {"name": "stranger"}})
        )
        now = (await _wait_for(second_tab, "welcome"))["state"]["id"]
        scheduler.scenario.history.append("begin", who="stranger", conv=now, department="cards")
        tabs.append(await _open_tab(scheduler, welcome["token"]))
        await stranger.post_again(tabs[-1])
    finally:
        for tab in tabs:
            tab.transport.abort()


async def _open_tab(scheduler: FaultScheduler, token: str) -> ClientConnection:
    """Open another tab of the visitor with this token."""
    socket = await _connect(scheduler)
    await socket.send(json.dumps({"kind": "hello", "site": SITE_KEY, "token": token}))
    await _wait_for(socket, "welcome")
    return socket
