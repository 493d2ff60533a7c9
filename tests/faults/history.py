"""What happened, one record an event, in memory and as lines of JSON in a file.

Every record has `t` (seconds of the machine's clock, which PostgreSQL shares) and `op`:

| op | fields |
|---|---|
| begin | who, conv, department: this visitor takes part in this conversation |
| send | who, role, conv, id (none from a browser), body, line: sent, first or again, over that connection |
| ack | who, conv, id, body, seq: told that it is stored |
| refuse | who, conv, id, body, code: told for good that it is not |
| clear | who, conv: the screen begins anew |
| show | who, role, conv, seq, id, body: on this screen from now on |
| hear | who, role, kind, conv, body (of a note): any frame but pong |
| mark, was_seen | who, role, conv, received, read: told the server so; heard it of the side `role` |
| send_note | who, conv, id, body: sent, for the first time |
| note | who, conv, id, body: told that the note is stored |
| take | who, conv: told that the conversation is theirs |
| disabled, enabled | who: a right to listen ended, began again |
| staff | who, departments: a member of staff and where they answer |
| fault | name, phase (begin, end), words |
| recovered | name, seconds: from the end of a fault until visitors and agents were answered again |
| dom | who, role, conv, rows (seq, body): read from the elements of a page |
| read | who, role, conv, rows (seq, id, body): the final read of a screen that was open, or was opened anew |
| sql | conv, rows (seq, id, body, role, agent, committed), last_seq, marks, assignments, notes, departments |
| wrong | who, words: something that a client saw and no rule needs to find |
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Self

Record = dict[str, Any]


class History:
    """Append only. `path` None keeps it in memory alone."""

    def __init__(self, path: Path | None = None) -> None:
        self.records: list[Record] = []
        self.path = path
        self._file = path.open("w", encoding="utf-8") if path else None

    def note(self, op: str, /, **fields: Any) -> None:
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
    """The records of a history that was kept."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
