"""A visitor: opens the box, waits, talks, loses the network now and then, reloads, ends, rates."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.simulation import pace
from tests.simulation.sources import Script, Turn
from tests.simulation.transport import Frame, Line, Thread

if TYPE_CHECKING:
    from tests.simulation.world import World

CUTS, RELOADS = 0.06, 0.04
# A server that does not answer for so long is not slow any more.
ANSWER_SECONDS = 30.0
# However fast the pace, frames take their time.
ROUND_TRIP_SECONDS = 1.0


class Visitor:
    def __init__(self, world: World, script: Script, chance: random.Random) -> None:
        self.world = world
        self.script = script
        self.conversation = ""
        self.status = ""
        self.thread = Thread()
        self.reloads = 0
        self.left_queue = False
        # In the order in which they were sent: client_id to text; and what was acknowledged, to its seq.
        self.sent: dict[str, str] = {}
        self.accepted: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        self.problem = ""
        self._chance = chance
        self._token: str | None = None
        self._start: Frame | None = None
        self._pending: dict[str, Frame] = {}
        self._retry_at = 0.0
        self._is_fetching = False
        self._line = self._new_line()

    def _new_line(self) -> Line:
        return Line(
            self.world.socket_url("/ws/chat/"),
            origin=self.world.url,
            chance=self._chance,
            hello=self._hello,
            received=self._received,
        )

    @property
    def reconnects(self) -> int:
        return max(0, self._line.reconnects)

    # -- frames ------------------------------------------------------------------------------------------

    def _hello(self) -> Frame:
        self._is_fetching = False
        hello: Frame = {
            "kind": "hello",
            "site": self.world.site,
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
                self._settle(frame["client_id"], frame["seq"])
            case "refused":
                self._refusal(frame)
            case "message":
                self._place(frame["message"])
                self._seen()
            case "messages":
                self._is_fetching = False
                for message in frame["messages"]:
                    self._place(message)
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
                self._later(self._start)
            return
        if not frame.get("recovered", True):
            self.thread.messages.clear()
        self.conversation, self.status = state["id"], state["status"]
        self._start = None
        self.world.scripts[self.conversation] = self.script
        for message in frame["messages"]:
            self._place(message)
        if frame.get("more"):
            self._fetch()
        self._seen()
        for post in list(self._pending.values()):
            self._later(post)

    def _place(self, message: Frame) -> None:
        if message.get("client_id") in self._pending:
            self._settle(message["client_id"], message["seq"])
        if self.thread.place(message):
            self._fetch()

    def _seen(self) -> None:
        if self.thread.messages and self.thread.messages[-1]["role"] != "visitor":
            self._later({"kind": "seen", "received": self.thread.head, "read": self.thread.head})

    def _settle(self, client_id: str, seq: int) -> None:
        self._pending.pop(client_id, None)
        if self.accepted.setdefault(client_id, seq) != seq:
            self.problem = f"{client_id} was accepted as {self.accepted[client_id]} and as {seq}"

    def _refusal(self, frame: Frame) -> None:
        client_id, retry = frame.get("client_id", ""), frame.get("retry_after_ms", 0)
        post = self._pending.get(client_id) or self._start
        if retry and post is not None:
            asyncio.get_running_loop().call_later(retry / 1000, self._later, post)
        elif client_id in self._pending:
            self.refused[client_id] = frame["code"]
            del self._pending[client_id]
        elif frame["code"] not in ("not_found", "rating_refused"):
            self.problem = f"refused: {frame['code']}"

    def _fetch(self) -> None:
        if not self._is_fetching:
            self._is_fetching = True
            self._later({"kind": "fetch", "after": self.thread.head})

    def _later(self, frame: Frame) -> None:
        if frame["kind"] == "post" and frame["client_id"] not in self._pending:
            return
        self.world.spawn(self._line.send(frame))

    # -- a life ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """From the click on the launcher until the conversation has ended; the line stays up to hear the rest."""
        self.world.spawn(self._line.run())
        if not await self._line.until(lambda: self._token is not None, ANSWER_SECONDS):
            self.problem = self.problem or self._line.error or "no welcome"
            return
        form = {"subject": self.script.department} | ({"name": self.script.name} if self.script.name else {})
        self._start = {"kind": "start", "client_id": str(uuid4()), "form": form}
        await self._line.send(self._start)
        if not await self._line.until(lambda: bool(self.conversation), ANSWER_SECONDS):
            self.problem = self.problem or self._line.error or "the conversation did not start"
            return
        if await self._talk() and self.script.end == "agent" and self.world.has_agents:
            await self._line.until(lambda: not self._is_open, ANSWER_SECONDS)
        await self._end()

    @property
    def _is_open(self) -> bool:
        return self.status in ("waiting", "active")

    async def _talk(self) -> bool:
        """Says its turns; returns whether it came to the end of them."""
        answers = 0
        for index, turn in enumerate(self.script.turns):
            if turn.by == "agent":
                answers += 1
            if turn.by != "visitor":
                continue
            if not await self._answered(answers):
                return False
            if index:
                await self._pause()
            if not self._is_open or self.world.is_over:
                return False
            await self._say(turn)
        return await self._answered(answers)

    async def _answered(self, answers: int) -> bool:
        """Waits for somebody to come and for as many answers as the dialogue has; a person need not know it."""
        if self.script.end == "left":
            return True
        if answers == 0 and not self.world.has_agents:
            return True
        if self.status == "waiting" and answers:
            seconds = self.world.real(pace.patience(self._chance)) + ROUND_TRIP_SECONDS
            await self._line.until(lambda: self.status != "waiting" or self.world.is_over, seconds)
            if self.status == "waiting":
                self.left_queue = True
                return False
        wanted = answers if self.world.has_agents else self._own_spoken_since()
        seconds = self.world.real(300) + ANSWER_SECONDS
        return await self._line.until(
            lambda: self._agent_count() >= wanted or not self._is_open or self.world.is_over, seconds
        )

    def _agent_count(self) -> int:
        return sum(message["role"] == "agent" for message in self.thread.messages)

    def _own_spoken_since(self) -> int:
        """With people in the console: one answer more than there were when this visitor last spoke."""
        said = [index for index, message in enumerate(self.thread.messages) if message["role"] == "visitor"]
        if not said:
            return 0
        return 1 + [message["role"] for message in self.thread.messages[: said[-1]]].count("agent")

    async def _pause(self) -> None:
        seconds = self.world.real(pace.CUSTOMER.draw(self._chance))
        await self._line.send({"kind": "typing"})
        await asyncio.sleep(seconds)
        if self._chance.random() < RELOADS:
            # What is not yet accepted and the token live in session storage, and so through a reload.
            self.reloads += 1
            self.thread.messages.clear()
            self._line.cut()

    async def _say(self, turn: Turn) -> None:
        client_id = str(uuid4())
        self.sent[client_id] = turn.text
        self._pending[client_id] = {"kind": "post", "client_id": client_id, "body": turn.text}
        self.world.said_at[client_id] = time.monotonic()
        await self._line.send(self._pending[client_id])
        if self._chance.random() < CUTS:
            self._line.cut()
        if not await self._line.until(lambda: client_id not in self._pending, ANSWER_SECONDS):
            self.problem = self.problem or self._line.error or "a message was neither accepted nor refused"

    async def _end(self) -> None:
        while self._is_open and not self._line.error:
            await self._line.send({"kind": "end"})
            if await self._line.until(lambda: not self._is_open, 5):
                break
            if self.world.is_stopping:
                self.problem = self.problem or "the conversation did not end"
                return
        if self.script.rating is not None and not self.left_queue and self._agent_count():
            comment = self.script.rating_comment
            await self._line.send({"kind": "rate", "score": self.script.rating, "comment": comment})

    # -- the check ---------------------------------------------------------------------------------------

    async def reaches(self, head: int, seconds: float) -> bool:
        """Whether this screen shows everything up to `head` by then; a heartbeat tells it of what it missed."""
        await self._line.send({"kind": "ping"})
        return await self._line.until(lambda: self.thread.head >= head, seconds)

    async def as_stored(self, seconds: float) -> list[Frame]:
        """The conversation as a box sees it that is opened anew with the same token."""
        other = Visitor(self.world, self.script, self._chance)
        other._token = self._token
        self.world.spawn(other._line.run())
        await other._line.until(lambda: bool(other.conversation), seconds)
        await other._line.send({"kind": "ping"})
        await other._line.until(lambda: other.thread.head >= self.thread.head, seconds)
        await other._line.close()
        return other.thread.messages

    async def close(self) -> None:
        await self._line.close()
