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

# -- Routing ---------------------------------------------------------------------------------------------------

# Two tables that only the fault checker has, filled by triggers: every change of who waits, who has a conversation, who
# has an offer of it, and who is online. Nobody updates their rows, so each keeps the time of its commit.
LOG_TABLES = "faults_queued, faults_present"
INSTALL_LOG = """
CREATE TABLE faults_queued (
    id bigserial, conversation_id bigint, revision int, status text, department_id bigint, agent_id bigint,
    offered_to_id bigint, offered_until timestamptz, is_away boolean);
CREATE TABLE faults_present (id bigserial, staff_id bigint, status text);
CREATE FUNCTION faults_log_queued() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO faults_queued (
        conversation_id, revision, status, department_id, agent_id, offered_to_id, offered_until, is_away)
    VALUES (NEW.id, NEW.revision, NEW.status, NEW.department_id, NEW.agent_id, NEW.offered_to_id, NEW.offered_until,
            NEW.visitor_away_since IS NOT NULL);
    RETURN NULL;
END $$;
CREATE FUNCTION faults_log_present() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO faults_present (staff_id, status) VALUES (NEW.staff_id, NEW.status);
    RETURN NULL;
END $$;
CREATE TRIGGER faults_inserted AFTER INSERT ON chat_conversation
    FOR EACH ROW EXECUTE FUNCTION faults_log_queued();
CREATE TRIGGER faults_updated AFTER UPDATE ON chat_conversation FOR EACH ROW
    WHEN ((OLD.status, OLD.department_id, OLD.agent_id, OLD.offered_to_id, OLD.offered_until, OLD.visitor_away_since)
          IS DISTINCT FROM
          (NEW.status, NEW.department_id, NEW.agent_id, NEW.offered_to_id, NEW.offered_until, NEW.visitor_away_since))
    EXECUTE FUNCTION faults_log_queued();
CREATE TRIGGER faults_came AFTER INSERT ON accounts_presence
    FOR EACH ROW EXECUTE FUNCTION faults_log_present();
CREATE TRIGGER faults_changed AFTER UPDATE ON accounts_presence FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION faults_log_present();
"""
QUEUED = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(q.xmin))::float AS at, c.uuid::text AS conv, q.revision, q.status,
       d.code AS department, coalesce(a.username, '') AS agent, coalesce(o.username, '') AS offered_to,
       extract(epoch FROM q.offered_until)::float AS offered_until, q.is_away
  FROM faults_queued q JOIN chat_conversation c ON c.id = q.conversation_id
  JOIN accounts_department d ON d.id = q.department_id
  LEFT JOIN accounts_staff a ON a.id = q.agent_id LEFT JOIN accounts_staff o ON o.id = q.offered_to_id
 ORDER BY 1, q.id
"""
PRESENT = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(p.xmin))::float AS at, s.username AS who, p.status
  FROM faults_present p JOIN accounts_staff s ON s.id = p.staff_id ORDER BY 1, p.id
"""
OFFERS = """
SELECT c.uuid::text AS conv, s.username AS agent, o.outcome
  FROM routing_offer o JOIN chat_conversation c ON c.id = o.conversation_id JOIN accounts_staff s ON s.id = o.agent_id
 ORDER BY o.id
"""
ACCEPTED = """
SELECT c.uuid::text AS conv, s.username AS agent
  FROM chat_assignment a JOIN chat_conversation c ON c.id = a.conversation_id JOIN accounts_staff s ON s.id = a.agent_id
 WHERE a.reason = 'offered' ORDER BY a.id
"""
RETURNED = """
SELECT c.uuid::text AS conv, coalesce(s.username, '') AS who
  FROM accounts_auditentry e JOIN chat_conversation c ON e.object_id IN (c.id::text, c.uuid::text)
  LEFT JOIN accounts_staff s ON s.id = (e.detail->>'agent')::int
 WHERE e.verb = 'conversation.returned' ORDER BY e.id
"""
LISTS = """
SELECT coalesce(o.username, a.username) AS who, c.uuid::text AS conv, c.status
  FROM chat_conversation c
  LEFT JOIN accounts_staff a ON a.id = c.agent_id LEFT JOIN accounts_staff o ON o.id = c.offered_to_id
 WHERE c.status = 'waiting' AND o.id IS NOT NULL OR c.status IN ('active', 'wrap_up')
"""
# The number of waiting conversations for which the router has something to do: an agent is free, or an offer is open
# (or has expired, if the parameter is true).
UNROUTED = """
SELECT count(*) FROM chat_conversation c JOIN routing_departmentpolicy p ON p.department_id = c.department_id
 WHERE c.status = 'waiting' AND c.visitor_away_since IS NULL AND p.mode <> 'pull' AND (
       c.offered_to_id IS NOT NULL AND (NOT %s OR c.offered_until < now())
       OR c.offered_to_id IS NULL AND EXISTS (
       SELECT FROM accounts_staff s JOIN accounts_presence pr ON pr.staff_id = s.id AND pr.status = 'online'
         JOIN accounts_staff_departments m ON m.staff_id = s.id AND m.department_id = c.department_id
        WHERE s.capacity > (SELECT count(*) FROM chat_conversation o WHERE o.offered_to_id = s.id
                                OR o.agent_id = s.id AND o.status IN ('active', 'wrap_up'))
          AND NOT EXISTS (SELECT FROM chat_conversation o WHERE o.offered_to_id = s.id)
          AND NOT EXISTS (SELECT FROM routing_offer t WHERE t.conversation_id = c.id AND t.agent_id = s.id
                             AND t.outcome IN ('missed', 'declined'))))
"""
ROUTER = "SELECT holder FROM core_lease WHERE name = 'router' AND until >= now()"


def install_log(url: str) -> None:
    """Create the tables of the fault checker, and the triggers that fill them."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(INSTALL_LOG)


def router(url: str) -> str:
    """Return the process that holds the lease of the router, or "" if none does."""
    with psycopg.connect(url) as connection:
        row = connection.execute(ROUTER).fetchone()
    return row[0] if row else ""


def unrouted(url: str, *, is_running: bool = False) -> int:
    """Return the number of waiting conversations that the router should give to an agent.

    Those with an open offer count too, unless `is_running`: in a running system there are always some.
    """
    with psycopg.connect(url) as connection:
        (count,) = connection.execute(UNROUTED, [is_running]).fetchone() or (0,)
    return int(count)


def lists(url: str) -> dict[str, tuple[set[str], set[str]]]:
    """Return each agent's own conversations and open offers, by username."""
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    with psycopg.connect(url) as connection:
        for who, conv, status in connection.execute(LISTS):
            found[who][status == "waiting"].add(conv)
    return found


def read_routing(url: str, history: History) -> None:
    """Append the changes that the database has logged, and the offers."""
    offers: dict[str, list[list[str]]] = defaultdict(list)
    accepted: dict[str, list[str]] = defaultdict(list)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        for row in connection.execute(QUEUED):
            history.append("queued", **row)
        for row in connection.execute(PRESENT):
            history.append("present", **row)
        for row in connection.execute(RETURNED):
            history.append("returned", **row)
        for row in connection.execute(OFFERS):
            offers[row["conv"]].append([row["agent"], row["outcome"]])
        for row in connection.execute(ACCEPTED):
            accepted[row["conv"]].append(row["agent"])
    for conv in offers.keys() | accepted.keys():
        history.append("offers", conv=conv, by_agent=offers[conv], accepted=accepted[conv])


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
