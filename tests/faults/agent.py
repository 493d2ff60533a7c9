"""An agent: a console without a browser. Listens on the socket, does everything else by repeat-safe POSTs."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.faults.http import CSRF, UNKNOWN, request
from tests.faults.transport import Line
from tests.faults.visitor import has_ended, rows_of
from tests.simulation.transport import Frame, Thread

if TYPE_CHECKING:
    from tests.faults.world import World

FETCH_AGAIN_SECONDS = 5.0
MARK_SECONDS = 0.4
# As the console: what got no answer, or an answer that is none, is sent again after a while.
AGAIN_SECONDS = 0.5
PASSING = (UNKNOWN, 429, 500, 502, 503)


class Agent:
    def __init__(
        self, world: World, name: str, session: str, chance: random.Random, *, capacity: int = 5
    ) -> None:
        self.world, self.name = world, name
        self.session = session
        self.threads: dict[str, Thread] = {}
        # Those that have ended and stood here whole: read, and let go.
        self.finished: set[str] = set()
        self.mine: set[str] = set()
        self.waiting: dict[str, Frame] = {}
        self.accepted_count = 0
        self.is_over = False
        # Of a console that the server has ended for good; `come_back` begins another.
        self.is_shut_out = False
        self.is_welcomed = False
        # Takes nobody for the moment.
        self.is_holding_back = False
        self._chance = chance
        self._capacity = capacity
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._rows: dict[str, Frame] = {}
        self._fetching: dict[str, float] = {}
        self._marked_at: dict[str, float] = {}
        self._said = 0
        self._news = asyncio.Event()
        self._has_come_back = asyncio.Event()
        self.line = self._new_line()

    def _new_line(self) -> Line:
        return Line(
            self.world.websocket_url,
            "/ws/console/",
            chance=self._chance,
            hello=lambda: {"kind": "hello", "version": 1},
            received=self._received,
            lost=self._lost,
            ended=self._ended,
            headers=lambda: {"Cookie": f"sessionid={self.session}"},
        )

    # -- frames ----------------------------------------------------------------------------------------------

    def _lost(self) -> None:
        self.is_welcomed = False

    def _ended(self, code: int) -> None:
        self.is_shut_out = True
        self._news.set()

    def _received(self, frame: Frame) -> None:
        kind = frame["kind"]
        conversation = frame.get("conversation") or frame.get("row", {}).get("id", "")
        if kind != "pong":
            self.world.history.note(
                "hear",
                who=self.name,
                role="agent",
                kind=kind,
                conv=conversation,
                body=frame.get("body", ""),
                line=self.line.number,
            )
        match kind:
            case "welcome":
                self.is_welcomed = True
                self._rows = {row["id"]: row for row in frame["rows"]}
                self._watch_all()
                self._look_at_lists()
            case "conversation":
                if frame["listed"]:
                    self._rows[conversation] = frame["row"]
                else:
                    self._rows.pop(conversation, None)
                self._look_at_lists()
            case "message" if conversation in self.threads:
                self._place(conversation, [frame["message"]])
                if "row" in frame:
                    self._rows[conversation] = frame["row"]
                self._mark(conversation)
                self._look_at_lists()
            case "messages" if conversation in self.threads:
                self._fetching.pop(conversation, None)
                self._place(conversation, frame["messages"])
                if frame["more"]:
                    self._fetch(conversation)
                self._fetch_if_behind(conversation, frame["head"])
                self._mark(conversation)
            case "refused" if frame.get("retry_after_ms"):
                # It does not say what: everything that is open is asked for again.
                asyncio.get_running_loop().call_later(frame["retry_after_ms"] / 1000, self._watch_all)
            case "was_seen":
                self.world.history.note(
                    "was_seen",
                    who=self.name,
                    conv=conversation,
                    role=frame["role"],
                    received=frame["received"],
                    read=frame["read"],
                )
            case "pong":
                for uuid, head in frame["heads"].items():
                    self._fetch_if_behind(uuid, head)
        self._news.set()

    def _look_at_lists(self) -> None:
        rows = self._rows.values()
        self.waiting = {row["id"]: row for row in rows if row["status"] == "waiting"}
        self.mine = {
            row["id"]
            for row in rows
            if row["status"] in ("active", "wrap_up")
            and row["agent"]
            and row["agent"]["number"] == self.number
        }
        for uuid in self.mine:
            self._open(uuid)
            if uuid not in self._serving and not self.is_over:
                self._serving[uuid] = self.world.spawn(self._serve(uuid))

    @property
    def number(self) -> str:
        return str(self.world.bank.staff[self.name]["number"])

    @property
    def departments(self) -> set[str]:
        return set(self.world.bank.staff[self.name]["departments"])

    def _watch_all(self) -> None:
        self._fetching.clear()
        for uuid, thread in self.threads.items():
            self._later({"kind": "watch", "conversation": uuid, "after": thread.head})

    def _open(self, uuid: str) -> None:
        if uuid not in self.threads and uuid not in self.finished:
            self.threads[uuid] = Thread()
            self.world.history.note("clear", who=self.name, conv=uuid)
            self._later({"kind": "watch", "conversation": uuid, "after": 0})

    def _place(self, uuid: str, messages: list[Frame]) -> None:
        thread = self.threads[uuid]
        before = len(thread.wrong)
        for message in messages:
            head = thread.head
            has_gap = thread.place(message)
            if thread.head > head:
                self.world.shown(self.name, "agent", uuid, message)
            elif has_gap:
                self._fetch(uuid)
        for words in thread.wrong[before:]:
            self.world.wrong(self.name, words)
        if thread.messages and has_ended(thread.messages[-1]):
            self._read(uuid)
            self.finished.add(uuid)
            del self.threads[uuid]
            self._later({"kind": "unwatch", "conversation": uuid})

    def _fetch(self, uuid: str) -> None:
        now = time.monotonic()
        if now - self._fetching.get(uuid, -FETCH_AGAIN_SECONDS) < FETCH_AGAIN_SECONDS:
            return
        self._fetching[uuid] = now
        self._later({"kind": "fetch", "conversation": uuid, "after": self.threads[uuid].head})

    def _fetch_if_behind(self, uuid: str, head: int) -> None:
        if uuid in self.threads and head > self.threads[uuid].head:
            self._fetch(uuid)

    def _mark(self, uuid: str) -> None:
        if uuid not in self.mine or uuid not in self.threads:
            return
        now, head = time.monotonic(), self.threads[uuid].head
        if not head or now - self._marked_at.get(uuid, 0.0) < MARK_SECONDS:
            return
        self._marked_at[uuid] = now
        self.world.history.note("mark", who=self.name, conv=uuid, role="agent", received=head, read=head)
        self._later({"kind": "seen", "conversation": uuid, "received": head, "read": head})

    def _later(self, frame: Frame) -> None:
        self.world.spawn(self.line.send(frame))

    # -- requests --------------------------------------------------------------------------------------------

    async def post(
        self, path: str, form: dict[str, str] | None = None, document: Frame | None = None
    ) -> tuple[int, str]:
        cookies = {"sessionid": self.session, "csrftoken": CSRF}
        return await request(
            "POST", f"{self.world.url}/console/{path}", form=form or {}, document=document, cookies=cookies
        )

    async def _insist(
        self, path: str, form: dict[str, str] | None = None, document: Frame | None = None
    ) -> int:
        """Posts until there is an answer that is one; its status, or UNKNOWN when this agent is shut out."""
        while not self.is_shut_out:
            status, text = await self.post(path, form, document)
            if status not in PASSING:
                if status >= 400:
                    self._judge(path, status, text)
                return status
            if status == 500:
                self.world.history.note(
                    "hear", who=self.name, role="agent", kind="status_500", conv="", body=path
                )
            await asyncio.sleep(AGAIN_SECONDS)
        return UNKNOWN

    def _judge(self, path: str, status: int, text: str) -> None:
        if status in (401, 403) and not self.is_shut_out:
            self.is_shut_out = True
        elif status not in (401, 403, 404, 409, 422):
            self.world.wrong(self.name, f"{path.rsplit('/', 1)[-1]} was answered with {status}")

    # -- a day -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            self.is_shut_out = False
            self._has_come_back.clear()
            self.line = self._new_line()
            listening = self.world.spawn(self.line.run())
            await self._insist("presence", {"status": "online"})
            while not self._is_leaving():
                if self._can_take():
                    await self._take_next()
                else:
                    await self._until(lambda: self._is_leaving() or self._can_take(), 0.3)
            if self.is_over:
                return
            await listening
            await self._has_come_back.wait()

    def _is_leaving(self) -> bool:
        return self.is_over or self.is_shut_out

    def _can_take(self) -> bool:
        return bool(self.waiting) and len(self.mine) < self._capacity and not self.is_holding_back

    async def _take_next(self) -> None:
        status, text = await self.post("next")
        if status == 200:
            self.took(json.loads(text)["conversation"])
        elif status in (401, 403):
            self.is_shut_out = True
        elif status not in (*PASSING, 409):
            self.world.wrong(self.name, f"taking the next was answered with {status}")
        # Whether or not an answer came, the lists say what is mine.
        await asyncio.sleep(0.1)

    async def take(self, uuid: str) -> int:
        """Takes this one; the status of the answer."""
        status, _ = await self.post(f"conversations/{uuid}/take")
        if status == 200:
            self.took(uuid)
        return status

    def took(self, uuid: str) -> None:
        self.world.history.note("take", who=self.name, conv=uuid)
        self._open(uuid)

    async def _serve(self, uuid: str) -> None:
        thread = self.threads.get(uuid) or Thread()
        exchanges = self._chance.randint(4, 14)
        try:
            for number in range(exchanges):
                await self._until(
                    lambda: not self._is_mine_and_open(uuid) or self._is_my_turn(thread),
                    1.5 / self.world.plan.pace,
                )
                if not self._is_mine_and_open(uuid) or self.is_over:
                    break
                await asyncio.sleep(self._chance.uniform(0.1, 0.6) / self.world.plan.pace)
                await self._say(uuid)
                dice = self._chance.random()
                if dice < self.world.plan.notes:
                    await self._note(uuid)
                elif dice > 0.96 and number > 1:
                    await self._transfer(uuid)
            while self._is_mine(uuid) and not self._is_leaving():
                if not self._rows[uuid]["visitor_name"]:
                    # The box in a browser goes on and on: the next one may have it.
                    await self._transfer(uuid)
                    await self._until(lambda: not self._is_mine(uuid) or self.is_over, 5)
                    continue
                await self._insist(f"conversations/{uuid}/end")
                await self._insist(
                    f"conversations/{uuid}/close", {"code": str(self.world.bank.wrap_up), "comment": ""}
                )
                await self._until(lambda: not self._is_mine(uuid) or self.is_over, 5)
        finally:
            self._serving.pop(uuid, None)
            self._news.set()

    @staticmethod
    def _is_my_turn(thread: Thread) -> bool:
        return bool(thread.messages) and thread.messages[-1]["role"] == "visitor"

    def _is_mine(self, uuid: str) -> bool:
        return uuid in self.mine

    def _is_mine_and_open(self, uuid: str) -> bool:
        return uuid in self.mine and self._rows[uuid]["status"] == "active" and not self.is_shut_out

    async def _say(self, uuid: str) -> None:
        self._said += 1
        client_id, body = str(uuid4()), f"{self.name}·{self._said} {self.world.words(self._chance)}"
        document = {"client_id": client_id, "body": body, "choices": []}
        history = self.world.history
        while not self.is_shut_out:
            history.note("send", who=self.name, role="agent", conv=uuid, id=client_id, body=body, line=0)
            status, text = await self.post(f"conversations/{uuid}/messages", document=document)
            if status == 200:
                seq = json.loads(text)["accepted"]["seq"]
                self.accepted_count += 1
                history.note("ack", who=self.name, conv=uuid, id=client_id, body=body, seq=seq)
                return
            if status not in PASSING:
                if status in (401, 403):
                    self.is_shut_out = True
                    return
                code = json.loads(text)["refused"]["code"] if text.startswith("{") else str(status)
                history.note("refuse", who=self.name, conv=uuid, id=client_id, body=body, code=code)
                if code not in ("closed", "not_assigned"):
                    self.world.wrong(self.name, f"an answer was refused: {code}")
                return
            if status == 500:
                history.note(
                    "hear", who=self.name, role="agent", kind="status_500", conv=uuid, body="messages"
                )
            await asyncio.sleep(AGAIN_SECONDS)

    async def _note(self, uuid: str) -> None:
        self._said += 1
        client_id, body = str(uuid4()), f"{self.name}·便条{self._said} {self.world.words(self._chance)}"
        self.world.history.note("send_note", who=self.name, conv=uuid, id=client_id, body=body)
        status = await self._insist(f"conversations/{uuid}/notes", {"client_id": client_id, "body": body})
        if status == 204:
            self.world.history.note("note", who=self.name, conv=uuid, id=client_id, body=body)

    async def _transfer(self, uuid: str) -> None:
        """To the line of a department, their own or the other. An answer that was lost is not asked for twice."""
        to = self._chance.choice(sorted(self.world.bank.departments.values()))
        await self.post(f"conversations/{uuid}/transfer", {"to": f"department:{to}", "note": ""})

    async def _until(self, is_true: object, seconds: float) -> None:
        assert callable(is_true)
        deadline = time.monotonic() + seconds
        while not is_true() and (left := deadline - time.monotonic()) > 0:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                return

    # -- the end ---------------------------------------------------------------------------------------------

    @property
    def is_settled(self) -> bool:
        return not self._serving

    def come_back(self, session: str) -> None:
        """Signed in anew, after the account was switched on again."""
        self.session = session
        self._has_come_back.set()

    def read(self) -> None:
        """The final read of every conversation that is open on this console."""
        for uuid in self.threads:
            self._read(uuid)

    def _read(self, uuid: str) -> None:
        rows = rows_of(self.threads[uuid])
        self.world.history.note("read", who=self.name, role="agent", conv=uuid, rows=rows)

    async def close(self) -> None:
        await self.line.close()
