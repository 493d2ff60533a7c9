"""An agent: a console without a browser. Listens on the WebSocket and does everything else by repeatable
POSTs."""

from __future__ import annotations

import asyncio
import json
import random
import time
from hashlib import md5
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.faults.http import CSRF, UNKNOWN, request
from tests.faults.transport import ReconnectingSocket
from tests.faults.visitor import has_ended, rows_of
from tests.simulation.transport import Frame, Thread

if TYPE_CHECKING:
    from tests.faults.scenario import Scenario

REFETCH_SECONDS = 5.0
MARK_SECONDS = 0.4
# Like the console, send a request again after a pause when it got no answer or a transient error.
RETRY_SECONDS = 0.5
TRANSIENT_STATUSES = (UNKNOWN, 429, 500, 502, 503)


class Agent:
    def __init__(
        self, scenario: Scenario, name: str, session: str, rng: random.Random, *, capacity: int = 5
    ) -> None:
        self.scenario, self.name = scenario, name
        self.session = session
        self.threads: dict[str, Thread] = {}
        # Conversations that have ended and were shown to the end: read for the history, then forgotten.
        self.finished: set[str] = set()
        self.mine: set[str] = set()
        self.waiting: dict[str, Frame] = {}
        self.accepted_count = 0
        self.is_over = False
        # The server has closed this console for good; `come_back` starts another one.
        self.is_shut_out = False
        self.is_welcomed = False
        # Takes no conversations for the moment.
        self.is_holding_back = False
        self._rng = rng
        self._capacity = capacity
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._rows: dict[str, Frame] = {}
        self._fetching: dict[str, float] = {}
        self._marked_at: dict[str, float] = {}
        self._sent_count = 0
        self._changed = asyncio.Event()
        self._has_come_back = asyncio.Event()
        self.socket = self._new_socket()

    def _new_socket(self) -> ReconnectingSocket:
        return ReconnectingSocket(
            self.scenario.websocket_url,
            "/ws/console/",
            rng=self._rng,
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
        self._changed.set()

    def _received(self, frame: Frame) -> None:
        kind = frame["kind"]
        conversation = frame.get("conversation") or frame.get("row", {}).get("id", "")
        if kind != "pong":
            self.scenario.history.append(
                "receive",
                who=self.name,
                role="agent",
                kind=kind,
                conv=conversation,
                body=frame.get("body", ""),
                connection=self.socket.number,
            )
        match kind:
            case "welcome":
                self.is_welcomed = True
                self._rows = {}
                for row in frame["rows"]:
                    self._take_row(row)
                self._watch_all()
                self._update_lists()
            case "conversation":
                self._take_row(frame["row"], is_listed=frame["listed"])
                self._update_lists()
            case "message" if conversation in self.threads:
                self._add_messages(conversation, [frame["message"]])
                if "row" in frame:
                    self._take_row(frame["row"])
                self._send_read_mark(conversation)
                self._update_lists()
            case "messages" if conversation in self.threads:
                self._fetching.pop(conversation, None)
                self._add_messages(conversation, frame["messages"])
                if frame["more"]:
                    self._fetch(conversation)
                self._fetch_if_behind(conversation, frame["head"])
                self._send_read_mark(conversation)
            case "refused" if frame.get("retry_after_ms"):
                # The refusal does not name the frame that it refuses, so watch every open conversation again.
                asyncio.get_running_loop().call_later(frame["retry_after_ms"] / 1000, self._watch_all)
            case "pong":
                for uuid, head in frame["heads"].items():
                    self._fetch_if_behind(uuid, head)
        self._changed.set()

    def _take_row(self, row: Frame, *, is_listed: bool = True) -> None:
        """Keep the row unless a newer one is known, as the console does."""
        if row["revision"] >= self._rows.get(row["id"], row)["revision"]:
            self._rows.pop(row["id"], None)
            if is_listed:
                self._rows[row["id"]] = row
        self.scenario.history.append(
            "row",
            who=self.name,
            conv=row["id"],
            revision=row["revision"],
            marks={role: [row[f"{role}_received"], row[f"{role}_read"]] for role in ("visitor", "agent")},
            row=md5(json.dumps(row).encode(), usedforsecurity=False).hexdigest(),
        )

    def _update_lists(self) -> None:
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
                self._serving[uuid] = self.scenario.spawn(self._serve(uuid))

    @property
    def number(self) -> str:
        return str(self.scenario.bank.staff[self.name]["number"])

    @property
    def departments(self) -> set[str]:
        return set(self.scenario.bank.staff[self.name]["departments"])

    def _watch_all(self) -> None:
        self._fetching.clear()
        for uuid, thread in self.threads.items():
            self._send_soon({"kind": "watch", "conversation": uuid, "after": thread.head})

    def _open(self, uuid: str) -> None:
        if uuid not in self.threads and uuid not in self.finished:
            self.threads[uuid] = Thread()
            self.scenario.history.append("clear", who=self.name, conv=uuid)
            self._send_soon({"kind": "watch", "conversation": uuid, "after": 0})

    def _add_messages(self, uuid: str, messages: list[Frame]) -> None:
        thread = self.threads[uuid]
        before = len(thread.errors)
        for message in messages:
            head = thread.head
            has_gap = thread.add(message)
            if thread.head > head:
                self.scenario.note_shown(self.name, "agent", uuid, message)
            elif has_gap:
                self._fetch(uuid)
        for error in thread.errors[before:]:
            self.scenario.note_error(self.name, error)
        if thread.messages and has_ended(thread.messages[-1]):
            self._read(uuid)
            self.finished.add(uuid)
            del self.threads[uuid]
            self._send_soon({"kind": "unwatch", "conversation": uuid})

    def _fetch(self, uuid: str) -> None:
        now = time.monotonic()
        if now - self._fetching.get(uuid, -REFETCH_SECONDS) < REFETCH_SECONDS:
            return
        self._fetching[uuid] = now
        self._send_soon({"kind": "fetch", "conversation": uuid, "after": self.threads[uuid].head})

    def _fetch_if_behind(self, uuid: str, head: int) -> None:
        if uuid in self.threads and head > self.threads[uuid].head:
            self._fetch(uuid)

    def _send_read_mark(self, uuid: str) -> None:
        if uuid not in self.mine or uuid not in self.threads:
            return
        now, head = time.monotonic(), self.threads[uuid].head
        if not head or now - self._marked_at.get(uuid, 0.0) < MARK_SECONDS:
            return
        self._marked_at[uuid] = now
        self.scenario.history.append("mark", who=self.name, conv=uuid, role="agent", received=head, read=head)
        self._send_soon({"kind": "seen", "conversation": uuid, "received": head, "read": head})

    def _send_soon(self, frame: Frame) -> None:
        self.scenario.spawn(self.socket.send(frame))

    # -- requests --------------------------------------------------------------------------------------------

    async def post(
        self, path: str, form: dict[str, str] | None = None, document: Frame | None = None
    ) -> tuple[int, str]:
        cookies = {"sessionid": self.session, "csrftoken": CSRF}
        return await request(
            "POST", f"{self.scenario.url}/console/{path}", form=form or {}, document=document, cookies=cookies
        )

    async def _post_until_answered(
        self, path: str, form: dict[str, str] | None = None, document: Frame | None = None
    ) -> int:
        """Post until there is a definite answer. Return its status, or UNKNOWN when this agent is shut out."""
        while not self.is_shut_out:
            status, text = await self.post(path, form, document)
            if status not in TRANSIENT_STATUSES:
                if status >= 400:
                    self._check_status(path, status, text)
                return status
            if status == 500:
                self.scenario.history.append(
                    "receive", who=self.name, role="agent", kind="status_500", conv="", body=path
                )
            await asyncio.sleep(RETRY_SECONDS)
        return UNKNOWN

    def _check_status(self, path: str, status: int, text: str) -> None:
        if status in (401, 403) and not self.is_shut_out:
            self.is_shut_out = True
        elif status not in (401, 403, 404, 409, 422):
            self.scenario.note_error(self.name, f"{path.rsplit('/', 1)[-1]} was answered with {status}")

    # -- the run ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            self.is_shut_out = False
            self._has_come_back.clear()
            self.socket = self._new_socket()
            listening = self.scenario.spawn(self.socket.run())
            await self._post_until_answered("presence", {"status": "online"})
            while not self._is_leaving():
                if self._can_take():
                    await self._take_next()
                else:
                    await self._wait_until(lambda: self._is_leaving() or self._can_take(), 0.3)
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
            self.note_taken(json.loads(text)["conversation"])
        elif status in (401, 403):
            self.is_shut_out = True
        elif status not in (*TRANSIENT_STATUSES, 409):
            self.scenario.note_error(self.name, f"taking the next was answered with {status}")
        # Whether or not an answer came, the lists tell which conversations are assigned to this agent.
        await asyncio.sleep(0.1)

    async def take(self, uuid: str) -> int:
        """Take this conversation; return the status of the answer."""
        status, _ = await self.post(f"conversations/{uuid}/take")
        if status == 200:
            self.note_taken(uuid)
        return status

    def note_taken(self, uuid: str) -> None:
        self.scenario.history.append("take", who=self.name, conv=uuid)
        self._open(uuid)

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
                await self._send_message(uuid)
                draw = self._rng.random()
                if draw < self.scenario.plan.note_share:
                    await self._add_note(uuid)
                elif draw > 0.96 and number > 1:
                    await self._transfer(uuid)
            while self._is_assigned(uuid) and not self._is_leaving():
                if not self._rows[uuid]["visitor_name"]:
                    # A browser's widget writes without end: the browser agent may get it next.
                    await self._transfer(uuid)
                    await self._wait_until(lambda: not self._is_assigned(uuid) or self.is_over, 5)
                    continue
                await self._post_until_answered(f"conversations/{uuid}/end")
                await self._post_until_answered(
                    f"conversations/{uuid}/close", {"code": str(self.scenario.bank.wrap_up), "comment": ""}
                )
                await self._wait_until(lambda: not self._is_assigned(uuid) or self.is_over, 5)
        finally:
            self._serving.pop(uuid, None)
            self._changed.set()

    @staticmethod
    def _is_my_turn(thread: Thread) -> bool:
        return bool(thread.messages) and thread.messages[-1]["role"] == "visitor"

    def _is_assigned(self, uuid: str) -> bool:
        return uuid in self.mine

    def _is_assigned_and_open(self, uuid: str) -> bool:
        return uuid in self.mine and self._rows[uuid]["status"] == "active" and not self.is_shut_out

    async def _send_message(self, uuid: str) -> None:
        self._sent_count += 1
        client_id, body = (
            str(uuid4()),
            f"{self.name}·{self._sent_count} {self.scenario.random_text(self._rng)}",
        )
        document = {"client_id": client_id, "body": body, "choices": []}
        history = self.scenario.history
        while not self.is_shut_out:
            history.append(
                "send", who=self.name, role="agent", conv=uuid, id=client_id, body=body, connection=0
            )
            status, text = await self.post(f"conversations/{uuid}/messages", document=document)
            if status == 200:
                seq = json.loads(text)["accepted"]["seq"]
                self.accepted_count += 1
                history.append("ack", who=self.name, conv=uuid, id=client_id, body=body, seq=seq)
                return
            if status not in TRANSIENT_STATUSES:
                if status in (401, 403):
                    self.is_shut_out = True
                    return
                code = json.loads(text)["refused"]["code"] if text.startswith("{") else str(status)
                history.append("refuse", who=self.name, conv=uuid, id=client_id, body=body, code=code)
                if code not in ("closed", "not_assigned"):
                    self.scenario.note_error(self.name, f"an answer was refused: {code}")
                return
            if status == 500:
                history.append(
                    "receive", who=self.name, role="agent", kind="status_500", conv=uuid, body="messages"
                )
            await asyncio.sleep(RETRY_SECONDS)

    async def _add_note(self, uuid: str) -> None:
        self._sent_count += 1
        client_id, body = (
            str(uuid4()),
            f"{self.name}·便条{self._sent_count} {self.scenario.random_text(self._rng)}",
        )
        self.scenario.history.append("send_note", who=self.name, conv=uuid, id=client_id, body=body)
        status = await self._post_until_answered(
            f"conversations/{uuid}/notes", {"client_id": client_id, "body": body}
        )
        if status == 204:
            self.scenario.history.append("note", who=self.name, conv=uuid, id=client_id, body=body)

    async def _transfer(self, uuid: str) -> None:
        """Transfer to the queue of a random department. A lost answer is not asked for again."""
        to = self._rng.choice(sorted(self.scenario.bank.departments.values()))
        await self.post(f"conversations/{uuid}/transfer", {"to": f"department:{to}", "note": ""})

    async def _wait_until(self, is_true: object, seconds: float) -> None:
        assert callable(is_true)
        deadline = time.monotonic() + seconds
        while not is_true() and (left := deadline - time.monotonic()) > 0:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                return

    # -- the end ---------------------------------------------------------------------------------------------

    @property
    def is_settled(self) -> bool:
        return not self._serving

    def come_back(self, session: str) -> None:
        """Continue with a new session after the account was enabled again."""
        self.session = session
        self._has_come_back.set()

    def read(self) -> None:
        """Record the final read of every conversation that is open on this console."""
        for uuid in self.threads:
            self._read(uuid)

    def _read(self, uuid: str) -> None:
        rows = rows_of(self.threads[uuid])
        self.scenario.history.append("read", who=self.name, role="agent", conv=uuid, rows=rows)

    async def close(self) -> None:
        await self.socket.close()
