"""An agent: signs in by the form, takes who waits, answers over POSTs what the dialogue has, closes."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.simulation import pace, sources
from tests.simulation.signed_in import SignedIn
from tests.simulation.sources import Script, Turn
from tests.simulation.transport import Frame, Line, Thread

if TYPE_CHECKING:
    from tests.simulation.world import World

CUTS = 0.03
ANSWER_SECONDS = 30.0
# How long a visitor of nobody's script may be silent, in simulated seconds.
SILENCE_SECONDS = 180.0


class Agent:
    def __init__(self, world: World, username: str, chance: random.Random, capacity: int = 8) -> None:
        self.world = world
        self.username = username
        self.threads: dict[str, Thread] = {}
        # Of each conversation, what this agent sent (client_id to text), and what was acknowledged.
        self.sent: dict[str, dict[str, str]] = {}
        self.accepted: dict[str, dict[str, int]] = {}
        self.problems: list[str] = []
        self._chance = chance
        self._capacity = capacity
        self._rows: dict[str, Frame] = {}
        self._waiting: set[str] = set()
        self._mine: set[str] = set()
        self._fetching: set[str] = set()
        self._http = SignedIn(world.url)
        self._line: Line

    async def start(self) -> None:
        """Signs in, opens the console's socket and goes online. Raises SignInFailed."""
        await self._http.sign_in(self.username, self.world.password)
        self._line = Line(
            self.world.socket_url("/ws/console/"),
            origin=self.world.url,
            chance=self._chance,
            hello=lambda: {"kind": "hello", "version": 1},
            received=self._received,
            headers=self._http.headers,
        )
        self.world.spawn(self._line.run())
        await self._line.until(lambda: self._line.is_open, ANSWER_SECONDS)
        status, _ = await self._http.post("/console/presence", {"status": "online"})
        if status != 200:
            self.problems.append(f"{self.username} cannot go online: {status}")
        self.world.spawn(self._take_next())

    @property
    def reconnects(self) -> int:
        return max(0, self._line.reconnects)

    # -- frames ------------------------------------------------------------------------------------------

    def _received(self, frame: Frame) -> None:
        match frame["kind"]:
            case "welcome":
                self._waiting.clear()
                for row in frame["rows"]:
                    self._row(row, True)
                self._fetching.clear()
                for uuid, thread in self.threads.items():
                    self._later({"kind": "watch", "conversation": uuid, "after": thread.head})
            case "conversation":
                self._row(frame["row"], frame["listed"])
            case "message" if frame["conversation"] in self.threads:
                self._place(frame["conversation"], frame["message"])
                if "row" in frame:
                    self._row(frame["row"], True)
            case "messages" if frame["conversation"] in self.threads:
                uuid = frame["conversation"]
                self._fetching.discard(uuid)
                for message in frame["messages"]:
                    self._place(uuid, message)
                if frame["more"] or frame["head"] > self.threads[uuid].head:
                    self._fetch(uuid)
            case "pong":
                for uuid, head in frame["heads"].items():
                    if uuid in self.threads and head > self.threads[uuid].head:
                        self._fetch(uuid)
            case "bye" if frame["code"] == "access_revoked":
                self.problems.append(f"{self.username} lost the console")

    def _row(self, row: Frame, is_listed: bool) -> None:
        uuid = row["id"]
        self._rows[uuid] = row
        if is_listed and row["status"] == "waiting":
            self._waiting.add(uuid)
        else:
            self._waiting.discard(uuid)

    def _place(self, uuid: str, message: Frame) -> None:
        client_id = message.get("client_id", "")
        if client_id in self.world.said_at and message["role"] == "visitor":
            self.world.latencies.append(time.monotonic() - self.world.said_at.pop(client_id))
        if self.threads[uuid].place(message):
            self._fetch(uuid)

    def _fetch(self, uuid: str) -> None:
        if uuid not in self._fetching:
            self._fetching.add(uuid)
            self._later({"kind": "fetch", "conversation": uuid, "after": self.threads[uuid].head})

    def _later(self, frame: Frame) -> None:
        self.world.spawn(self._line.send(frame))

    # -- work --------------------------------------------------------------------------------------------

    async def _take_next(self) -> None:
        while not self.world.is_stopping:
            can_take = await self._line.until(
                lambda: self.world.is_stopping or bool(self._waiting and len(self._mine) < self._capacity), 5
            )
            if self._line.error:
                self.problems.append(f"{self.username}: {self._line.error}")
                return
            if not can_take or self.world.is_stopping:
                continue
            status, text = await self._http.post("/console/next")
            if status == 200:
                uuid = json.loads(text)["conversation"]
                self._mine.add(uuid)
                self.world.spawn(self._serve(uuid))
            elif status == 409:
                # Somebody was quicker; the lists say so in a moment.
                self._waiting.clear()
            else:
                self.problems.append(f"taking the next answers {status}")
                return

    async def _serve(self, uuid: str) -> None:
        thread = self.threads[uuid] = Thread()
        self.sent[uuid], self.accepted[uuid] = {}, {}
        await self._line.send({"kind": "watch", "conversation": uuid, "after": 0})
        await self._line.until(lambda: thread.head > 0, ANSWER_SECONDS)
        script = self.world.scripts.get(uuid)
        if script is None:
            await self._improvise(uuid)
        else:
            await self._follow(uuid, script)
        await self._close(uuid)
        self._mine.discard(uuid)
        self._line.notify()

    def _status(self, uuid: str) -> str:
        return str(self._rows[uuid]["status"]) if uuid in self._rows else "active"

    def _is_open(self, uuid: str) -> bool:
        return self._status(uuid) in ("waiting", "active") and not self.world.is_over

    def _visitor_count(self, uuid: str) -> int:
        return sum(message["role"] == "visitor" for message in self.threads[uuid].messages)

    async def _follow(self, uuid: str, script: Script) -> None:
        """Says the agent's turns of the dialogue, each after the visitor's turns before it."""
        said_by_visitor = 0
        ends_at = asyncio.get_running_loop().time() + self.world.real(pace.SERVICE.draw(self._chance) * 4)
        for turn in script.turns:
            if turn.by == "visitor":
                said_by_visitor += 1
                continue
            wanted = said_by_visitor
            await self._line.until(
                lambda wanted=wanted: self._visitor_count(uuid) >= wanted or not self._is_open(uuid),  # type: ignore[misc]
                self.world.real(600) + ANSWER_SECONDS,
            )
            if not self._is_open(uuid):
                return
            if turn.by == "note":
                fields = {"client_id": str(uuid4()), "body": turn.text}
                status, _ = await self._http.post(f"/console/conversations/{uuid}/notes", fields)
                if status != 204:
                    self.problems.append(f"a note was answered with {status}")
            else:
                await self._say(uuid, turn)
            if asyncio.get_running_loop().time() > ends_at and script.end == "agent":
                return
        if script.end != "agent":
            await self._line.until(lambda: not self._is_open(uuid), self.world.real(600) + ANSWER_SECONDS)
        else:
            await self._line.until(
                lambda: self._visitor_count(uuid) >= said_by_visitor or not self._is_open(uuid),
                self.world.real(120) + ANSWER_SECONDS,
            )

    async def _improvise(self, uuid: str) -> None:
        """Somebody who is not of this simulation: answers until they are silent."""
        language = self._rows[uuid]["language"] if uuid in self._rows else "zh"
        answers = 0
        while self._is_open(uuid):
            spoken = self._visitor_count(uuid)
            await self._say(uuid, Turn("agent", sources.generic(language, answers)))
            answers += 1
            seconds = self.world.real(SILENCE_SECONDS)
            if not await self._line.until(
                lambda spoken=spoken: self._visitor_count(uuid) > spoken or not self._is_open(uuid),  # type: ignore[misc]
                seconds,
            ):
                return

    async def _say(self, uuid: str, turn: Turn) -> None:
        client_id = str(uuid4())
        head = self.threads[uuid].head
        await self._line.send({"kind": "seen", "conversation": uuid, "received": head, "read": head})
        await self._line.send({"kind": "typing", "conversation": uuid})
        await asyncio.sleep(self.world.real(pace.AGENT.draw(self._chance)))
        if not self._is_open(uuid):
            return
        self.sent[uuid][client_id] = turn.text
        if self._chance.random() < CUTS:
            self._line.cut()
        document = {"client_id": client_id, "body": turn.text, "choices": list(turn.choices)}
        for _ in range(20):
            status, text = await self._http.post(f"/console/conversations/{uuid}/messages", document=document)
            if status == 200:
                self.accepted[uuid][client_id] = json.loads(text)["accepted"]["seq"]
                return
            if status not in (0, 429, 503):
                if json.loads(text or "{}").get("refused", {}).get("code") != "closed":
                    self.problems.append(f"an answer was refused with {status}: {text[:200]}")
                return
            # The same client_id again: it is harmless if the first one was stored after all.
            await asyncio.sleep(0.5)
        self.problems.append("an answer was neither accepted nor refused")

    async def _close(self, uuid: str) -> None:
        path = f"/console/conversations/{uuid}"
        if self._status(uuid) == "closed":
            return
        await self._http.post(f"{path}/end")
        _, form = await self._http.get(f"{path}/forms/close")
        codes = re.findall(r'<option value="(\d+)"', form)
        if not codes:
            self.problems.append("the form for closing has no wrap-up codes")
            return
        await asyncio.sleep(self.world.real(20))
        status, _ = await self._http.post(
            f"{path}/close", {"code": self._chance.choice(codes), "comment": ""}
        )
        if status != 204:
            self.problems.append(f"closing was answered with {status}")

    # -- the check ---------------------------------------------------------------------------------------

    async def finishes(self, seconds: float) -> None:
        """Waits until everything this agent has is closed."""
        await self._line.until(lambda: not self._mine, seconds)

    async def reaches(self, uuid: str, head: int, seconds: float) -> bool:
        await self._line.send({"kind": "ping"})
        return await self._line.until(lambda: self.threads[uuid].head >= head, seconds)

    async def close(self) -> None:
        await self._http.post("/console/presence", {"status": "offline"})
        await self._line.close()
