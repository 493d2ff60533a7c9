"""Faults that people cause: two agents who take the same conversation, a disabled account, a flood, a slow reader."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from uuid import uuid4

from tests.faults.checker import REVOKED_SECONDS
from tests.faults.fault_schedule import FaultScheduler, fault
from tests.harness.reconnecting_socket import Frame, ReconnectingSocket
from tests.people import SITE_KEY

CONTESTED = "cards"
ROUNDS = 3
FLOOD_FRAMES = 400
# The number of long messages, and the number of times that the tab fetches all of them.
LONG_MESSAGES, FETCHES = 12, 250
ATTEMPTS = 3


@fault("clients", "several agents take the same conversation at the same moment (F22)")
async def two_agents(scheduler: FaultScheduler) -> None:
    scenario = scheduler.scenario
    deadline = time.monotonic() + scheduler.hold_seconds + 15
    rounds = 0
    tabs: list[Tab] = []
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
                    tabs.append(await begin_conversation(scheduler, CONTESTED))
                await asyncio.sleep(0.1)
                continue
            (uuid,) = first
            statuses = await asyncio.gather(*(agent.take(uuid) for agent in rivals))
            rounds += 200 in statuses
            if statuses.count(200) > 1:
                scenario.note_error("fault scheduler", f"{statuses.count(200)} agents took {uuid}")
    finally:
        for tab in tabs:
            tab.cut()
        for agent in scenario.agents:
            agent.is_holding_back = False
    if not rounds:
        scenario.note_error("fault scheduler", "no two agents tried to take the same conversation")


async def begin_conversation(scheduler: FaultScheduler, department: str) -> Tab:
    """Start a conversation of a new visitor who does not write, and return their tab. During faults it may fail."""
    for _ in range(ATTEMPTS):
        tab = Tab(scheduler)
        with suppress(OSError, TimeoutError):
            await tab.open()
            await tab.begin(department)
            break
        tab.cut()
    return tab


def _queue_position(row: Frame) -> tuple[str, str]:
    return row["queue_time"], row["id"]


@fault("clients", "an account is disabled while its console is open (F23)")
async def disabled(scheduler: FaultScheduler) -> None:
    scenario = scheduler.scenario
    agent = scheduler.rng.choice([agent for agent in scenario.agents if agent.is_welcomed] or scenario.agents)
    if await _control_any(scheduler, "disable", agent.name) is None:
        return
    scenario.history.append("disabled", who=agent.name)
    # Wait longer than the time that the rule `disabled_hears_nothing` allows.
    await asyncio.sleep(REVOKED_SECONDS + 1.5)
    scenario.history.append("enabled", who=agent.name)
    session = await _control_any(scheduler, "enable", agent.name)
    if session:
        # The agent's other sessions ended when the account was disabled.
        scheduler.bank.staff[agent.name]["sessions"] = [session]
        agent.come_back(session)


async def _control_any(scheduler: FaultScheduler, what: str, staff: str) -> str | None:
    """Send the command `what` for this staff member to any process that answers; return the response, or None."""
    for _ in range(200):
        for process in scheduler.bank.processes:
            answer = await process.control(what, staff=staff)
            if isinstance(answer, str):
                return answer
        await asyncio.sleep(0.1)
    scheduler.scenario.note_error("fault scheduler", f"no process could {what} {staff}")
    return None


class Tab:
    """A tab of a hostile visitor. It sends frames without waiting for answers, and reads the received frames one by
    one."""

    def __init__(self, scheduler: FaultScheduler) -> None:
        self._scenario = scheduler.scenario
        self._token: str | None = None
        # The received frames. None means that the connection is lost.
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._socket = ReconnectingSocket(
            f"{self._scenario.websocket_url}/ws/chat/",
            rng=scheduler.rng,
            hello=lambda: {"kind": "hello", "site": SITE_KEY, "token": self._token},
            received=self._frames.put_nowait,
            lost=lambda: self._frames.put_nowait(None),
        )
        self.cut = self._socket.cut

    async def open(self, token: str | None = None) -> Frame:
        """Connect and return the welcome. Raises OSError or TimeoutError if that fails."""
        self._token = token
        self._connection = await self._socket.connect()
        return await self.wait_for("welcome")

    def pause_reading(self) -> None:
        self._connection.pause_reading()

    async def begin(self, department: str = "cards") -> str:
        """Start a conversation and return its id."""
        self.send("start", client_id=str(uuid4()), form={"name": "stranger", "subject": department})
        conversation = (await self.wait_for("welcome"))["state"]["id"]
        self._scenario.history.append("begin", who="stranger", conv=conversation, department=department)
        return str(conversation)

    def send(self, kind: str, **fields: object) -> None:
        self._socket.write({"kind": kind, **fields})

    async def read(self) -> Frame:
        """Return the next frame.

        Raises ConnectionError if the connection is lost, and TimeoutError if no frame arrives within five seconds.
        """
        frame = await asyncio.wait_for(self._frames.get(), 5)
        if frame is None:
            raise ConnectionResetError("the connection is lost")
        return frame

    async def wait_for(self, *kinds: str) -> Frame:
        while (frame := await self.read())["kind"] not in kinds:
            pass
        return frame


class HostileVisitor:
    """A hostile visitor, whose posts are recorded in the history like those of other visitors."""

    def __init__(self, scheduler: FaultScheduler, tab: Tab, conversation: str) -> None:
        self._history = scheduler.scenario.history
        self._tab, self._conversation = tab, conversation
        self.bodies: dict[str, str] = {}

    def post(self, text: str) -> None:
        client_id, body = str(uuid4()), f"stranger·{self._conversation[:8]}·{len(self.bodies)} {text}"
        self.bodies[client_id] = body
        self._history.append("send", **self._about(client_id), role="visitor", connection=0)
        self._tab.send("post", client_id=client_id, body=body)

    async def post_again(self, tab: Tab) -> None:
        """Repeat all posts over `tab`, and wait for the answer to each."""
        for client_id, body in self.bodies.items():
            tab.send("post", client_id=client_id, body=body)
            while (frame := await tab.wait_for("accepted", "refused")).get("client_id") != client_id:
                pass
            self._record_answer(frame)

    async def listen(self) -> None:
        with suppress(ConnectionError):
            while True:
                self._record_answer(await self._tab.read())

    def _record_answer(self, frame: Frame) -> None:
        client_id = frame.get("client_id", "")
        if frame["kind"] == "accepted":
            self._history.append("ack", **self._about(client_id), seq=frame["seq"])
        elif frame["kind"] == "refused" and client_id in self.bodies and not frame.get("retry_after_ms"):
            self._history.append("refuse", **self._about(client_id), code=frame["code"])

    def _about(self, client_id: str) -> dict[str, str]:
        body = self.bodies.get(client_id, "")
        return {"who": "stranger", "conv": self._conversation, "id": client_id, "body": body}


@fault("clients", "a client floods: frames of every size without a pause (F17)")
async def flood(scheduler: FaultScheduler) -> None:
    with suppress(OSError, TimeoutError):
        tab = Tab(scheduler)
        await tab.open()
        stranger = HostileVisitor(scheduler, tab, await tab.begin())
        listening = asyncio.create_task(stranger.listen())
        try:
            tab.send("wave", by="x" * 1_000_000)
            for _ in range(FLOOD_FRAMES):
                stranger.post("!")
            await asyncio.wait_for(listening, 10)
        finally:
            listening.cancel()
            tab.cut()


@fault("clients", "a client requests everything and reads nothing (F16)")
async def slow_reader(scheduler: FaultScheduler) -> None:
    with suppress(OSError, TimeoutError):
        tab = Tab(scheduler)
        await tab.open()
        stranger = HostileVisitor(scheduler, tab, await tab.begin())
        for _ in range(LONG_MESSAGES):
            stranger.post("很长的话" * 480)
        tab.pause_reading()
        try:
            for _ in range(FETCHES):
                tab.send("fetch", after=0)
                await asyncio.sleep(0.01)
            await scheduler.hold()
        finally:
            tab.cut()


@fault("clients", "another conversation starts while the answer to a post is lost")
async def another_begins(scheduler: FaultScheduler) -> None:
    """Lose the answer to a post in one tab, start the next conversation in a second tab, and repeat the post in a
    third."""
    for _ in range(ATTEMPTS):
        with suppress(OSError, TimeoutError):
            await _start_another(scheduler)
            return


async def _start_another(scheduler: FaultScheduler) -> None:
    first_tab, second_tab, third_tab = tabs = [Tab(scheduler) for _ in range(3)]
    try:
        token = (await first_tab.open())["token"]
        stranger = HostileVisitor(scheduler, first_tab, await first_tab.begin())
        await second_tab.open(token)
        stranger.post("the answer to this is lost")
        while (await second_tab.wait_for("message"))["message"]["body"] not in stranger.bodies.values():
            # This is another message, for example of an agent who has taken the conversation. Wait for the post.
            pass
        first_tab.cut()
        second_tab.send("end")
        await second_tab.wait_for("state")
        await second_tab.begin()
        await third_tab.open(token)
        await stranger.post_again(third_tab)
    finally:
        for tab in tabs:
            tab.cut()
