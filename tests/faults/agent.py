"""An agent of the fault checker, whose messages, notes, read marks and screens are recorded."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from hashlib import md5
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.faults.bank import OFFER_SECONDS, ROUTED
from tests.faults.visitor import FAST, has_ended, rows_of
from tests.harness.agent import TRANSIENT_STATUSES, AgentClient
from tests.harness.http_client import Answer
from tests.harness.reconnecting_socket import Frame
from tests.harness.thread import Message, Thread

if TYPE_CHECKING:
    from tests.faults.scenario import Scenario


# The department of the agent in Chromium.
CHROMIUM_DEPARTMENT = "cards"
# Seconds after the end of an offer at which an agent who missed it accepts it nevertheless, or takes the conversation.
LATE_SECONDS = 0.3


class Agent(AgentClient):
    """An agent who takes conversations of cards by hand, and gets those of other departments from the router.

    The agent accepts most offers, declines some, and misses the others. An agent who was set to away goes online again.
    """

    http_seconds = 6.0

    def __init__(
        self, scenario: Scenario, name: str, session: str, rng: random.Random, *, capacity: int = 5
    ) -> None:
        super().__init__(scenario.url, scenario.websocket_url, rng=rng, timing=FAST)
        self.scenario, self.name, self.session = scenario, name, session
        # Conversations that have ended and whose last message was shown. The agent has recorded them and does not open
        # them again.
        self.finished: set[str] = set()
        self.mine: set[str] = set()
        self.waiting: dict[str, Frame] = {}
        # The conversations that the router offers to this agent.
        self.offers: dict[str, Frame] = {}
        self.accepted_count = 0
        self.is_over = False
        # True while the agent must take no conversations, even if some are waiting.
        self.is_holding_back = False
        self._append = scenario.history.append
        self._capacity = min(capacity, scenario.bank.staff[name]["capacity"])
        self._is_online = False
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._considering: dict[str, asyncio.Task[None]] = {}
        self._sent_count = 0
        self._has_come_back = asyncio.Event()

    @property
    def number(self) -> str:
        return str(self.scenario.bank.staff[self.name]["number"])

    @property
    def departments(self) -> set[str]:
        return set(self.scenario.bank.staff[self.name]["departments"])

    @property
    def _pk(self) -> int:
        return int(self.scenario.bank.staff[self.name]["pk"])

    # -- events ----------------------------------------------------------------------------------------------

    def received(self, frame: Frame) -> None:
        kind = frame["kind"]
        conversation = frame.get("conversation") or frame.get("row", {}).get("id", "")
        if kind != "pong":
            self._append(
                "receive",
                who=self.name,
                role="agent",
                kind=kind,
                conv=conversation,
                body=frame.get("body", ""),
                connection=self.socket.number,
            )
        if kind == "welcome" or (
            kind == "presence" and frame["staff"] == self._pk and frame["status"] != "online"
        ):
            # A notification may have been lost before the welcome.
            self._is_online = False
        super().received(frame)

    def set_row(self, row: Frame, *, is_listed: bool) -> None:
        super().set_row(row, is_listed=is_listed)
        self._append(
            "row",
            who=self.name,
            conv=row["id"],
            revision=row["revision"],
            marks={role: [row[f"{role}_received"], row[f"{role}_read"]] for role in ("visitor", "agent")},
            status=row["status"],
            agent=row["agent"]["number"] if row["agent"] else "",
            offered_to=row.get("offered_to"),
            row=md5(json.dumps(row).encode(), usedforsecurity=False).hexdigest(),
        )

    def lists_changed(self) -> None:
        rows = [self.rows[uuid] for uuid in self.listed]
        waiting = [row for row in rows if row["status"] == "waiting"]
        self.waiting = {row["id"]: row for row in waiting if row.get("offered_to") is None}
        self.offers = {row["id"]: row for row in waiting if row.get("offered_to") == self._pk}
        for uuid in self.offers:
            if uuid not in self._considering:
                self._considering[uuid] = self.scenario.spawn(self._consider(uuid))
        self.mine = {
            row["id"]
            for row in rows
            if row["status"] in ("active", "wrap_up")
            and row["agent"]
            and row["agent"]["number"] == self.number
        }
        for uuid in self.mine:
            self.open(uuid)
            if uuid not in self._serving and not self.is_over:
                self._serving[uuid] = self.scenario.spawn(self._serve(uuid))

    def open(self, uuid: str) -> None:
        if uuid not in self.finished:
            super().open(uuid)

    def add_messages(self, uuid: str, messages: Sequence[Message], *, has_more: bool = False) -> None:
        super().add_messages(uuid, messages, has_more=has_more)
        shown = self.threads[uuid].messages
        if shown and has_ended(shown[-1]):
            self._read(uuid)
            self.finished.add(uuid)
            self.close_thread(uuid)

    def cleared(self, uuid: str) -> None:
        self._append("clear", who=self.name, conv=uuid)

    def shown(self, uuid: str, message: Message) -> None:
        self.scenario.note_shown(self.name, "agent", uuid, message)

    def may_mark(self, uuid: str) -> bool:
        return uuid in self.mine

    def mark_sent(self, uuid: str, head: int) -> None:
        self._append("mark", who=self.name, conv=uuid, role="agent", received=head, read=head)

    def report(self, error: str) -> None:
        self.scenario.note_error(self.name, error)

    def answered(self, path: str, answer: Answer) -> None:
        action = path.rsplit("/", 1)[-1]
        if answer.status == 500:
            self._append("receive", who=self.name, role="agent", kind="status_500", conv="", body=action)
        elif answer.status >= 400 and answer.status not in (*TRANSIENT_STATUSES, 401, 403, 404, 409, 422):
            self.report(f"{action} was answered with {answer.status}")

    def message_sent(self, uuid: str, client_id: str, body: str) -> None:
        about = {"who": self.name, "conv": uuid, "id": client_id, "body": body}
        self._append("send", **about, role="agent", connection=0)

    def message_accepted(self, uuid: str, client_id: str, body: str, seq: int) -> None:
        self.accepted_count += 1
        self._append("ack", who=self.name, conv=uuid, id=client_id, body=body, seq=seq)

    def message_refused(self, uuid: str, client_id: str, body: str, code: str) -> None:
        self._append("refuse", who=self.name, conv=uuid, id=client_id, body=body, code=code)
        if code not in ("closed", "not_assigned"):
            self.report(f"an answer was refused: {code}")

    # -- the run ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            self._has_come_back.clear()
            self.use_cookies({"sessionid": self.session})
            listening = self.scenario.spawn(self.socket.run())
            while not self.is_shut_out:
                if not self._is_online:
                    self._is_online = True
                    answer = await self.post_until_answered("presence", {"status": "online"})
                    self._is_online = self._is_online and answer.status == 200
                if self._can_take():
                    await self.take_next()
                    # Ignore the response: the console's lists show which conversations are assigned to this agent.
                    await asyncio.sleep(0.1)
                else:
                    await self._wait_until(
                        lambda: self.is_shut_out or not self._is_online or self._can_take(), 0.3
                    )
            if self.is_over:
                return
            await listening
            await self._has_come_back.wait()

    def come_back(self, session: str) -> None:
        """Continue with a new session after the account was enabled again."""
        self.session = session
        self._has_come_back.set()

    def _is_leaving(self) -> bool:
        return self.is_over or self.is_shut_out

    def _can_take(self) -> bool:
        # Agents whose conversations all come from the router leave the queue to it.
        takes_by_hand = not self.departments <= set(ROUTED) and not self.is_holding_back and not self.is_over
        return takes_by_hand and bool(self.waiting) and len(self.mine) + len(self.offers) < self._capacity

    async def take_next(self) -> Answer:
        answer = await super().take_next()
        if answer.status == 200:
            self._append("take", who=self.name, conv=answer.document["conversation"])
        elif answer.status not in (*TRANSIENT_STATUSES, 401, 403, 409):
            self.report(f"taking the next was answered with {answer.status}")
        return answer

    async def take(self, uuid: str) -> int:
        """Take this conversation; return the HTTP status of the response."""
        answer = await self.post(f"conversations/{uuid}/take")
        if answer.status == 200:
            self._append("take", who=self.name, conv=uuid)
            self.open(uuid)
        return answer.status

    async def _consider(self, uuid: str) -> None:
        """Accept, decline or miss the present offer of a conversation."""
        try:
            plan, draw = self.scenario.plan, self._rng.random()
            await asyncio.sleep(self._rng.uniform(0.05, 0.4) / plan.pace)
            if draw < plan.accepted_share or self.is_over:
                await self._accept(uuid)
            elif draw < plan.accepted_share + plan.declined_share:
                await self.post(f"conversations/{uuid}/decline")
            else:
                await self._wait_until(lambda: uuid not in self.offers, OFFER_SECONDS + 3 * LATE_SECONDS)
                await asyncio.sleep(LATE_SECONDS)
                if draw > 1 - plan.late_share:
                    await self._accept(uuid)
                elif uuid in self.waiting:
                    # The router does not offer it to this agent again.
                    await self.take(uuid)
            await self._wait_until(lambda: uuid not in self.offers, 1.0)
        finally:
            self._considering.pop(uuid, None)

    async def _accept(self, uuid: str) -> None:
        """Accept an offer that may have ended."""
        if (await self.post(f"conversations/{uuid}/accept")).status == 200:
            self._append("accept", who=self.name, conv=uuid)
            self.open(uuid)

    async def _serve(self, uuid: str) -> None:
        thread = self.threads.get(uuid) or Thread()
        turns = self._rng.randint(4, 14)
        try:
            for number in range(turns):
                await self._wait_until(
                    lambda: not self._is_assigned_and_open(uuid) or self._is_my_turn(thread),
                    1.5 / self.scenario.plan.pace,
                )
                if not self._is_assigned_and_open(uuid) or self.is_over:
                    break
                await asyncio.sleep(self._rng.uniform(0.1, 0.6) / self.scenario.plan.pace)
                await self.send_message(uuid, self._next_text("·"))
                draw = self._rng.random()
                if draw < self.scenario.plan.note_share:
                    await self._add_note(uuid)
                elif draw > 0.96 and number > 1:
                    await self._transfer(uuid)
            while self._is_assigned(uuid) and not self._is_leaving():
                if not self.rows[uuid]["visitor_name"]:
                    # The visitor has no name, so this is the visitor in Chromium, who never stops writing. Do not end
                    # this conversation: transfer it, because the next agent to take it may be the one in Chromium.
                    await self._transfer(uuid, CHROMIUM_DEPARTMENT)
                    await self._wait_until(lambda: not self._is_assigned(uuid) or self.is_over, 5)
                    continue
                await self.post_until_answered(f"conversations/{uuid}/end")
                await self.post_until_answered(
                    f"conversations/{uuid}/close", {"code": str(self.scenario.bank.wrap_up), "comment": ""}
                )
                await self._wait_until(lambda: not self._is_assigned(uuid) or self.is_over, 5)
        finally:
            self._serving.pop(uuid, None)
            self.socket.notify()

    @staticmethod
    def _is_my_turn(thread: Thread) -> bool:
        return bool(thread.messages) and thread.messages[-1]["role"] == "visitor"

    def _is_assigned(self, uuid: str) -> bool:
        return uuid in self.mine

    def _is_assigned_and_open(self, uuid: str) -> bool:
        return uuid in self.mine and self.rows[uuid]["status"] == "active" and not self.is_shut_out

    def _next_text(self, mark: str) -> str:
        self._sent_count += 1
        return f"{self.name}{mark}{self._sent_count} {self.scenario.random_text(self._rng)}"

    async def _add_note(self, uuid: str) -> None:
        note = {"client_id": str(uuid4()), "body": self._next_text("·便条")}
        about = {"who": self.name, "conv": uuid, "id": note["client_id"], "body": note["body"]}
        self._append("send_note", **about)
        if (await self.post_until_answered(f"conversations/{uuid}/notes", note)).status == 204:
            self._append("note", **about)

    async def _transfer(self, uuid: str, department: str = "") -> None:
        """Transfer the conversation to the queue of a department, by default a random one. If the response is lost, do
        not repeat the request."""
        departments = self.scenario.bank.departments
        to = departments.get(department) or self._rng.choice(sorted(departments.values()))
        await self.post(f"conversations/{uuid}/transfer", {"to": f"department:{to}", "note": ""})

    async def _wait_until(self, is_true: Callable[[], bool], seconds: float) -> None:
        if not await self.socket.until(is_true, seconds) and self.socket.error:
            # After an error, `until` returns at once instead of waiting.
            await asyncio.sleep(seconds)

    # -- the end ---------------------------------------------------------------------------------------------

    @property
    def is_settled(self) -> bool:
        return not self._serving

    def read(self) -> None:
        """Record the lists, and what the console shows of each open conversation, at the end of the run."""
        self._append("lists", who=self.name, mine=sorted(self.mine), offers=sorted(self.offers))
        for uuid in self.threads:
            self._read(uuid)

    def _read(self, uuid: str) -> None:
        rows = rows_of(self.threads[uuid])
        self.scenario.history.append("read", who=self.name, role="agent", conv=uuid, rows=rows)

    async def close(self) -> None:
        await self.socket.close()
