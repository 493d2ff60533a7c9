"""Reads the database contents at the end by plain SQL, so that no model and no cache can hide an error."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.faults.history import History

CONVERSATIONS = """
SELECT c.id, c.uuid::text AS conv, c.last_seq, d.code AS department, c.digest,
       c.visitor_received_seq, c.visitor_read_seq, c.agent_received_seq, c.agent_read_seq
  FROM chat_conversation c JOIN accounts_department d ON d.id = c.department_id
"""
# `committed` is the time at which a row's transaction was committed. The database reads it from the machine's clock.
MESSAGES = """
SELECT m.conversation_id AS id, m.seq, coalesce(m.client_id::text, '') AS client_id, m.body, m.author_role AS role,
       coalesce(s.username, '') AS agent, extract(epoch FROM pg_xact_commit_timestamp(m.xmin))::float AS committed
  FROM chat_message m LEFT JOIN accounts_staff s ON s.id = m.agent_id
 ORDER BY m.conversation_id, m.seq, m.id
"""
ASSIGNMENTS = """
SELECT a.conversation_id AS id, s.username AS agent, a.until_at IS NULL AS is_open, d.code AS department
  FROM chat_assignment a JOIN accounts_staff s ON s.id = a.agent_id JOIN accounts_department d ON d.id = a.department_id
 ORDER BY a.id
"""
NOTES = """
SELECT n.conversation_id AS id, n.client_id::text AS client_id, n.body, s.username AS author
  FROM chat_note n JOIN accounts_staff s ON s.id = n.author_id ORDER BY n.id
"""
MOVES = """
SELECT object_id, detail->>'department' AS department FROM accounts_auditentry
 WHERE verb = 'conversation.transferred' AND detail ? 'department'
"""
HEADS = "SELECT uuid::text, last_seq FROM chat_conversation"


def heads(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        return dict(connection.execute(HEADS).fetchall())


def departments(url: str) -> dict[str, str]:
    """Return the current department of each conversation."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return {row["conv"]: row["department"] for row in connection.execute(CONVERSATIONS)}


def read_all(url: str, history: History) -> None:
    """Append a `sql` record for each conversation that occurs in the history."""
    in_history = {record["conv"] for record in history.records if record.get("conv")}
    with psycopg.connect(url, row_factory=dict_row) as connection:
        found = connection.execute(CONVERSATIONS).fetchall()
        messages = _by_conversation(connection.execute(MESSAGES).fetchall())
        assignments = _by_conversation(connection.execute(ASSIGNMENTS).fetchall())
        notes = _by_conversation(connection.execute(NOTES).fetchall())
        moved = defaultdict(set)
        for move in connection.execute(MOVES):
            moved[move["object_id"]].add(move["department"])
    for row in found:
        if row["conv"] not in in_history:
            continue
        pk = row["id"]
        departments = {row["department"], *moved[row["conv"]], *moved[str(pk)]}
        departments |= {row["department"] for row in assignments[pk]}
        history.append(
            "sql",
            conv=row["conv"],
            rows=[
                [m["seq"], m["client_id"], m["body"], m["role"], m["agent"], m["committed"]]
                for m in messages[pk]
            ],
            last_seq=row["last_seq"],
            marks={
                side: [row[f"{side}_received_seq"], row[f"{side}_read_seq"]] for side in ("visitor", "agent")
            },
            assignments=[[row["agent"], row["is_open"]] for row in assignments[pk]],
            notes=[[row["client_id"], row["body"], row["author"]] for row in notes[pk]],
            department=row["department"],
            departments=sorted(departments),
        )


def _by_conversation(rows: list[dict[str, Any]]) -> defaultdict[int, list[dict[str, Any]]]:
    found: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["id"]].append(row)
    return found
