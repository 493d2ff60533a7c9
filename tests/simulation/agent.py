"""A simulated agent: signs in by the form, takes waiting conversations, answers by POST as the script says, and closes
them."""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.harness.agent import RETRY_SECONDS, TRANSIENT_STATUSES, AgentClient
from tests.harness.http_client import Answer
from tests.harness.thread import Message
from tests.simulation import pace, sources
from tests.simulation.sources import Script, Turn

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

CUT_SHARE = 0.03
ANSWER_SECONDS = 30.0
# Simulated seconds after which a visitor without a script counts as silent.
SILENCE_SECONDS = 180.0


class Agent(AgentClient):
    def __init__(self, simulation: Simulation, username: str, rng: random.Random, capacity: int = 8) -> None:
        super().__init__(simulation.url, simulation.websocket_url, rng=rng)
        self.simulation = simulation
        self.username = username
        # For each conversation, by client_id: in `sent` the texts that this agent sent, in `accepted` the seqs of those
        # that the server has acknowledged.
        self.sent: dict[str, dict[str, str]] = {}
        self.accepted: dict[str, dict[str, int]] = {}
        self.problems: list[str] = []
        self._capacity = capacity
        self._mine: set[str] = set()

    async def start(self) -> None:
        """Sign in, open the console's socket and go online. Raises SignInFailed."""
        await self.http.sign_in(self.username, self.simulation.password)
        self.simulation.spawn(self.socket.run())
        await self.socket.until(lambda: self.is_welcomed, ANSWER_SECONDS)
        await self._post("presence", {"status": "online"}, expected=200)
        self.simulation.spawn(self._take_next())

    # -- events ----------------------------------------------------------------------------------------------

    def lost(self) -> None:
        super().lost()
        if self.socket.error:
            self.report(self.socket.error)

    def shown(self, uuid: str, message: Message) -> None:
        sent_at = self.simulation.sent_at.pop(message.get("client_id", ""), None)
        if sent_at is not None and message["role"] == "visitor":
            self.simulation.latencies.append(time.monotonic() - sent_at)

    def may_mark(self, uuid: str) -> bool:
        return uuid in self._mine

    def report(self, error: str) -> None:
        self.problems.append(error)

    def answered(self, path: str, answer: Answer) -> None:
        if answer.status in (401, 403, 500):
            self.report(f"{path.rsplit('/', 1)[-1]} was answered with {answer.status}")

    def message_sent(self, uuid: str, client_id: str, body: str) -> None:
        self.sent[uuid][client_id] = body

    def message_accepted(self, uuid: str, client_id: str, body: str, seq: int) -> None:
        self.accepted[uuid][client_id] = seq

    def message_refused(self, uuid: str, client_id: str, body: str, code: str) -> None:
        if code != "closed":
            self.report(f"an answer was refused: {code}")

    # -- work --------------------------------------------------------------------------------------------

    async def _post(self, path: str, form: dict[str, str] | None = None, *, expected: int) -> None:
        answer = await self.post_until_answered(path, form)
        if answer.status != expected:
            self.report(f"{path.rsplit('/', 1)[-1]} was answered with {answer.status}")

    def _can_take(self) -> bool:
        is_waiting = any(self.rows[uuid]["status"] == "waiting" for uuid in self.listed)
        return is_waiting and len(self._mine) < self._capacity

    async def _take_next(self) -> None:
        while not self.simulation.is_stopping and not self.is_shut_out:
            if not await self.socket.until(lambda: self.simulation.is_stopping or self._can_take(), 5):
                continue
            answer = await self.take_next()
            if answer.status == 200:
                uuid = answer.document["conversation"]
                self._mine.add(uuid)
                self.simulation.spawn(self._serve(uuid))
            elif answer.status in (*TRANSIENT_STATUSES, 409):
                # Another agent was faster; the lists are updated in a moment.
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.report(f"taking the next answers {answer.status}")
                return

    async def _serve(self, uuid: str) -> None:
        thread = self.threads[uuid]
        self.sent[uuid], self.accepted[uuid] = {}, {}
        await self.socket.until(lambda: thread.head > 0, ANSWER_SECONDS)
        script = self.simulation.scripts.get(uuid)
        if script is None:
            await self._improvise(uuid)
        else:
            await self._follow(uuid, script)
        await self._close(uuid)
        self._mine.discard(uuid)
        self.socket.notify()

    def _status(self, uuid: str) -> str:
        return str(self.rows[uuid]["status"]) if uuid in self.rows else "active"

    def _is_open(self, uuid: str) -> bool:
        return self._status(uuid) in ("waiting", "active") and not self.simulation.is_over

    def _visitor_count(self, uuid: str) -> int:
        return sum(message["role"] == "visitor" for message in self.threads[uuid].messages)

    async def _follow(self, uuid: str, script: Script) -> None:
        """Send the agent's turns of the script. Before each turn, wait for the visitor's turns that precede it."""
        visitor_turns = 0
        ends_at = asyncio.get_running_loop().time() + self.simulation.real(pace.SERVICE.draw(self._rng) * 4)
        for turn in script.turns:
            if turn.by == "visitor":
                visitor_turns += 1
                continue
            expected = visitor_turns
            await self.socket.until(
                lambda expected=expected: self._visitor_count(uuid) >= expected or not self._is_open(uuid),  # type: ignore[misc]
                self.simulation.real(600) + ANSWER_SECONDS,
            )
            if not self._is_open(uuid):
                return
            if turn.by == "note":
                note = {"client_id": str(uuid4()), "body": turn.text}
                await self._post(f"conversations/{uuid}/notes", note, expected=204)
            else:
                await self._send_message(uuid, turn)
            if asyncio.get_running_loop().time() > ends_at and script.end == "agent":
                return
        if script.end != "agent":
            await self.socket.until(
                lambda: not self._is_open(uuid), self.simulation.real(600) + ANSWER_SECONDS
            )
        else:
            await self.socket.until(
                lambda: self._visitor_count(uuid) >= visitor_turns or not self._is_open(uuid),
                self.simulation.real(120) + ANSWER_SECONDS,
            )

    async def _improvise(self, uuid: str) -> None:
        """Answer a visitor who is not part of this simulation, until the visitor stops writing."""
        language = self.rows[uuid]["language"] if uuid in self.rows else "zh"
        answers = 0
        while self._is_open(uuid):
            before = self._visitor_count(uuid)
            await self._send_message(uuid, Turn("agent", sources.generic(language, answers)))
            answers += 1
            seconds = self.simulation.real(SILENCE_SECONDS)
            if not await self.socket.until(
                lambda before=before: self._visitor_count(uuid) > before or not self._is_open(uuid),  # type: ignore[misc]
                seconds,
            ):
                return

    async def _send_message(self, uuid: str, turn: Turn) -> None:
        self.socket.write({"kind": "typing", "conversation": uuid})
        await asyncio.sleep(self.simulation.real(pace.AGENT.draw(self._rng)))
        if not self._is_open(uuid):
            return
        if self._rng.random() < CUT_SHARE:
            self.socket.cut()
        await self.send_message(uuid, turn.text, choices=turn.choices)

    async def _close(self, uuid: str) -> None:
        path = f"conversations/{uuid}"
        if self._status(uuid) == "closed":
            return
        await self.post_until_answered(f"{path}/end")
        form = await self.http.get(f"/console/{path}/forms/close")
        codes = re.findall(r'<option value="(\d+)"', form.text)
        if not codes:
            self.report("the form for closing has no wrap-up codes")
            return
        await asyncio.sleep(self.simulation.real(20))
        await self._post(f"{path}/close", {"code": self._rng.choice(codes), "comment": ""}, expected=204)

    # -- the check ---------------------------------------------------------------------------------------

    async def wait_until_finished(self, seconds: float) -> None:
        """Wait at most `seconds` until every conversation of this agent is closed."""
        await self.socket.until(lambda: not self._mine, seconds)

    async def wait_for_head(self, uuid: str, head: int, seconds: float) -> bool:
        self.socket.write({"kind": "ping"})
        return await self.socket.until(lambda: self.threads[uuid].head >= head, seconds)

    async def close(self) -> None:
        await self.post("presence", {"status": "offline"})
        await self.socket.close()
