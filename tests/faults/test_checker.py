"""Tests of the checker: each rule finds a violation in a history made by hand, and nothing in a correct history."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from typing import Any

import pytest

from tests.faults.checker import check
from tests.faults.delays import delays, table
from tests.faults.history import Record
from tests.harness.servers.process import ROOT

CONV, OTHER = "c1", "c2"


def history() -> list[Record]:
    """Return a correct history.

    A visitor sends two messages that are accepted, one that gets no answer and one that is refused. The screens of the
    visitor and of agent Mei show the accepted ones, and Mei adds a note. Another visitor has a conversation of their
    own, whose offer agent Jun accepts.
    """
    records: list[dict[str, Any]] = [
        {"op": "staff", "who": "mei", "departments": ["cards"], "capacity": 2, "number": "1001", "pk": 1},
        {"op": "staff", "who": "jun", "departments": ["loans"], "capacity": 2, "number": "2001", "pk": 3},
        {"op": "begin", "who": "v0", "conv": CONV, "department": "cards"},
        {"op": "begin", "who": "v1", "conv": OTHER, "department": "loans"},
        {"op": "clear", "who": "v0", "conv": CONV},
        {"op": "take", "who": "mei", "conv": CONV},
        {"op": "send", "who": "v0", "role": "visitor", "conv": CONV, "id": "a", "body": "在吗", "connection": 1},
        {"op": "ack", "who": "v0", "conv": CONV, "id": "a", "body": "在吗", "seq": 1},
        {"op": "show", "who": "v0", "role": "visitor", "conv": CONV, "seq": 1, "id": "a", "body": "在吗"},
        {"op": "send", "who": "v0", "role": "visitor", "conv": CONV, "id": "b", "body": "卡被吞了", "connection": 1},
        {"op": "ack", "who": "v0", "conv": CONV, "id": "b", "body": "卡被吞了", "seq": 2},
        {"op": "show", "who": "v0", "role": "visitor", "conv": CONV, "seq": 2, "id": "b", "body": "卡被吞了"},
        {"op": "clear", "who": "mei", "conv": CONV},
        {"op": "show", "who": "mei", "role": "agent", "conv": CONV, "seq": 1, "id": "a", "body": "在吗"},
        {"op": "show", "who": "mei", "role": "agent", "conv": CONV, "seq": 2, "id": "b", "body": "卡被吞了"},
        {"op": "mark", "who": "mei", "role": "agent", "conv": CONV, "received": 2, "read": 1},
        {"op": "was_seen", "who": "v0", "role": "agent", "conv": CONV, "received": 2, "read": 1},
        {"op": "receive", "who": "v0", "role": "visitor", "kind": "was_seen", "conv": CONV, "body": ""},
        {
            "op": "row", "who": "mei", "conv": CONV, "revision": 4, "row": "d1",
            "marks": {"visitor": [0, 0], "agent": [2, 1]}, "status": "active", "agent": "1001", "offered_to": None,
        },
        {"op": "send", "who": "v0", "role": "visitor", "conv": CONV, "id": "x", "body": "未知", "connection": 1},
        {"op": "send", "who": "v0", "role": "visitor", "conv": CONV, "id": "y", "body": "太晚", "connection": 1},
        {"op": "refuse", "who": "v0", "conv": CONV, "id": "y", "body": "太晚", "code": "closed"},
        {"op": "send_note", "who": "mei", "conv": CONV, "id": "n", "body": "便条"},
        {"op": "note", "who": "mei", "conv": CONV, "id": "n", "body": "便条"},
        {"op": "receive", "who": "mei", "role": "agent", "kind": "note", "conv": CONV, "body": "便条"},
        {"op": "disabled", "who": "hao"},
        {"op": "receive", "who": "hao", "role": "agent", "kind": "bye", "conv": "", "body": ""},
        {"op": "enabled", "who": "hao"},
        {"op": "fault", "name": "process_kill", "track": "servers", "phase": "begin", "description": ""},
        {"op": "fault", "name": "process_kill", "track": "servers", "phase": "end", "description": ""},
        {"op": "recovered", "name": "process_kill", "seconds": 0.1},
        {"op": "dom", "who": "box", "role": "visitor", "conv": CONV, "rows": [[1, "在吗"]]},
        {
            "op": "read", "who": "v0", "role": "visitor", "conv": CONV,
            "rows": [[1, "a", "在吗"], [2, "b", "卡被吞了"]],
        },
        {
            "op": "sql", "conv": CONV, "last_seq": 2, "marks": {"visitor": [0, 0], "agent": [2, 1]},
            "rows": [[1, "a", "在吗", "visitor", "", 6.5], [2, "b", "卡被吞了", "visitor", "", 9.5]],
            "assignments": [["mei", True]], "notes": [["n", "便条", "mei"]],
            "department": "cards", "departments": ["cards"],
        },
        {
            "op": "sql", "conv": OTHER, "last_seq": 0, "marks": {"visitor": [0, 0], "agent": [0, 0]}, "rows": [],
            "assignments": [["jun", True]], "notes": [], "department": "loans", "departments": ["loans"],
        },
        {"op": "staff", "who": "hao", "departments": ["cards"], "capacity": 2, "number": "1002", "pk": 2},
        {"op": "routing", "departments": ["loans"]},
        {"op": "accept", "who": "jun", "conv": OTHER},
        {"op": "told", "who": "v0", "conv": CONV, "status": "active", "number": "1001"},
        {"op": "lists", "who": "mei", "mine": [CONV], "offers": []},
        {"op": "lists", "who": "jun", "mine": [OTHER], "offers": []},
        {"op": "present", "at": 0.2, "who": "jun", "status": "online"},
        queued(CONV, 0.5, 1, "waiting", "cards"),
        queued(OTHER, 0.6, 1, "waiting", "loans"),
        queued(OTHER, 1.6, 2, "waiting", "loans", offered_to="jun", offered_until=9.6),
        queued(CONV, 4.5, 2, "active", "cards", agent="mei"),
        queued(OTHER, 4.6, 3, "active", "loans", agent="jun"),
        {"op": "offers", "conv": OTHER, "by_agent": [["jun", "accepted"]], "accepted": ["jun"]},
    ]  # fmt: skip
    return [{"t": float(at), **record} for at, record in enumerate(records)]


def queued(conv: str, at: float, revision: int, status: str, department: str, **fields: Any) -> Record:
    about = {"agent": "", "offered_to": "", "offered_until": None, "is_away": False, **fields}
    return {"op": "queued", "conv": conv, "at": at, "revision": revision, "status": status,
            "department": department, **about}  # fmt: skip


def first(records: list[Record], op: str, number: int = 0, **fields: Any) -> Record:
    matching = [
        record
        for record in records
        if record["op"] == op and all(record[name] == value for name, value in fields.items())
    ]
    return matching[number]


def test_a_correct_history_has_no_violations() -> None:
    verdict = check(history())
    assert verdict.violations == []
    assert (verdict.messages, verdict.faults) == (2, 1)


def remove(records: list[Record], op: str, **fields: Any) -> None:
    records.remove(first(records, op, **fields))


def lose_an_accepted_message(records: list[Record]) -> None:
    sql = first(records, "sql")
    sql["rows"].pop()
    sql["last_seq"] = 1


def accept_under_another_seq(records: list[Record]) -> None:
    first(records, "ack")["seq"] = 7


def accept_twice_under_two_seqs(records: list[Record]) -> None:
    again = {**first(records, "ack"), "seq": 3}
    records.append(again)


def store_twice(records: list[Record]) -> None:
    sql = first(records, "sql")
    sql["rows"].append([3, "a", "在吗", "visitor", "", 6.5])
    sql["last_seq"] = 3


def store_an_unanswered_message_twice(records: list[Record]) -> None:
    sql = first(records, "sql")
    sql["rows"] += [[3, "x", "未知", "visitor", "", 6.5], [4, "x", "未知", "visitor", "", 6.5]]
    sql["last_seq"] = 4


def store_a_note_twice(records: list[Record]) -> None:
    first(records, "sql")["notes"] *= 2


def alter_a_message(records: list[Record]) -> None:
    first(records, "sql")["rows"][0][2] = "在"


def store_a_refused_message(records: list[Record]) -> None:
    sql = first(records, "sql")
    sql["rows"].append([3, "y", "太晚", "visitor", "", 6.5])
    sql["last_seq"] = 3


def store_a_message_never_sent(records: list[Record]) -> None:
    sql = first(records, "sql")
    sql["rows"].append([3, "z", "谁也没说", "visitor", "", 6.5])
    sql["last_seq"] = 3


def store_in_another_conversation(records: list[Record]) -> None:
    sql = first(records, "sql", conv=OTHER)
    sql["rows"].append([1, "x", "未知", "visitor", "", 6.5])
    sql["last_seq"] = 1


def leave_a_gap(records: list[Record]) -> None:
    first(records, "sql")["last_seq"] = 3


def store_in_another_order(records: list[Record]) -> None:
    rows = first(records, "sql")["rows"]
    rows[0][0], rows[1][0] = 2, 1
    rows.reverse()


def overtake_on_one_connection(records: list[Record]) -> None:
    """Add two messages that were stored in the wrong order. Both were sent over one connection and got no answer."""
    sql = first(records, "sql")
    for client_id, body in (("q", "丙"), ("p", "乙")):
        sql["rows"].append([len(sql["rows"]) + 1, client_id, body, "visitor", "", 6.5])
    sql["last_seq"] = 4
    for client_id, body in (("p", "乙"), ("q", "丙")):
        records.append({**first(records, "send"), "t": 90.0, "id": client_id, "body": body})


def accept_before_the_commit(records: list[Record]) -> None:
    first(records, "sql")["rows"][0][5] = 7.5


def show_before_the_commit(records: list[Record]) -> None:
    first(records, "show")["t"] = 6.2


def show_out_of_order(records: list[Record]) -> None:
    one, two = first(records, "show", 0), first(records, "show", 1)
    for name in ("seq", "id", "body"):
        one[name], two[name] = two[name], one[name]


def show_twice(records: list[Record]) -> None:
    records.insert(-3, deepcopy(first(records, "show", 1)))


def show_another_text(records: list[Record]) -> None:
    first(records, "show", who="mei")["body"] = "再见"


def show_a_message_not_stored(records: list[Record]) -> None:
    records.insert(-3, {**first(records, "show", 1), "seq": 3, "id": "x", "body": "未知"})


def render_another_text(records: list[Record]) -> None:
    first(records, "dom")["rows"] = [[1, "再见"]]


def render_with_a_gap(records: list[Record]) -> None:
    first(records, "dom")["rows"] = [[1, "在吗"], [3, "卡被吞了"]]


def read_without_the_last_message(records: list[Record]) -> None:
    first(records, "read")["rows"].pop()


def read_one_message_too_many(records: list[Record]) -> None:
    first(records, "read")["rows"].append([3, "x", "未知"])


def read_one_message_twice(records: list[Record]) -> None:
    first(records, "read")["rows"].append([2, "b", "卡被吞了"])


def take_a_read_mark_back(records: list[Record]) -> None:
    first(records, "sql")["marks"]["agent"] = [1, 1]


def report_a_read_mark_never_claimed(records: list[Record]) -> None:
    first(records, "was_seen")["read"] = 2


def mark_beyond_the_end_as_read(records: list[Record]) -> None:
    first(records, "sql")["marks"]["visitor"] = [3, 3]


def send_an_unclaimed_mark_in_a_row(records: list[Record]) -> None:
    first(records, "row")["marks"]["agent"] = [2, 2]


def change_a_row_without_a_new_revision(records: list[Record]) -> None:
    records.append({**first(records, "row"), "row": "d2"})


def leak_a_note(records: list[Record]) -> None:
    records.append({**first(records, "receive", kind="note"), "who": "v0", "role": "visitor"})


def leak_a_note_as_a_message(records: list[Record]) -> None:
    first(records, "show")["body"] = "便条"


def lose_a_note(records: list[Record]) -> None:
    first(records, "sql")["notes"] = []


def send_to_another_visitor(records: list[Record]) -> None:
    records.append({**first(records, "receive", who="v0"), "who": "v1", "kind": "message"})


def send_to_another_department(records: list[Record]) -> None:
    records.append({**first(records, "receive", who="mei"), "who": "jun", "kind": "message"})


def keep_sending_to_a_disabled_account(records: list[Record]) -> None:
    remove(records, "enabled")
    records.append({**first(records, "receive", who="hao"), "kind": "conversation", "t": 99.0})


def assign_to_two_agents(records: list[Record]) -> None:
    first(records, "sql")["assignments"].append(["hao", True])


def confirm_the_assignment_to_two_agents(records: list[Record]) -> None:
    records.append({**first(records, "take"), "who": "hao"})


def let_an_unassigned_agent_answer(records: list[Record]) -> None:
    first(records, "sql")["rows"][1][3:5] = ["agent", "hao"]


def give_a_conversation_to_another_agent(records: list[Record]) -> None:
    records.append(queued(CONV, 9.5, 3, "active", "cards", agent="hao"))


def tell_a_visitor_of_another_agent(records: list[Record]) -> None:
    first(records, "told")["number"] = "1002"


def tell_a_console_of_another_agent(records: list[Record]) -> None:
    first(records, "row")["agent"] = "1002"


def tell_a_console_of_another_offer(records: list[Record]) -> None:
    first(records, "row")["offered_to"] = 2


def list_a_conversation_of_a_colleague(records: list[Record]) -> None:
    first(records, "lists")["mine"].append(OTHER)


def list_no_conversation(records: list[Record]) -> None:
    first(records, "lists")["mine"].clear()


def confirm_the_offer_of_a_colleague(records: list[Record]) -> None:
    records.append({**first(records, "accept"), "who": "mei"})


def accept_an_offer_twice(records: list[Record]) -> None:
    offers = first(records, "offers")
    offers["by_agent"].append(["mei", "accepted"])
    offers["accepted"].append("mei")


def assign_by_an_offer_that_was_missed(records: list[Record]) -> None:
    first(records, "offers")["by_agent"][0][1] = "missed"


def return_the_conversation_of_a_present_agent(records: list[Record]) -> None:
    records.append({"op": "returned", "who": "mei", "conv": CONV})


def exceed_the_capacity(records: list[Record]) -> None:
    first(records, "staff")["capacity"] = 0


def list_more_than_the_capacity(records: list[Record]) -> None:
    first(records, "lists")["offers"] += ["c3", "c4"]


def give_a_conversation_to_nobody(records: list[Record]) -> None:
    remove(records, "queued", status="waiting", offered_to="jun")
    remove(records, "queued", conv=OTHER, status="active")
    # The time counts from the end of the fault.
    first(records, "fault", phase="begin")["t"] = 1.0
    first(records, "sql")["t"] = first(records, "recovered")["t"] + 10.5


def withdraw_no_offer(records: list[Record]) -> None:
    remove(records, "present")
    remove(records, "queued", conv=OTHER, status="active")
    first(records, "sql")["t"] = first(records, "recovered")["t"] + 10.5


def lose_a_conversation(records: list[Record]) -> None:
    remove(records, "sql", conv=OTHER)


def report_a_client_error(records: list[Record]) -> None:
    records.append(
        {"t": 99.0, "op": "wrong", "who": "v0", "description": "seq 1 came twice with different content"}
    )


BROKEN = [
    (lose_an_accepted_message, "acked_is_stored", "lost"),
    (accept_under_another_seq, "stored_as_acked", "reordered"),
    (accept_twice_under_two_seqs, "stored_as_acked", "reordered"),
    (store_twice, "stored_once", "doubled"),
    (store_an_unanswered_message_twice, "stored_once", "doubled"),
    (store_a_note_twice, "stored_once", "doubled"),
    (alter_a_message, "stored_as_sent", "lost"),
    (store_a_refused_message, "refused_is_absent", "doubled"),
    (store_a_message_never_sent, "nobody_sent_it", "doubled"),
    (store_in_another_conversation, "nobody_sent_it", "leaked"),
    (leave_a_gap, "seq_is_dense", "lost"),
    (store_in_another_order, "order_of_sends", "reordered"),
    (overtake_on_one_connection, "order_of_sends", "reordered"),
    (accept_before_the_commit, "ack_after_commit", "lost"),
    (show_before_the_commit, "show_after_commit", "lost"),
    (show_out_of_order, "screen_is_stored", "reordered"),
    (show_twice, "screen_is_stored", "reordered"),
    (show_another_text, "screen_is_stored", "reordered"),
    (show_a_message_not_stored, "screen_is_stored", "doubled"),
    (render_another_text, "screen_is_stored", "reordered"),
    (render_with_a_gap, "screen_is_stored", "reordered"),
    (read_without_the_last_message, "screen_is_whole", "lost"),
    (read_one_message_too_many, "screen_is_stored", "doubled"),
    (read_one_message_twice, "screen_is_whole", "doubled"),
    (take_a_read_mark_back, "marks_never_go_back", "wrong"),
    (report_a_read_mark_never_claimed, "marks_never_go_back", "wrong"),
    (mark_beyond_the_end_as_read, "marks_never_go_back", "wrong"),
    (send_an_unclaimed_mark_in_a_row, "marks_never_go_back", "wrong"),
    (change_a_row_without_a_new_revision, "one_row_per_revision", "wrong"),
    (leak_a_note, "note_stays_inside", "leaked"),
    (leak_a_note_as_a_message, "note_stays_inside", "leaked"),
    (lose_a_note, "notes_are_kept", "lost"),
    (send_to_another_visitor, "own_conversation_only", "leaked"),
    (send_to_another_department, "own_conversation_only", "leaked"),
    (keep_sending_to_a_disabled_account, "disabled_hears_nothing", "leaked"),
    (assign_to_two_agents, "one_agent", "wrong"),
    (confirm_the_assignment_to_two_agents, "one_agent", "wrong"),
    (let_an_unassigned_agent_answer, "one_agent", "wrong"),
    (give_a_conversation_to_another_agent, "agent_comes_from_the_queue", "doubled"),
    (tell_a_visitor_of_another_agent, "agent_comes_from_the_queue", "doubled"),
    (tell_a_console_of_another_agent, "row_is_as_stored", "wrong"),
    (tell_a_console_of_another_offer, "row_is_as_stored", "wrong"),
    (list_a_conversation_of_a_colleague, "lists_are_as_stored", "wrong"),
    (list_no_conversation, "lists_are_as_stored", "wrong"),
    (confirm_the_offer_of_a_colleague, "offer_is_accepted_once", "doubled"),
    (accept_an_offer_twice, "offer_is_accepted_once", "doubled"),
    (assign_by_an_offer_that_was_missed, "offer_is_accepted_once", "doubled"),
    (return_the_conversation_of_a_present_agent, "agents_keep_their_conversations", "wrong"),
    (exceed_the_capacity, "capacity_is_kept", "wrong"),
    (list_more_than_the_capacity, "capacity_is_kept", "wrong"),
    (give_a_conversation_to_nobody, "nobody_waits_in_vain", "lost"),
    (withdraw_no_offer, "nobody_waits_in_vain", "lost"),
    (lose_a_conversation, "everything_was_read", "lost"),
    (report_a_client_error, "nothing_strange_was_seen", "wrong"),
]


@pytest.mark.parametrize(("break_it", "rule", "kind"), BROKEN, ids=[case[0].__name__ for case in BROKEN])
def test_each_violation_is_found_by_its_rule(break_it: Any, rule: str, kind: str) -> None:
    records = history()
    break_it(records)
    assert (rule, kind) in {(violation.rule, violation.kind) for violation in check(records).violations}


def test_every_rule_has_a_broken_history() -> None:
    from tests.faults.checker import RULES

    assert {rule.__name__ for rule in RULES} == {rule for _, rule, _ in BROKEN}


def test_a_message_without_an_answer_may_be_stored_once() -> None:
    records = history()
    sql = first(records, "sql")
    sql["rows"].append([3, "x", "未知", "visitor", "", 6.5])
    sql["last_seq"] = 3
    first(records, "read")["rows"].append([3, "x", "未知"])
    assert check(records).violations == []


def test_a_browser_message_without_client_id_is_matched_by_its_body() -> None:
    records = history()
    for record in records:
        if record["op"] in ("send", "ack") and record["id"] in ("a", "b"):
            record["id"] = None
    assert check(records).violations == []
    lose_an_accepted_message(records)
    assert "acked_is_stored" in check(records).rules


def test_a_message_stored_before_an_earlier_one_put_off_is_a_violation() -> None:
    """Check the rule for a post that was refused with a time to retry and sent again: it must still be stored before
    later posts of the same connection."""
    records = history()
    overtake_on_one_connection(records)
    records.append({**first(records, "send", id="p"), "t": 91.0})
    assert "order_of_sends" in check(records).rules


def test_order_is_checked_across_a_message_that_was_never_stored() -> None:
    records = history()
    overtake_on_one_connection(records)
    records[-1:-1] = [{**first(records, "send", id="p"), "id": "lost", "body": "丁"}]
    assert "order_of_sends" in check(records).rules


def test_waiting_for_nobody_is_no_violation() -> None:
    """Check that a visitor may wait while no agent is free, and during a fault of a server."""
    full, tried, fault = history(), history(), history()
    for records in (full, tried, fault):
        give_a_conversation_to_nobody(records)
    first(full, "staff", who="jun")["capacity"] = 0
    first(full, "lists", who="jun")["mine"] = []
    first(tried, "offers").update(by_agent=[["jun", "declined"]], accepted=[])
    remove(fault, "recovered")
    for records in (full, tried, fault):
        assert "nobody_waits_in_vain" not in check(records).rules


def test_a_former_agent_of_another_department_may_lack_only_the_end() -> None:
    records = history()
    first(records, "sql").update(department="loans", departments=["cards", "loans"])
    first(records, "sql")["assignments"] = [["mei", False], ["jun", True]]
    mei = {**first(records, "read"), "who": "mei", "role": "agent", "rows": [[1, "a", "在吗"]]}
    records.append(mei)
    assert check(records).violations == []
    mei["rows"] = [[2, "b", "卡被吞了"]]
    assert check(records).rules == {"screen_is_whole"}
    mei["rows"] = [[1, "a", "在吗"]]
    first(records, "sql")["department"] = "cards"
    assert check(records).rules == {"screen_is_whole"}


def test_delays_are_grouped_by_the_active_fault() -> None:
    records = history()
    first(records, "fault", phase="begin")["t"] = 9.0
    first(records, "fault", phase="end")["t"] = 10.5
    found = delays(sorted(records, key=lambda record: float(record["t"])))
    # Mei's screen does not count, because it was opened after the messages had been accepted.
    assert found == {"no fault": [1.0], "process_kill": [1.0]}
    assert any(line.split()[:2] == ["process_kill", "1"] for line in table(records))


def test_clients_share_no_code_with_the_product() -> None:
    """Check that the clients import no product code. They follow docs/protocol.md, so they cannot repeat a bug of the
    product."""
    code = "import sys; from tests.harness import agent, reader, visitor; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert {"chat", "console"} <= ours
    assert not loaded & (ours | {"django"})
