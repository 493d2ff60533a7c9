"""The invariants that hold after every step (safety), and those that hold after all faults are healed (liveness)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from django.db import OperationalError, connection

from accounts.models import Staff
from chat import access
from chat.models import Conversation
from chat.protocol import Row, serializers

if TYPE_CHECKING:
    from tests.machine.network import Socket
    from tests.machine.schedule import Schedule

SECRET = "绝密"
MARKS = ("visitor_received_seq", "visitor_read_seq", "agent_received_seq", "agent_read_seq")
# Columns that a row shows and that may change, other than last_seq and read marks.
SHOWN = (
    *("status", "department_id", "c.agent_id", "c.visitor_id", "unread_by_agent", "excerpt", "waiting_since"),
    *("unanswered_since", "last_message_at", "ended_by", "rating.score"),
    *("CASE WHEN status <> 'closed' THEN visitor.name || visitor.level END",),
)
ROWS = f"""SELECT c.uuid, revision, last_seq, {", ".join((*MARKS, *SHOWN))} FROM chat_conversation c
    JOIN chat_visitor visitor ON visitor.id = c.visitor_id
    LEFT JOIN chat_rating rating ON rating.conversation_id = c.id"""
StoredMessage = tuple[int, str, str]


class InvariantChecker:
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        # The bodies each tab has sent, in order. Every body is used once.
        self.sent: defaultdict[Any, list[str]] = defaultdict(list)
        # Tabs that were closed or logged out. They may lose their unsent messages.
        self.gone: set[str] = set()
        # For each conversation, the row stored at the last check: its revision, (last seq, read marks), other columns.
        self._rows: dict[str, tuple[int, tuple[int, ...], tuple[Any, ...]]] = {}
        self._sent_rows: dict[tuple[str, int], dict[str, Any]] = {}
        # The revision shown last, by (tab, "list" or "thread", conversation). For a thread, the key also contains the
        # number of welcome frames that the console has received.
        self._shown_revisions: dict[tuple[Any, ...], int] = {}
        self._shown_marks: dict[tuple[str, str], tuple[int, ...]] = {}
        self._stored: dict[str, list[StoredMessage]] = {}
        self._accepted: dict[str, int] = {}
        self.frames = 0
        # Exceptions that our code has not handled.
        self.failures: list[str] = []

    # -- checks of every frame --------------------------------------------------------------------------------

    def check_frame(self, socket: Socket, text: str) -> None:
        self.frames += 1
        frame = json.loads(text)
        if socket.is_console:
            for row in frame.get("rows", [frame["row"]] if "row" in frame else []):
                self._check_sent_row(row)
            return
        assert SECRET not in text, f"a note reached a visitor: {text}"
        if frame["kind"] == "accepted":
            self.check_accepted(frame)

    def _check_sent_row(self, row: dict[str, Any]) -> None:
        if row["status"] == "closed":
            row = {**row, "visitor_name": "", "level": ""}
        known = self._sent_rows.setdefault((row["id"], row["revision"]), row)
        assert row == known, f"two rows with one revision: {row} {known}"

    def check_accepted(self, frame: dict[str, Any]) -> None:
        client_id, seq = frame["client_id"], frame["seq"]
        stored = query("SELECT seq FROM chat_message WHERE client_id = %s", UUID(client_id).hex)
        assert stored == [(seq,)], f"accepted as {seq}, stored as {stored}"
        assert self._accepted.setdefault(client_id, seq) == seq, f"accepted twice: {client_id}"

    def add_failure(self, error: BaseException | None) -> None:
        """Record an unhandled exception as a failure, except an OperationalError, which is expected while the database
        is unavailable."""
        if not isinstance(error, OperationalError):
            self.failures.append(repr(error))

    # -- checks after every step ---------------------------------------------------------------------------

    def check(self) -> None:
        assert not self.failures, self.failures
        self._check_database()
        self.screens = self._schedule.screens()
        for tab, screen in self.screens.items():
            if "threads" in screen:
                for uuid, thread in screen["threads"].items():
                    self._check_shown(tab, uuid, thread["messages"])
                    self._check_revision((tab, "thread", uuid, screen["welcomes"]), thread["row"])
                for uuid, row in screen["rows"].items():
                    self._check_revision((tab, "list", uuid), row)
                for where in [key for key in self._shown_revisions if key[:2] == (tab, "list")]:
                    if where[2] not in screen["rows"]:
                        del self._shown_revisions[where]
            elif screen["id"]:
                self._check_shown(tab, screen["id"], screen["messages"])
                messages = screen["messages"]
                assert not messages or messages[0][0] == 1, f"{tab} starts at {messages[0]}"
                assert not any(SECRET in body for _, body, _ in messages)
                state = screen["state"]
                self._check_marks(tab, screen["id"], state["agent_received"], state["agent_read"])

    def _check_database(self) -> None:
        stored: defaultdict[str, list[StoredMessage]] = defaultdict(list)
        for uuid, seq, body, role in query(
            "SELECT c.uuid, m.seq, m.body, m.author_role FROM chat_message m"
            " JOIN chat_conversation c ON c.id = m.conversation_id ORDER BY m.conversation_id, m.seq"
        ):
            stored[str(UUID(uuid))].append((seq, body, role))
        for uuid, messages in stored.items():
            assert [seq for seq, _, _ in messages] == list(range(1, len(messages) + 1)), (
                f"seq of {uuid}: {messages}"
            )
            before = self._stored.get(uuid, [])
            assert messages[: len(before)] == before, "stored messages have changed"
        self._stored = stored
        bodies = [body for uuid in stored for _, body, role in stored[uuid] if role != "system"]
        assert len(bodies) == len(set(bodies)), f"stored twice: {bodies}"
        for messages in stored.values():
            seqs = {body: seq for seq, body, _ in messages}
            for sender, sent in self.sent.items():
                order = [seqs[body] for body in sent if body in seqs]
                assert order == sorted(order), f"{sender} sent {sent}, stored are {seqs}"
        for uuid, revision, *values in query(ROWS):
            marks, others = tuple(values[: 1 + len(MARKS)]), tuple(values[1 + len(MARKS) :])
            last, *read_marks = marks
            assert last == len(stored[str(UUID(uuid))])
            assert max(read_marks) <= last, f"read marks beyond the last message: {marks}"
            row = revision, marks, others
            before_row = self._rows.get(uuid, row)
            assert all(now >= was for now, was in zip(marks, before_row[1], strict=True)), (
                "read marks went back"
            )
            assert row == before_row or revision > before_row[0], (
                f"changed without a new revision: {before_row} {row}"
            )
            self._rows[uuid] = row

    def _check_shown(self, tab: str, uuid: str, shown: list[list[Any]]) -> None:
        """Assert that the shown messages are consecutive stored messages, in order."""
        if not shown:
            return
        stored = self._stored.get(uuid, [])
        first = shown[0][0] - 1
        expected = stored[first : first + len(shown)]
        shown_messages = [tuple(message) for message in shown]
        assert shown_messages == expected, f"{tab} shows {shown_messages}, stored is {expected}"

    def _check_revision(self, where: tuple[Any, ...], row: dict[str, Any]) -> None:
        revision = row["revision"]
        assert revision >= self._shown_revisions.get(where, 0), f"{where} shows an older row again: {row}"
        self._shown_revisions[where] = revision

    def _check_marks(self, tab: str, uuid: str, *marks: int) -> None:
        before = self._shown_marks.get((tab, uuid), marks)
        assert all(now >= was for now, was in zip(marks, before, strict=True)), (
            f"read marks went back on {tab}: {before} {marks}"
        )
        self._shown_marks[(tab, uuid)] = marks

    # -- checks after all faults are healed --------------------------------------------------------------------

    def missing_at_the_end(self) -> list[str]:
        missing = []
        now = {row.id: row for row in serializers.rows_in(Conversation.objects.all())}
        bodies = {body for messages in self._stored.values() for _, body, _ in messages}
        for tab, screen in self.screens.items():
            if screen["status"] == "ended":
                continue
            if screen["status"] != "open":
                missing.append(f"{tab} is {screen['status']}")
                continue
            if "threads" in screen:
                missing += self._missing_in_console(tab, screen, now)
            else:
                missing += self._missing_in_widget(tab, screen, now)
            unsent = (
                [entry for entries in screen["unsent"].values() for entry in entries]
                if "threads" in screen
                else screen["unplaced"]
            )
            unsent_bodies = {entry["body"] for entry in unsent}
            missing += [f"{tab} still sends {entry['body']}" for entry in unsent if not entry.get("refused")]
            missing += [
                f"{tab} was refused {entry['body']}, which is stored"
                for entry in unsent
                if entry.get("refused") and entry["body"] in bodies
            ]
            missing += [
                f"{tab} sent {body}, which is neither stored nor kept"
                for sender in [sender for sender in self.sent if sender == tab or sender[0] == tab]
                for body in self.sent[sender]
                if body not in bodies and body not in unsent_bodies and tab not in self.gone
            ]
        return missing

    def _missing_in_widget(self, tab: str, screen: dict[str, Any], now: dict[str, Any]) -> list[str]:
        uuid = screen["id"]
        if not uuid:
            return []
        missing = []
        stored = self._stored.get(uuid, [])
        if len(screen["messages"]) != len(stored):
            missing.append(f"{tab} shows {len(screen['messages'])} of {len(stored)} messages")
        state = msgspec.to_builtins(serializers.state_of(now[uuid]))
        for name in ("status", "agent", "agent_received", "agent_read", "rating"):
            if screen["state"][name] != state[name]:
                missing.append(f"{tab}: {name} is {screen['state'][name]}, not {state[name]}")
        return missing

    def _is_listed(self, row: Row, staff: Staff) -> bool:
        if row.status == "waiting":
            return staff.role == "supervisor" or row.department in self._schedule.departments_of(staff)
        is_theirs = row.agent is not None and row.agent.id == staff.pk and row.status != "closed"
        return is_theirs or (staff.role == "supervisor" and row.status == "active")

    def _missing_in_console(self, tab: str, screen: dict[str, Any], now: dict[str, Any]) -> list[str]:
        missing = []
        staff = self._schedule.staff_of_tab[tab]
        mine = {uuid for uuid, row in now.items() if self._is_listed(row, staff)}
        if set(screen["rows"]) != mine:
            missing.append(f"{tab} lists {sorted(screen['rows'])}, not {sorted(mine)}")
        for uuid in mine & set(screen["rows"]):
            missing += differences(f"{tab}, list", now[uuid], screen["rows"][uuid], without=NOT_IN_LISTS)
        for uuid, thread in screen["threads"].items():
            if now[uuid].status == "closed" or not (uuid in mine or uuid == screen["current"]):
                continue
            if not access.followable_by(staff).filter(uuid=uuid).exists():
                # The conversation continues in another department. This screen keeps the messages that it has received.
                continue
            stored = self._stored.get(uuid, [])
            last = thread["messages"][-1][0] if thread["messages"] else 0
            if not thread["isLoaded"] or last != len(stored) or thread["ahead"]:
                missing.append(
                    f"{tab} shows messages up to {last} of {len(stored)}, loaded {thread['isLoaded']}"
                )
            if uuid in mine:
                missing += differences(f"{tab}, thread", now[uuid], thread["row"])
            notes = [body for (body,) in query(NOTES, UUID(uuid).hex)]
            if thread["notes"] != notes:
                missing.append(f"{tab} shows the notes {thread['notes']}, not {notes}")
        return missing


def differences(where: str, row: Row, shown: dict[str, Any], *, without: Collection[str] = ()) -> list[str]:
    expected = msgspec.to_builtins(row)
    return [
        f"{where}: {name} is {shown.get(name)}, not {value}"
        for name, value in expected.items()
        if name not in without and shown.get(name) != value
    ]


# Supervisors' lists do not show the visitor's read marks, so the server sends them no row when only these marks change.
NOT_IN_LISTS = ("revision", "visitor_received", "visitor_read")
NOTES = (
    "SELECT n.body FROM chat_note n JOIN chat_conversation c ON c.id = n.conversation_id"
    " WHERE c.uuid = %s ORDER BY n.id"
)


def query(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run an SQL query without the ORM, which would be too slow after every step. Return its rows."""
    rows = connection.connection.execute(statement.replace("%s", "?"), values).fetchall()
    return [tuple(row) for row in rows]
