"""A simulated agent: signs in by the form, takes waiting visitors, answers by POST as the dialogue says, and
closes."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.simulation import pace, sources
from tests.simulation.sources import Script, Turn
from tests.simulation.staff_http_client import StaffHttpClient
from tests.simulation.transport import Frame, ReconnectingSocket, Thread

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

CUT_SHARE = 0.03
ANSWER_SECONDS = 30.0
# Simulated seconds after which a visitor without a script counts as silent.
SILENCE_SECONDS = 180.0


class Agent:
    def __init__(self, simulation: Simulation, username: str, rng: random.Random, capacity: int = 8) -> None:
        self.simulation = simulation
        self.username = username
        self.threads: dict[str, Thread] = {}
        # By conversation: what this agent sent (text by client_id), and what was acknowledged (seq by
        # client_id).
        self.sent: dict[str, dict[str, str]] = {}
        self.accepted: dict[str, dict[str, int]] = {}
        self.problems: list[str] = []
        self._rng = rng
        self._capacity = capacity
        self._rows: dict[str, Frame] = {}
        self._waiting: set[str] = set()
        self._mine: set[str] = set()
        self._fetching: set[str] = set()
        self._http = StaffHttpClient(simulation.url)
        self._socket: ReconnectingSocket

    async def start(self) -> None:
        """Sign in, open the console's socket and go online. Raises SignInFailed."""
        await self._http.sign_in(self.username, self.simulation.password)
        self._socket = ReconnectingSocket(
            self.simulation.socket_url("/ws/console/"),
            origin=self.simulation.url,
            rng=self._rng,
            hello=lambda: {"kind": "hello", "version": 1},
            received=self._received,
            headers=self._http.headers,
        )
        self.simulation.spawn(self._socket.run())
        await self._socket.until(lambda: self._socket.is_open, ANSWER_SECONDS)
        status, _ = await self._http.post("/console/presence", {"status": "online"})
        if status != 200:
            self.problems.append(f"{self.username} cannot go online: {status}")
        self.simulation.spawn(self._take_next())

    @property
    def reconnects(self) -> int:
        return max(0, self._socket.reconnects)

    # -- frames ------------------------------------------------------------------------------------------

    def _received(self, frame: Frame) -> None:
        match frame["kind"]:
            case "welcome":
                self._waiting.clear()
                for row in frame["rows"]:
                    self._update_row(row, True)
                self._fetching.clear()
                for uuid, thread in self.threads.items():
                    self._send_soon({"kind": "watch", "conversation": uuid, "after": thread.head})
            case "conversation":
                self._update_row(frame["row"], frame["listed"])
            case "message" if frame["conversation"] in self.threads:
                self._add_message(frame["conversation"], frame["message"])
                if "row" in frame:
                    self._update_row(frame["row"], True)
            case "messages" if frame["conversation"] in self.threads:
                uuid = frame["conversation"]
                self._fetching.discard(uuid)
                for message in frame["messages"]:
                    self._add_message(uuid, message)
                if frame["more"] or frame["head"] > self.threads[uuid].head:
                    self._fetch(uuid)
            case "pong":
                for uuid, head in frame["heads"].items():
                    if uuid in self.threads and head > self.threads[uuid].head:
                        self._fetch(uuid)
            case "bye" if frame["code"] == "access_revoked":
                self.problems.append(f"{self.username} lost access to the console")

    def _update_row(self, row: Frame, is_listed: bool) -> None:
        uuid = row["id"]
        self._rows[uuid] = row
        if is_listed and row["status"] == "waiting":
            self._waiting.add(uuid)
        else:
            self._waiting.discard(uuid)

    def _add_message(self, uuid: str, message: Frame) -> None:
        client_id = message.get("client_id", "")
        if client_id in self.simulation.sent_at and message["role"] == "visitor":
            self.simulation.latencies.append(time.monotonic() - self.simulation.sent_at.pop(client_id))
        if self.threads[uuid].add(message):
            self._fetch(uuid)

    def _fetch(self, uuid: str) -> None:
        if uuid not in self._fetching:
            self._fetching.add(uuid)
            self._send_soon({"kind": "fetch", "conversation": uuid, "after": self.threads[uuid].head})

    def _send_soon(self, frame: Frame) -> None:
        self.simulation.spawn(self._socket.send(frame))

    # -- work --------------------------------------------------------------------------------------------

    async def _take_next(self) -> None:
        while not self.simulation.is_stopping:
            can_take = await self._socket.until(
                lambda: (
                    self.simulation.is_stopping or bool(self._waiting and len(self._mine) < self._capacity)
                ),
                5,
            )
            if self._socket.error:
                self.problems.append(f"{self.username}: {self._socket.error}")
                return
            if not can_take or self.simulation.is_stopping:
                continue
            status, text = await self._http.post("/console/next")
            if status == 200:
                uuid = json.loads(text)["conversation"]
                self._mine.add(uuid)
                self.simulation.spawn(self._serve(uuid))
            elif status == 409:
                # Another agent was faster; the lists are updated in a moment.
                self._waiting.clear()
            else:
                self.problems.append(f"taking the next answers {status}")
                return

    async def _serve(self, uuid: str) -> None:
        thread = self.threads[uuid] = Thread()
        self.sent[uuid], self.accepted[uuid] = {}, {}
        await self._socket.send({"kind": "watch", "conversation": uuid, "after": 0})
        await self._socket.until(lambda: thread.head > 0, ANSWER_SECONDS)
        script = self.simulation.scripts.get(uuid)
        if script is None:
            await self._improvise(uuid)
        else:
            await self._follow(uuid, script)
        await self._close(uuid)
        self._mine.discard(uuid)
        self._socket.notify()

    def _status(self, uuid: str) -> str:
        return str(self._rows[uuid]["status"]) if uuid in self._rows else "active"

    def _is_open(self, uuid: str) -> bool:
        return self._status(uuid) in ("waiting", "active") and not self.simulation.is_over

    def _visitor_count(self, uuid: str) -> int:
        return sum(message["role"] == "visitor" for message in self.threads[uuid].messages)

    async def _follow(self, uuid: str, script: Script) -> None:
        """Send the agent's turns of the dialogue, each after the visitor's turns before it."""
        visitor_turns = 0
        ends_at = asyncio.get_running_loop().time() + self.simulation.real(pace.SERVICE.draw(self._rng) * 4)
        for turn in script.turns:
            if turn.by == "visitor":
                visitor_turns += 1
                continue
            expected = visitor_turns
            await self._socket.until(
                lambda expected=expected: self._visitor_count(uuid) >= expected or not self._is_open(uuid),  # type: ignore[misc]
                self.simulation.real(600) + ANSWER_SECONDS,
            )
            if not self._is_open(uuid):
                return
            if turn.by == "note":
                fields = {"client_id": str(uuid4()), "body": turn.text}
                status, _ = await self._http.post(f"/console/conversations/{uuid}/notes", fields)
                if status != 204:
                    self.problems.append(f"a note was answered with {status}")
            else:
                await self._send_message(uuid, turn)
            if asyncio.get_running_loop().time() > ends_at and script.end == "agent":
                return
        if script.end != "agent":
            await self._socket.until(
                lambda: not self._is_open(uuid), self.simulation.real(600) + ANSWER_SECONDS
            )
        else:
            await self._socket.until(
                lambda: self._visitor_count(uuid) >= visitor_turns or not self._is_open(uuid),
                self.simulation.real(120) + ANSWER_SECONDS,
            )

    async def _improvise(self, uuid: str) -> None:
        """Answer a visitor who is not part of this simulation, until they are silent."""
        language = self._rows[uuid]["language"] if uuid in self._rows else "zh"
        answers = 0
        while self._is_open(uuid):
            before = self._visitor_count(uuid)
            await self._send_message(uuid, Turn("agent", sources.generic(language, answers)))
            answers += 1
            seconds = self.simulation.real(SILENCE_SECONDS)
            if not await self._socket.until(
                lambda before=before: self._visitor_count(uuid) > before or not self._is_open(uuid),  # type: ignore[misc]
                seconds,
            ):
                return

    async def _send_message(self, uuid: str, turn: Turn) -> None:
        client_id = str(uuid4())
        head = self.threads[uuid].head
        await self._socket.send({"kind": "seen", "conversation": uuid, "received": head, "read": head})
        await self._socket.send({"kind": "typing", "conversation": uuid})
        await asyncio.sleep(self.simulation.real(pace.AGENT.draw(self._rng)))
        if not self._is_open(uuid):
            return
        self.sent[uuid][client_id] = turn.text
        if self._rng.random() < CUT_SHARE:
            self._socket.cut()
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
            # Repeat with the same client_id, which is harmless if the first request was stored after all.
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
        await asyncio.sleep(self.simulation.real(20))
        status, _ = await self._http.post(f"{path}/close", {"code": self._rng.choice(codes), "comment": ""})
        if status != 204:
            self.problems.append(f"closing was answered with {status}")

    # -- the check ---------------------------------------------------------------------------------------

    async def wait_until_finished(self, seconds: float) -> None:
        """Wait until every conversation of this agent is closed."""
        await self._socket.until(lambda: not self._mine, seconds)

    async def wait_for_head(self, uuid: str, head: int, seconds: float) -> bool:
        await self._socket.send({"kind": "ping"})
        return await self._socket.until(lambda: self.threads[uuid].head >= head, seconds)

    async def close(self) -> None:
        await self._http.post("/console/presence", {"status": "offline"})
        await self._socket.close()
