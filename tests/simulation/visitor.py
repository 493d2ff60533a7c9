"""A simulated visitor: opens the widget, waits, writes, sometimes loses the network or reloads, ends, and
rates."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.simulation import pace
from tests.simulation.sources import Script, Turn
from tests.simulation.transport import Frame, ReconnectingSocket, Thread

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

CUT_SHARE, RELOAD_SHARE = 0.06, 0.04
# Seconds after which a server that does not answer counts as broken.
ANSWER_SECONDS = 30.0
# Real seconds added to every patience: however fast the pace, frames take their time.
ROUND_TRIP_SECONDS = 1.0


class Visitor:
    def __init__(self, simulation: Simulation, script: Script, rng: random.Random) -> None:
        self.simulation = simulation
        self.script = script
        self.conversation = ""
        self.status = ""
        self.thread = Thread()
        self.reloads = 0
        self.left_queue = False
        # Text by client_id in the order of sending; then seq by client_id of what was acknowledged, and
        # refusal codes.
        self.sent: dict[str, str] = {}
        self.accepted: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        self.problem = ""
        self._rng = rng
        self._token: str | None = None
        self._start: Frame | None = None
        self._pending: dict[str, Frame] = {}
        self._retry_at = 0.0
        self._is_fetching = False
        self._socket = self._new_socket()

    def _new_socket(self) -> ReconnectingSocket:
        return ReconnectingSocket(
            self.simulation.socket_url("/ws/chat/"),
            origin=self.simulation.url,
            rng=self._rng,
            hello=self._hello,
            received=self._received,
        )

    @property
    def reconnects(self) -> int:
        return max(0, self._socket.reconnects)

    # -- frames ------------------------------------------------------------------------------------------

    def _hello(self) -> Frame:
        self._is_fetching = False
        hello: Frame = {
            "kind": "hello",
            "site": self.simulation.site,
            "version": 1,
            "token": self._token,
            "language": self.script.language,
            "page": self.script.page,
            "device": self.script.device,
        }
        if self.thread.head:
            hello |= {"conversation": self.conversation, "after": self.thread.head}
        return hello

    def _received(self, frame: Frame) -> None:
        match frame["kind"]:
            case "welcome":
                self._welcome(frame)
            case "accepted":
                self._note_accepted(frame["client_id"], frame["seq"])
            case "refused":
                self._handle_refusal(frame)
            case "message":
                self._add_message(frame["message"])
                self._send_read_mark()
            case "messages":
                self._is_fetching = False
                for message in frame["messages"]:
                    self._add_message(message)
                if frame["more"]:
                    self._fetch()
            case "state":
                self.status = frame["state"]["status"]
            case "pong" if frame["head"] > self.thread.head:
                self._fetch()

    def _welcome(self, frame: Frame) -> None:
        self._token = frame["token"]
        state = frame["state"]
        if state is None:
            if self._start is not None:
                self._send_soon(self._start)
            return
        if not frame.get("recovered", True):
            self.thread.messages.clear()
        self.conversation, self.status = state["id"], state["status"]
        self._start = None
        self.simulation.scripts[self.conversation] = self.script
        for message in frame["messages"]:
            self._add_message(message)
        if frame.get("more"):
            self._fetch()
        self._send_read_mark()
        for post in list(self._pending.values()):
            self._send_soon(post)

    def _add_message(self, message: Frame) -> None:
        if message.get("client_id") in self._pending:
            self._note_accepted(message["client_id"], message["seq"])
        if self.thread.add(message):
            self._fetch()

    def _send_read_mark(self) -> None:
        if self.thread.messages and self.thread.messages[-1]["role"] != "visitor":
            self._send_soon({"kind": "seen", "received": self.thread.head, "read": self.thread.head})

    def _note_accepted(self, client_id: str, seq: int) -> None:
        self._pending.pop(client_id, None)
        if self.accepted.setdefault(client_id, seq) != seq:
            self.problem = f"{client_id} was accepted as {self.accepted[client_id]} and as {seq}"

    def _handle_refusal(self, frame: Frame) -> None:
        client_id, retry = frame.get("client_id", ""), frame.get("retry_after_ms", 0)
        post = self._pending.get(client_id) or self._start
        if retry and post is not None:
            asyncio.get_running_loop().call_later(retry / 1000, self._send_soon, post)
        elif client_id in self._pending:
            self.refused[client_id] = frame["code"]
            del self._pending[client_id]
        elif frame["code"] not in ("not_found", "rating_refused"):
            self.problem = f"refused: {frame['code']}"

    def _fetch(self) -> None:
        if not self._is_fetching:
            self._is_fetching = True
            self._send_soon({"kind": "fetch", "after": self.thread.head})

    def _send_soon(self, frame: Frame) -> None:
        if frame["kind"] == "post" and frame["client_id"] not in self._pending:
            return
        self.simulation.spawn(self._socket.send(frame))

    # -- the run ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play the script from the click on the launcher to the end of the conversation. The socket stays
        open afterwards."""
        self.simulation.spawn(self._socket.run())
        if not await self._socket.until(lambda: self._token is not None, ANSWER_SECONDS):
            self.problem = self.problem or self._socket.error or "no welcome"
            return
        form = {"subject": self.script.department} | ({"name": self.script.name} if self.script.name else {})
        self._start = {"kind": "start", "client_id": str(uuid4()), "form": form}
        await self._socket.send(self._start)
        if not await self._socket.until(lambda: bool(self.conversation), ANSWER_SECONDS):
            self.problem = self.problem or self._socket.error or "the conversation did not start"
            return
        if await self._play_script() and self.script.end == "agent" and self.simulation.has_agents:
            await self._socket.until(lambda: not self._is_open, ANSWER_SECONDS)
        await self._end()

    @property
    def _is_open(self) -> bool:
        return self.status in ("waiting", "active")

    async def _play_script(self) -> bool:
        """Send the visitor's turns; return whether the end of the script was reached."""
        answers = 0
        for index, turn in enumerate(self.script.turns):
            if turn.by == "agent":
                answers += 1
            if turn.by != "visitor":
                continue
            if not await self._wait_for_answers(answers):
                return False
            if index:
                await self._pause()
            if not self._is_open or self.simulation.is_over:
                return False
            await self._send_message(turn)
        return await self._wait_for_answers(answers)

    async def _wait_for_answers(self, answers: int) -> bool:
        """Wait for an agent and for as many answers as the script has; human agents need not know the script."""
        if self.script.end == "left":
            return True
        if answers == 0 and not self.simulation.has_agents:
            return True
        if self.status == "waiting" and answers:
            seconds = self.simulation.real(pace.patience(self._rng)) + ROUND_TRIP_SECONDS
            await self._socket.until(lambda: self.status != "waiting" or self.simulation.is_over, seconds)
            if self.status == "waiting":
                self.left_queue = True
                return False
        expected = answers if self.simulation.has_agents else self._answers_before_last_message()
        seconds = self.simulation.real(300) + ANSWER_SECONDS
        return await self._socket.until(
            lambda: self._agent_count() >= expected or not self._is_open or self.simulation.is_over, seconds
        )

    def _agent_count(self) -> int:
        return sum(message["role"] == "agent" for message in self.thread.messages)

    def _answers_before_last_message(self) -> int:
        """With human agents: one more answer than there were when this visitor last wrote."""
        own = [index for index, message in enumerate(self.thread.messages) if message["role"] == "visitor"]
        if not own:
            return 0
        return 1 + [message["role"] for message in self.thread.messages[: own[-1]]].count("agent")

    async def _pause(self) -> None:
        seconds = self.simulation.real(pace.CUSTOMER.draw(self._rng))
        await self._socket.send({"kind": "typing"})
        await asyncio.sleep(seconds)
        if self._rng.random() < RELOAD_SHARE:
            # The token and the unaccepted messages are in session storage, so they survive a reload.
            self.reloads += 1
            self.thread.messages.clear()
            self._socket.cut()

    async def _send_message(self, turn: Turn) -> None:
        client_id = str(uuid4())
        self.sent[client_id] = turn.text
        self._pending[client_id] = {"kind": "post", "client_id": client_id, "body": turn.text}
        self.simulation.sent_at[client_id] = time.monotonic()
        await self._socket.send(self._pending[client_id])
        if self._rng.random() < CUT_SHARE:
            self._socket.cut()
        if not await self._socket.until(lambda: client_id not in self._pending, ANSWER_SECONDS):
            self.problem = self.problem or self._socket.error or "a message was neither accepted nor refused"

    async def _end(self) -> None:
        while self._is_open and not self._socket.error:
            await self._socket.send({"kind": "end"})
            if await self._socket.until(lambda: not self._is_open, 5):
                break
            if self.simulation.is_stopping:
                self.problem = self.problem or "the conversation did not end"
                return
        if self.script.rating is not None and not self.left_queue and self._agent_count():
            comment = self.script.rating_comment
            await self._socket.send({"kind": "rate", "score": self.script.rating, "comment": comment})

    # -- the check ---------------------------------------------------------------------------------------

    async def wait_for_head(self, head: int, seconds: float) -> bool:
        """Return whether this screen shows everything up to `head` in time; a heartbeat reveals what it
        missed."""
        await self._socket.send({"kind": "ping"})
        return await self._socket.until(lambda: self.thread.head >= head, seconds)

    async def reopened(self, seconds: float) -> list[Frame]:
        """Return the conversation as a new widget with the same token shows it."""
        other = Visitor(self.simulation, self.script, self._rng)
        other._token = self._token
        self.simulation.spawn(other._socket.run())
        await other._socket.until(lambda: bool(other.conversation), seconds)
        await other._socket.send({"kind": "ping"})
        await other._socket.until(lambda: other.thread.head >= self.thread.head, seconds)
        await other._socket.close()
        return other.thread.messages

    async def close(self) -> None:
        await self._socket.close()
