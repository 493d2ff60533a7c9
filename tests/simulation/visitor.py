"""A simulated visitor: opens the widget, waits, writes, sometimes loses the network or reloads, ends, and rates."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.harness.thread import Message
from tests.harness.visitor import Post, VisitorClient
from tests.simulation import pace
from tests.simulation.sources import Script, Turn

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

CUT_SHARE, RELOAD_SHARE = 0.06, 0.04
# Seconds after which a server that does not answer counts as broken.
ANSWER_SECONDS = 30.0
# Real seconds added to the time that a visitor waits for an agent, because a faster simulation does not make frames
# travel faster.
ROUND_TRIP_SECONDS = 1.0


class Visitor(VisitorClient):
    expected_refusals = ("not_found", "rating_refused")

    def __init__(self, simulation: Simulation, script: Script, rng: random.Random) -> None:
        super().__init__(
            simulation.websocket_url,
            site=simulation.site,
            rng=rng,
            language=script.language,
            page=script.page,
            device=script.device,
        )
        self.simulation = simulation
        self.script = script
        self.reloads = 0
        self.left_queue = False
        # By client_id: the sent texts, in the order of sending, and the refusal codes.
        self.sent: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.problem = ""
        self._rng = rng

    # -- events ----------------------------------------------------------------------------------------------

    def cleared(self) -> None:
        self.simulation.scripts[self.conversation] = self.script

    def post_refused(self, post: Post, code: str) -> None:
        self.refused[post.client_id] = code

    def report(self, error: str) -> None:
        self.problem = self.problem or error

    # -- the run ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play the script from the click on the launcher to the end of the conversation. The socket stays open."""
        self.simulation.spawn(self.socket.run())
        if not await self._until(lambda: self.is_welcomed, "no welcome"):
            return
        self.begin(
            {"subject": self.script.department} | ({"name": self.script.name} if self.script.name else {})
        )
        if not await self._until(lambda: self.has_begun, "the conversation did not start"):
            return
        if await self._play_script() and self.script.end == "agent" and self.simulation.has_agents:
            await self.socket.until(lambda: not self.is_open, ANSWER_SECONDS)
        await self._end()

    async def _until(self, is_true: Callable[[], bool], problem: str) -> bool:
        """Wait until `is_true()`; return whether it became true. If not, record the problem."""
        is_answered = await self.socket.until(is_true, ANSWER_SECONDS)
        if not is_answered:
            self.report(self.socket.error or problem)
        return is_answered

    async def _play_script(self) -> bool:
        """Send the visitor's turns. Return whether the end of the script was reached."""
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
            if not self.is_open or self.simulation.is_over:
                return False
            await self._send_message(turn)
        return await self._wait_for_answers(answers)

    async def _wait_for_answers(self, answers: int) -> bool:
        """Wait for an agent, and then until there are as many answers as the script has up to this point.

        Human agents do not know the script. With them, one answer to the visitor's last message is enough. Return
        whether the visitor goes on; False means that the visitor has waited too long.
        """
        if self.script.end == "left":
            return True
        if answers == 0 and not self.simulation.has_agents:
            return True
        if self.status == "waiting" and answers:
            seconds = self.simulation.real(pace.patience(self._rng)) + ROUND_TRIP_SECONDS
            await self.socket.until(lambda: self.status != "waiting" or self.simulation.is_over, seconds)
            if self.status == "waiting":
                self.left_queue = True
                return False
        expected = answers if self.simulation.has_agents else self._answers_before_last_message()
        seconds = self.simulation.real(300) + ANSWER_SECONDS
        return await self.socket.until(
            lambda: self._agent_count() >= expected or not self.is_open or self.simulation.is_over, seconds
        )

    def _agent_count(self) -> int:
        return sum(message["role"] == "agent" for message in self.thread.messages)

    def _answers_before_last_message(self) -> int:
        """Return the number of answers to wait for if the agents are human.

        It is one more than the number of answers before this visitor's last message.
        """
        own = [index for index, message in enumerate(self.thread.messages) if message["role"] == "visitor"]
        if not own:
            return 0
        return 1 + [message["role"] for message in self.thread.messages[: own[-1]]].count("agent")

    async def _pause(self) -> None:
        seconds = self.simulation.real(pace.CUSTOMER.draw(self._rng))
        self.socket.write({"kind": "typing"})
        await asyncio.sleep(seconds)
        if self._rng.random() < RELOAD_SHARE:
            # The token and the unaccepted messages are in session storage, so they survive a reload.
            self.reloads += 1
            self.thread.clear()
            self.socket.cut()

    async def _send_message(self, turn: Turn) -> None:
        post = self.post(turn.text)
        self.sent[post.client_id] = turn.text
        self.simulation.sent_at[post.client_id] = time.monotonic()
        if self._rng.random() < CUT_SHARE:
            self.socket.cut()
        await self._until(
            lambda: post.client_id not in self.outbox, "a message was neither accepted nor refused"
        )

    async def _end(self) -> None:
        while self.is_open and not self.socket.error:
            self.socket.write({"kind": "end"})
            if await self.socket.until(lambda: not self.is_open, 5):
                break
            if self.simulation.is_stopping:
                self.report("the conversation did not end")
                return
        if self.script.rating is not None and not self.left_queue and self._agent_count():
            comment = self.script.rating_comment
            self.socket.write({"kind": "rate", "score": self.script.rating, "comment": comment})

    # -- the check ---------------------------------------------------------------------------------------

    async def wait_for_head(self, head: int, seconds: float) -> bool:
        """Wait until this screen shows all messages up to the seq `head`; return whether it does in time.

        A ping is sent first, because its answer reveals missed messages.
        """
        self.socket.write({"kind": "ping"})
        return await self.socket.until(lambda: self.thread.head >= head, seconds)

    async def reopened(self, seconds: float) -> list[Message]:
        """Return the messages that a new widget with the same token shows."""
        other = Visitor(self.simulation, self.script, self._rng)
        other.token = self.token
        self.simulation.spawn(other.socket.run())
        await other.socket.until(lambda: bool(other.conversation), seconds)
        await other.wait_for_head(self.thread.head, seconds)
        await other.socket.close()
        return other.thread.messages
