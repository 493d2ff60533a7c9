"""The events of a run: one record each, in memory and as lines of JSON in a file.

Every record has `t` (seconds of the machine's clock, which PostgreSQL shares) and `op`:

| op | fields |
|---|---|
| begin | who, conv, department: this visitor takes part in this conversation |
| send | who, role, conv, id (None from a browser), body, connection: sent (or sent again) over that connection |
| ack | who, conv, id, body, seq: the server said that the message is stored |
| refuse | who, conv, id, body, code: the server refused the message for good |
| clear | who, conv: the screen was emptied |
| show | who, role, conv, seq, id, body: the message is on this screen from now on |
| receive | who, role, kind, conv, body (of a note): this client received a frame; pongs are not recorded |
| mark | who, role, conv, received, read: this client sent a read mark to the server |
| was_seen | who, role, conv, received, read: this client received a read mark of the side `role` |
| row | who, conv, revision, marks (of each side), row (a digest), status, agent, offered_to: a console received it |
| told | who, conv, status, number: a visitor's screen was told the status, and the number of the agent who helps |
| send_note | who, conv, id, body: this agent sent a note for the first time |
| note | who, conv, id, body: the server said that the note is stored |
| take | who, conv: the server said that the conversation is assigned to this agent |
| accept | who, conv: the server said that this agent has accepted the offer of the conversation |
| lists | who, mine, offers: an agent's own conversations and offers as the console lists them at the end |
| disabled, enabled | who: the account was disabled or enabled again |
| staff | who, departments, capacity, number, pk: a staff member and the departments they answer for |
| routing | departments: the codes of the departments whose conversations the router gives to agents |
| fault | name, phase (begin, end), description, track (servers, clients) |
| recovered | name, seconds: from the end of a fault until visitors and agents were answered again |
| dom | who, role, conv, rows (seq, body): read from the elements of a page |
| read | who, role, conv, rows (seq, id, body): the final read of a screen, opened during the run or after it |
| sql | conv, rows (seq, id, body, role, agent, committed), last_seq, marks, assignments, notes, department(s) |
| queued | at (of the commit), conv, revision, status, department, agent, offered_to, offered_until, is_away: a change |
| present | at (of the commit), who, status: a change of presence |
| returned | who, conv: the router returned the conversation of this agent to the queue |
| offers | conv, by_agent (agent, outcome), accepted (agents assigned by an offer): the stored offers |
| wrong | who, description: an error that a client noticed itself |
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Self

Record = dict[str, Any]


class History:
    """An append-only log of records. With `path` None it is kept in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self.records: list[Record] = []
        self.path = path
        self._file = path.open("w", encoding="utf-8") if path else None

    def append(self, op: str, /, **fields: Any) -> None:
        record = {"t": time.time(), "op": op, **fields}
        self.records.append(record)
        if self._file:
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def close(self) -> None:
        if self._file:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(path: Path) -> list[Record]:
    """Return the records of the history file at `path`."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
