"""What must be true: at every moment (safety), and at the end, when everything works again (liveness)."""

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
    from tests.machine.world import World

SECRET = "绝密"
MARKS = ("visitor_received_seq", "visitor_read_seq", "agent_received_seq", "agent_read_seq")
Line = tuple[int, str, str]


class Judge:
    def __init__(self, world: World) -> None:
        self._world = world
        # Every body is said once: by which tab, in which order.
        self.said: defaultdict[Any, list[str]] = defaultdict(list)
        # Tabs that were closed or logged out: what they had not sent is theirs to lose.
        self.gone: set[str] = set()
        self._marks: dict[str, tuple[int, ...]] = {}
        self._shown_marks: dict[tuple[str, str], tuple[int, ...]] = {}
        self._stored: dict[str, list[Line]] = {}
        self._accepted: dict[str, int] = {}
        self.frames = 0
        # Errors that no code of ours has handled.
        self.failures: list[str] = []

    # -- on the wire ---------------------------------------------------------------------------------------

    def frame(self, socket: Socket, text: str) -> None:
        self.frames += 1
        if not socket.is_console:
            assert SECRET not in text, f"a note reached a visitor: {text}"
            frame = json.loads(text)
            if frame["kind"] == "accepted":
                self.accepted(frame)

    def accepted(self, frame: dict[str, Any]) -> None:
        client_id, seq = frame["client_id"], frame["seq"]
        stored = query("SELECT seq FROM chat_message WHERE client_id = %s", UUID(client_id).hex)
        assert stored == [(seq,)], f"accepted as {seq}, stored as {stored}"
        assert self._accepted.setdefault(client_id, seq) == seq, f"accepted twice: {client_id}"

    def failed(self, error: BaseException | None) -> None:
        """An error that no code of ours has handled. That the database is away is none of ours."""
        if not isinstance(error, OperationalError):
            self.failures.append(repr(error))

    # -- after every step ----------------------------------------------------------------------------------

    def look(self) -> None:
        assert not self.failures, self.failures
        self._look_at_database()
        self.screens = self._world.screens()
        for tab, screen in self.screens.items():
            if "threads" in screen:
                for uuid, thread in screen["threads"].items():
                    self._is_run(tab, uuid, thread["messages"])
            elif screen["id"]:
                self._is_run(tab, screen["id"], screen["messages"])
                lines = screen["messages"]
                assert not lines or lines[0][0] == 1, f"{tab} begins at {lines[0]}"
                assert not any(SECRET in body for _, body, _ in lines)
                state = screen["state"]
                self._forward(tab, screen["id"], state["agent_received"], state["agent_read"])

    def _look_at_database(self) -> None:
        stored: defaultdict[str, list[Line]] = defaultdict(list)
        for uuid, seq, body, role in query(
            "SELECT c.uuid, m.seq, m.body, m.author_role FROM chat_message m"
            " JOIN chat_conversation c ON c.id = m.conversation_id ORDER BY m.conversation_id, m.seq"
        ):
            stored[str(UUID(uuid))].append((seq, body, role))
        for uuid, lines in stored.items():
            assert [seq for seq, _, _ in lines] == list(range(1, len(lines) + 1)), f"seq of {uuid}: {lines}"
            before = self._stored.get(uuid, [])
            assert lines[: len(before)] == before, "what was stored has changed"
        self._stored = stored
        bodies = [body for uuid in stored for _, body, role in stored[uuid] if role != "system"]
        assert len(bodies) == len(set(bodies)), f"stored twice: {bodies}"
        for lines in stored.values():
            place = {body: seq for seq, body, _ in lines}
            for by, said in self.said.items():
                order = [place[body] for body in said if body in place]
                assert order == sorted(order), f"{by} said {said}, stored are {place}"
        for uuid, *marks in query(f"SELECT uuid, last_seq, {', '.join(MARKS)} FROM chat_conversation"):
            last, *seen = marks
            assert last == len(stored[str(UUID(uuid))])
            assert max(seen) <= last, f"marks beyond the head: {marks}"
            before_marks = self._marks.get(uuid, tuple(marks))
            assert all(now >= was for now, was in zip(marks, before_marks, strict=True)), "marks went back"
            self._marks[uuid] = tuple(marks)

    def _is_run(self, tab: str, uuid: str, shown: list[list[Any]]) -> None:
        """What is shown is what is stored, from its first on, in order and without a gap."""
        if not shown:
            return
        stored = self._stored.get(uuid, [])
        first = shown[0][0] - 1
        expected = stored[first : first + len(shown)]
        got = [tuple(line) for line in shown]
        assert got == expected, f"{tab} shows {got}, stored is {expected}"

    def _forward(self, tab: str, uuid: str, *marks: int) -> None:
        before = self._shown_marks.get((tab, uuid), marks)
        assert all(now >= was for now, was in zip(marks, before, strict=True)), (
            f"marks went back on {tab}: {before} {marks}"
        )
        self._shown_marks[(tab, uuid)] = marks

    # -- when everything is well again -----------------------------------------------------------------------

    def wrong_at_the_end(self) -> list[str]:
        wrong = []
        now = {row.id: row for row in serializers.rows_in(Conversation.objects.all())}
        bodies = {body for lines in self._stored.values() for _, body, _ in lines}
        for tab, screen in self.screens.items():
            if screen["status"] == "ended":
                continue
            if screen["status"] != "open":
                wrong.append(f"{tab} is {screen['status']}")
                continue
            if "threads" in screen:
                wrong += self._wrong_console(tab, screen, now)
            else:
                wrong += self._wrong_box(tab, screen, now)
            unsent = (
                [entry for entries in screen["unsent"].values() for entry in entries]
                if "threads" in screen
                else screen["unplaced"]
            )
            kept = {entry["body"] for entry in unsent}
            wrong += [f"{tab} still sends {e['body']}" for e in unsent if not e.get("refused")]
            wrong += [
                f"{tab} was refused {e['body']}, which is stored"
                for e in unsent
                if e.get("refused") and e["body"] in bodies
            ]
            wrong += [
                f"{tab} said {body}, which is nowhere"
                for by in [each for each in self.said if each == tab or each[0] == tab]
                for body in self.said[by]
                if body not in bodies and body not in kept and tab not in self.gone
            ]
        return wrong

    def _wrong_box(self, tab: str, screen: dict[str, Any], now: dict[str, Any]) -> list[str]:
        uuid = screen["id"]
        if not uuid:
            return []
        wrong = []
        stored = self._stored.get(uuid, [])
        if len(screen["messages"]) != len(stored):
            wrong.append(f"{tab} shows {len(screen['messages'])} of {len(stored)} messages")
        state = msgspec.to_builtins(serializers.state_of(now[uuid]))
        for name in ("status", "agent", "agent_received", "agent_read", "rating"):
            if screen["state"][name] != state[name]:
                wrong.append(f"{tab}: {name} is {screen['state'][name]}, not {state[name]}")
        return wrong

    def _is_listed(self, row: Row, staff: Staff) -> bool:
        if row.status == "waiting":
            return staff.role == "supervisor" or row.department in self._world.departments_of(staff)
        is_theirs = row.agent is not None and row.agent.id == staff.pk and row.status != "closed"
        return is_theirs or (staff.role == "supervisor" and row.status == "active")

    def _wrong_console(self, tab: str, screen: dict[str, Any], now: dict[str, Any]) -> list[str]:
        wrong = []
        staff = self._world.staff_of_tab[tab]
        mine = {uuid for uuid, row in now.items() if self._is_listed(row, staff)}
        if set(screen["rows"]) != mine:
            wrong.append(f"{tab} lists {sorted(screen['rows'])}, not {sorted(mine)}")
        for uuid in mine & set(screen["rows"]):
            wrong += different(f"{tab}, list", now[uuid], screen["rows"][uuid], without=NOT_IN_LISTS)
        for uuid, thread in screen["threads"].items():
            if now[uuid].status == "closed" or not (uuid in mine or uuid == screen["current"]):
                continue
            if not access.audible_to(staff).filter(uuid=uuid).exists():
                # It goes on in another department: what was heard before stays on the screen.
                continue
            stored = self._stored.get(uuid, [])
            last = thread["messages"][-1][0] if thread["messages"] else 0
            if not thread["isLoaded"] or last != len(stored) or thread["ahead"]:
                wrong.append(f"{tab} shows up to {last} of {len(stored)}, loaded {thread['isLoaded']}")
            if uuid in mine:
                wrong += different(f"{tab}, thread", now[uuid], thread["row"])
            notes = [body for (body,) in query(NOTES, UUID(uuid).hex)]
            if thread["notes"] != notes:
                wrong.append(f"{tab} shows the notes {thread['notes']}, not {notes}")
        return wrong


def different(where: str, row: Row, shown: dict[str, Any], *, without: Collection[str] = ()) -> list[str]:
    stands = msgspec.to_builtins(row)
    return [
        f"{where}: {name} is {shown.get(name)}, not {value}"
        for name, value in stands.items()
        if name not in without and shown.get(name) != value
    ]


# Lists do not show how far the visitor has read, and are not told of it.
NOT_IN_LISTS = ("visitor_received", "visitor_read", "agent_received", "agent_read")
NOTES = (
    "SELECT n.body FROM chat_note n JOIN chat_conversation c ON c.id = n.conversation_id"
    " WHERE c.uuid = %s ORDER BY n.id"
)


def query(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Straight from SQLite, without the ORM: it is asked after every step."""
    found = connection.connection.execute(statement.replace("%s", "?"), values).fetchall()
    return [tuple(row) for row in found]
