"""The rules that a history must obey: a pure function over its records, which `history.py` describes.

An operation has three outcomes: accepted (`ack`), refused for good (`refuse`), or unknown. If the outcome of a message
is unknown, it may be stored once or not at all, but never twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any, Literal

from tests.faults.history import Record

Kind = Literal["lost", "doubled", "reordered", "leaked", "wrong"]
KINDS: tuple[Kind, ...] = ("lost", "doubled", "reordered", "leaked", "wrong")

# The frame kinds that a visitor's socket may carry. The fault injection sends `aurora`, an unknown kind, as a newer
# version might.
VISITOR_KINDS = frozenset(
    (
        *("welcome", "accepted", "refused", "message", "messages", "state", "queue"),
        *("is_typing", "was_seen", "pong", "bye", "aurora"),
    )
)
# Seconds for which a socket may still receive frames after its account has been disabled.
REVOKED_SECONDS = 5.0

# Seconds within which the router must give a waiting conversation to a free agent, or withdraw an offer that has
# expired, even if the process with the router was just killed: five seconds until another process takes over, and as
# much again for a machine that is busy with the checker itself.
MAX_WAIT_SECONDS = 10.0

SEQ, ID, BODY, ROLE, AGENT, COMMITTED = range(6)


@dataclass(frozen=True)
class Violation:
    rule: str
    kind: Kind
    description: str


@dataclass
class Stored:
    """A conversation as it was stored at the end of the run, read by SQL."""

    conv: str
    rows: list[list[Any]]
    last_seq: int
    marks: Mapping[str, Sequence[int]]
    assignments: list[list[object]]
    notes: list[list[object]]
    # The present department of the conversation, and all departments that it has been in.
    department: str
    departments: list[str]

    def __post_init__(self) -> None:
        self.by_seq = {row[SEQ]: row for row in self.rows}
        self.ids = Counter(row[ID] for row in self.rows if row[ID])


@dataclass
class Facts:
    """The records of a history, indexed for the rules."""

    records: Sequence[Record]
    by_op: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    stored: dict[str, Stored] = field(default_factory=dict)
    conversations_of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        for record in self.records:
            self.by_op[record["op"]].append(record)
        for record in self.by_op["sql"]:
            names = ("conv", "rows", "last_seq", "marks", "assignments", "notes", "department", "departments")
            self.stored[record["conv"]] = Stored(**{name: record[name] for name in names})
        for record in self.by_op["begin"]:
            self.conversations_of[record["who"]].add(record["conv"])
        self.bodies = {
            row[BODY]: (stored.conv, row) for stored in self.stored.values() for row in stored.rows if row[ID]
        }
        # Chromium's pages do not reveal the client_ids of their messages. Find these messages by their bodies, because
        # every body in a run is unique.
        self.acks = self._keyed("ack")
        # The changes of each conversation in the order of their commits.
        self.queued: dict[str, list[Record]] = defaultdict(list)
        for record in self.by_op["queued"]:
            self.queued[record["conv"]].append(record)
        self.numbers = {record["who"]: record["number"] for record in self.by_op["staff"]}
        self.pks = {record["who"]: record["pk"] for record in self.by_op["staff"]}

    def _keyed(self, op: str) -> list[tuple[str, str, Record]]:
        found = []
        for record in self.by_op[op]:
            key = record["id"]
            if key is None:
                _, row = self.bodies.get(record["body"], ("", [0, "", "", "", "", 0]))
                key = str(row[ID])
            found.append((record["conv"], key, record))
        return found


@dataclass
class Verdict:
    violations: list[Violation]
    messages: int
    faults: int

    def count(self, kind: Kind) -> int:
        return sum(violation.kind == kind for violation in self.violations)

    @property
    def rules(self) -> set[str]:
        return {violation.rule for violation in self.violations}


Rule = Callable[[Facts], Iterator[Violation]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function


def check(records: Sequence[Record]) -> Verdict:
    """Check a history against all rules. The verdict has the violations without duplicates, and the numbers of accepted
    messages and of faults."""
    facts = Facts(records)
    found = dict.fromkeys(violation for rule in RULES for violation in rule(facts))
    faults = sum(record["phase"] == "begin" for record in facts.by_op["fault"])
    return Verdict(list(found), len({(conv, key) for conv, key, _ in facts.acks}), faults)


# -- Answers and stored messages -----------------------------------------------------------------------------


@rule
def everything_was_read(facts: Facts) -> Iterator[Violation]:
    for conv in {record["conv"] for record in facts.by_op["begin"]} - facts.stored.keys():
        yield Violation("everything_was_read", "lost", f"{conv} was started and is not stored")


@rule
def acked_is_stored(facts: Facts) -> Iterator[Violation]:
    for conv, key, ack in facts.acks:
        stored = facts.stored.get(conv)
        if stored is None or not stored.ids[key]:
            yield Violation(
                "acked_is_stored",
                "lost",
                f"{conv}/{ack['seq']} of {ack['who']} was accepted and is not stored",
            )


@rule
def stored_as_acked(facts: Facts) -> Iterator[Violation]:
    accepted_seqs: dict[tuple[str, str], int] = {}
    for conv, key, ack in facts.acks:
        if accepted_seqs.setdefault((conv, key), ack["seq"]) != ack["seq"]:
            yield Violation(
                "stored_as_acked",
                "reordered",
                f"{conv}: accepted as {accepted_seqs[conv, key]} and as {ack['seq']}",
            )
        rows = facts.stored[conv].rows if conv in facts.stored else []
        for row in rows:
            if row[ID] == key and row[SEQ] != ack["seq"]:
                yield Violation(
                    "stored_as_acked", "reordered", f"{conv}: accepted as {ack['seq']}, stored as {row[SEQ]}"
                )


@rule
def stored_once(facts: Facts) -> Iterator[Violation]:
    everywhere: Counter[object] = Counter()
    for stored in facts.stored.values():
        everywhere.update(stored.ids)
    for key, count in everywhere.items():
        if count > 1:
            yield Violation("stored_once", "doubled", f"{key} is stored {count} times")
    for key, count in Counter(note[0] for stored in facts.stored.values() for note in stored.notes).items():
        if count > 1:
            yield Violation("stored_once", "doubled", f"the note {key} is stored {count} times")


@rule
def stored_as_sent(facts: Facts) -> Iterator[Violation]:
    sent = {record["id"]: record["body"] for record in facts.by_op["send"] if record["id"]}
    for stored in facts.stored.values():
        for row in stored.rows:
            if row[ID] in sent and row[BODY] != sent[row[ID]]:
                yield Violation("stored_as_sent", "lost", f"{stored.conv}/{row[SEQ]} is not what was sent")


@rule
def refused_is_absent(facts: Facts) -> Iterator[Violation]:
    for record in facts.by_op["refuse"]:
        stored = facts.stored.get(record["conv"])
        if stored is not None and stored.ids[record["id"]]:
            text = f"{record['conv']}: {record['id']} was refused ({record['code']}) and is stored"
            yield Violation("refused_is_absent", "doubled", text)


@rule
def nobody_sent_it(facts: Facts) -> Iterator[Violation]:
    sent = {record["id"]: record["conv"] for record in facts.by_op["send"] if record["id"]}
    by_hand = {record["body"] for record in facts.by_op["send"] if not record["id"]}
    for stored in facts.stored.values():
        for row in stored.rows:
            if not row[ID] or row[BODY] in by_hand:
                continue
            where = sent.get(row[ID])
            if where is None:
                yield Violation(
                    "nobody_sent_it", "doubled", f"{stored.conv}/{row[SEQ]} was not sent by anyone"
                )
            elif where != stored.conv:
                yield Violation("nobody_sent_it", "leaked", f"{stored.conv}/{row[SEQ]} was sent into {where}")


@rule
def seq_is_dense(facts: Facts) -> Iterator[Violation]:
    for stored in facts.stored.values():
        numbers = [row[SEQ] for row in stored.rows]
        if numbers != list(range(1, stored.last_seq + 1)):
            yield Violation(
                "seq_is_dense", "lost", f"{stored.conv}: {stored.last_seq} numbers, but {numbers}"
            )


@rule
def order_of_sends(facts: Facts) -> Iterator[Violation]:
    """Check the order of one sender's messages.

    A message must be stored before a later one if it was accepted before the later one was sent, or if both were sent
    over the same connection. This also holds for a message that was refused with a time to retry and sent again.
    """
    acked_at: dict[tuple[str, str], float] = {}
    for conv, key, ack in facts.acks:
        acked_at.setdefault((conv, key), ack["t"])
    for (conv, who), sends in _sends_by_sender(facts).items():
        seqs = {row[ID]: row[SEQ] for row in facts.stored[conv].rows} if conv in facts.stored else {}
        firsts: dict[str, Record] = {}
        for record in sends:
            firsts.setdefault(record["id"], record)
        stored = [record for key, record in firsts.items() if key in seqs]
        for before, after in combinations(stored, 2):
            if seqs[before["id"]] < seqs[after["id"]]:
                continue
            was_acked = acked_at.get((conv, before["id"]), float("inf")) < after["t"]
            is_one_connection = before["connection"] and before["connection"] == after["connection"]
            if was_acked or is_one_connection:
                text = f"{conv}: {who} sent seq {seqs[before['id']]} before seq {seqs[after['id']]}"
                yield Violation("order_of_sends", "reordered", text)


def _sends_by_sender(facts: Facts) -> dict[tuple[str, str], list[Record]]:
    found: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in facts.by_op["send"]:
        if record["id"] is None and record["body"] in facts.bodies:
            record = {**record, "id": facts.bodies[record["body"]][1][ID]}
        if record["id"]:
            found[record["conv"], record["who"]].append(record)
    return found


@rule
def ack_after_commit(facts: Facts) -> Iterator[Violation]:
    for conv, key, ack in facts.acks:
        for row in facts.stored[conv].rows if conv in facts.stored else ():
            if row[ID] == key and _is_before(ack, row):
                yield Violation(
                    "ack_after_commit", "lost", f"{conv}/{row[SEQ]} was accepted before it was committed"
                )


@rule
def show_after_commit(facts: Facts) -> Iterator[Violation]:
    for show in facts.by_op["show"]:
        stored = facts.stored.get(show["conv"])
        row = stored.by_seq.get(show["seq"]) if stored else None
        if row is not None and _is_before(show, row):
            text = f"{show['conv']}/{show['seq']} was on {show['who']}'s screen before it was committed"
            yield Violation("show_after_commit", "lost", text)


def _is_before(record: Record, row: Sequence[object]) -> bool:
    committed = row[COMMITTED]
    return isinstance(committed, float) and record["t"] < committed


# -- Screens -------------------------------------------------------------------------------------------------


@rule
def screen_is_stored(facts: Facts) -> Iterator[Violation]:
    """Check that each screen always shows stored messages in order, without a gap or a difference.

    The screen of a protocol-level client must begin with the first message; a page in Chromium may begin with a later
    one.
    """
    heads: dict[tuple[str, str], int] = defaultdict(int)
    for record in facts.records:
        if record["op"] == "clear":
            heads[record["who"], record["conv"]] = 0
        elif record["op"] == "show":
            key = record["who"], record["conv"]
            if record["seq"] != heads[key] + 1:
                yield Violation(
                    "screen_is_stored", "reordered", f"{key}: {record['seq']} was shown after {heads[key]}"
                )
            heads[key] = record["seq"]
            yield from _differences(
                facts, record["who"], record["conv"], [record["seq"], record["id"], record["body"]]
            )
    for record in facts.by_op["dom"]:
        numbers = [seq for seq, _ in record["rows"]]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers)) if numbers else []):
            yield Violation("screen_is_stored", "reordered", f"{record['who']}'s page shows {numbers}")
        for seq, body in record["rows"]:
            yield from _differences(facts, record["who"], record["conv"], [seq, None, body])


@rule
def screen_is_whole(facts: Facts) -> Iterator[Violation]:
    """Check that each screen shows the whole stored conversation at the end, whether it was opened early or late.

    The screen of an agent may end earlier if the conversation is now in a department to which the agent does not
    belong, and is no longer assigned to the agent.
    """
    departments = {record["who"]: set(record["departments"]) for record in facts.by_op["staff"]}
    for record in facts.by_op["read"]:
        stored = facts.stored.get(record["conv"])
        if stored is None:
            if record["rows"]:
                yield Violation(
                    "screen_is_whole", "lost", f"{record['who']} shows {record['conv']}, which is not stored"
                )
            continue
        shown = {row[SEQ]: row for row in record["rows"]}
        who = record["who"]
        has_left = who in departments and stored.department not in departments[who]
        has_left = has_left and not any(agent == who and is_open for agent, is_open in stored.assignments)
        last = max(shown, default=0) if has_left else stored.last_seq
        for seq in sorted(seq for seq in stored.by_seq.keys() - shown.keys() if seq <= last):
            yield Violation("screen_is_whole", "lost", f"{record['who']} does not show {stored.conv}/{seq}")
        if len(shown) != len(record["rows"]):
            yield Violation(
                "screen_is_whole", "doubled", f"{record['who']} shows a number of {stored.conv} twice"
            )
        for row in record["rows"]:
            yield from _differences(facts, record["who"], record["conv"], row)


def _differences(facts: Facts, who: str, conv: str, shown: Sequence[object]) -> Iterator[Violation]:
    stored = facts.stored.get(conv)
    row = stored.by_seq.get(shown[SEQ]) if stored else None
    if row is None:
        yield Violation(
            "screen_is_stored", "doubled", f"{who} shows {conv}/{shown[SEQ]}, which is not stored"
        )
    elif shown[BODY] != row[BODY] or (shown[ID] is not None and shown[ID] != row[ID]):
        yield Violation("screen_is_stored", "reordered", f"{who} shows another text as {conv}/{shown[SEQ]}")


# -- Read marks -----------------------------------------------------------------------------------------------


@rule
def marks_never_go_back(facts: Facts) -> Iterator[Violation]:
    """Check that every reported read mark was sent by a client before, that the stored read marks are not lower, and
    that none is beyond the last message."""
    # `unclaimed` has the (conversation, side) pairs for which Chromium might have sent read marks: those of its two
    # pages, and the agent's side of each conversation assigned to its agent. The history does not record such marks
    # when they are sent.
    unclaimed = {(record["conv"], record["role"]) for record in facts.by_op["dom"]}
    protocol_clients = {record["who"] for record in facts.by_op["receive"]}
    for conversation in facts.stored.values():
        if any(agent not in protocol_clients for agent, _ in conversation.assignments):
            unclaimed.add((conversation.conv, "agent"))
    claimed: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    read_at = min((record["t"] for record in facts.by_op["sql"]), default=0.0)
    for record in facts.records:
        if record["op"] == "mark":
            key = record["conv"], record["role"]
            received, read = claimed[key]
            claimed[key] = max(received, record["received"]), max(read, record["read"])
        for role, reported in _reported_marks(record):
            key = record["conv"], role
            if key not in unclaimed and (reported[0] > claimed[key][0] or reported[1] > claimed[key][1]):
                yield Violation(
                    "marks_never_go_back",
                    "wrong",
                    f"{key}: {reported} was reported, {claimed[key]} was claimed",
                )
            stored = facts.stored.get(record["conv"])
            if stored is None or record["t"] >= read_at:
                # A mark may also have been stored after the database was read.
                continue
            now = tuple(stored.marks[role])
            if now[0] < reported[0] or now[1] < reported[1]:
                yield Violation(
                    "marks_never_go_back", "wrong", f"{key}: {reported} was reported, {now} is stored"
                )
    for stored in facts.stored.values():
        for role, marks in stored.marks.items():
            if max(marks) > stored.last_seq:
                yield Violation(
                    "marks_never_go_back", "wrong", f"{stored.conv}: {role} has read beyond the end"
                )


def _reported_marks(record: Record) -> list[tuple[str, Sequence[int]]]:
    """Return (side, read marks) pairs: the read marks that a screen received, according to this record."""
    if record["op"] == "row":
        return list(record["marks"].items())
    if record["op"] == "was_seen":
        return [(record["role"], (record["received"], record["read"]))]
    return []


# -- Rows ----------------------------------------------------------------------------------------------------


@rule
def one_row_per_revision(facts: Facts) -> Iterator[Violation]:
    """Check that two different rows of a conversation have different revisions, because a screen keeps the row with
    the highest revision."""
    rows: dict[tuple[str, int], str] = {}
    for record in facts.by_op["row"]:
        key = record["conv"], record["revision"]
        if rows.setdefault(key, record["row"]) != record["row"]:
            text = (
                f"{record['conv']}: {record['who']} received another row with revision {record['revision']}"
            )
            yield Violation("one_row_per_revision", "wrong", text)


# -- Access --------------------------------------------------------------------------------------------------


@rule
def note_stays_inside(facts: Facts) -> Iterator[Violation]:
    bodies = {record["body"] for record in facts.by_op["send_note"]}
    for record in facts.by_op["receive"]:
        if record["role"] == "visitor" and (record["kind"] not in VISITOR_KINDS or record["body"] in bodies):
            text = f"{record['who']}, a visitor, received {record['kind']} of {record['conv']}"
            yield Violation("note_stays_inside", "leaked", text)
    for record in [
        *facts.by_op["show"],
        *({"body": row[BODY], **read} for read in facts.by_op["read"] for row in read["rows"]),
    ]:
        if record["body"] in bodies:
            yield Violation(
                "note_stays_inside", "leaked", f"a note is among the messages of {record['conv']}"
            )


@rule
def notes_are_kept(facts: Facts) -> Iterator[Violation]:
    for record in facts.by_op["note"]:
        stored = facts.stored.get(record["conv"])
        if stored is None or [record["id"], record["body"], record["who"]] not in stored.notes:
            yield Violation(
                "notes_are_kept", "lost", f"a note of {record['who']} in {record['conv']} is not stored"
            )


@rule
def own_conversation_only(facts: Facts) -> Iterator[Violation]:
    """Check that nobody receives frames of conversations that they are not allowed to read.

    A visitor receives only frames of the visitor's own conversations. An agent receives only frames of conversations
    that were in the agent's departments or were assigned to the agent.
    """
    departments = {record["who"]: set(record["departments"]) for record in facts.by_op["staff"]}
    for record in facts.by_op["receive"] + facts.by_op["show"]:
        conv, who = record["conv"], record["who"]
        if not conv:
            continue
        if record["role"] == "visitor":
            if conv not in facts.conversations_of[who.rstrip("+")]:
                yield Violation(
                    "own_conversation_only",
                    "leaked",
                    f"{who} received a frame of {conv}, which is another visitor's",
                )
        elif who in departments and conv in facts.stored:
            stored = facts.stored[conv]
            had = any(agent == who for agent, _ in stored.assignments)
            if not had and not departments[who] & set(stored.departments):
                yield Violation(
                    "own_conversation_only",
                    "leaked",
                    f"{who} received a frame of {conv}, which is in other departments",
                )


@rule
def disabled_hears_nothing(facts: Facts) -> Iterator[Violation]:
    since: dict[str, float] = {}
    for record in facts.records:
        if record["op"] == "disabled":
            since[record["who"]] = record["t"]
        elif record["op"] == "enabled":
            since.pop(record["who"], None)
        elif record["op"] in ("receive", "show", "ack") and record["who"] in since:
            late = record["t"] - since[record["who"]] - REVOKED_SECONDS
            # After the allowed time, this person may still open sockets, but these must receive only a bye frame.
            if late > 0 and record.get("kind") not in ("bye", "status_500"):
                text = f"{record['who']} received {record.get('kind', record['op'])} {late:.1f} s too late"
                yield Violation("disabled_hears_nothing", "leaked", text)


@rule
def one_agent(facts: Facts) -> Iterator[Violation]:
    for stored in facts.stored.values():
        if sum(bool(is_open) for _, is_open in stored.assignments) > 1:
            yield Violation("one_agent", "wrong", f"{stored.conv} has two agents")
        had = {agent for agent, _ in stored.assignments}
        for row in stored.rows:
            if row[ROLE] == "agent" and row[AGENT] not in had:
                yield Violation(
                    "one_agent", "wrong", f"{stored.conv}/{row[SEQ]} is by {row[AGENT]}, who never had it"
                )
    for record in facts.by_op["take"]:
        stored_one = facts.stored.get(record["conv"])
        if stored_one and all(agent != record["who"] for agent, _ in stored_one.assignments):
            text = f"{record['who']} was told that they have {record['conv']}, and never had it"
            yield Violation("one_agent", "wrong", text)


# -- Routing -------------------------------------------------------------------------------------------------


@rule
def agent_comes_from_the_queue(facts: Facts) -> Iterator[Violation]:
    """Check that nobody takes a conversation from an agent.

    No agent of a run transfers conversations to another agent, so a conversation gets an agent only while it waits. A
    visitor's screen names only agents who have the conversation.
    """
    for conv, changes in facts.queued.items():
        for before, after in pairwise(changes):
            is_taken_away = before["status"] != "waiting" and after["status"] == "active"
            if is_taken_away and after["agent"] != before["agent"]:
                text = f"{conv} was given to {after['agent']} while {before['agent']} had it"
                yield Violation("agent_comes_from_the_queue", "doubled", text)
    helped = {
        (conv, facts.numbers.get(change["agent"]))
        for conv, changes in facts.queued.items()
        for change in changes
    }
    for record in facts.by_op["told"]:
        known = record["number"] in facts.numbers.values()
        if known and record["conv"] in facts.queued and (record["conv"], record["number"]) not in helped:
            text = f"{record['who']} was told that {record['number']} helps in {record['conv']}"
            yield Violation("agent_comes_from_the_queue", "doubled", text)


@rule
def row_is_as_stored(facts: Facts) -> Iterator[Violation]:
    """Check that a row on a console has the status, the agent and the offer that were stored with this revision."""
    for record in facts.by_op["row"]:
        stored = [one for one in facts.queued[record["conv"]] if one["revision"] <= record["revision"]]
        if not stored:
            continue
        now = max(stored, key=lambda one: int(one["revision"]))
        agent = facts.numbers.get(now["agent"], record["agent"])
        if record["status"] != now["status"] or (now["status"] == "active" and record["agent"] != agent):
            text = (
                f"{record['who']} was told that {record['conv']} is {record['status']} of {record['agent']} at "
                f"revision {record['revision']}, but it is {now['status']} of {agent}"
            )
            yield Violation("row_is_as_stored", "wrong", text)
        elif record["offered_to"] != facts.pks.get(now["offered_to"]):
            text = (
                f"{record['conv']}, revision {record['revision']}: {record['who']} was told of another offer"
            )
            yield Violation("row_is_as_stored", "wrong", text)


@rule
def lists_are_as_stored(facts: Facts) -> Iterator[Violation]:
    """Check that at the end each agent's console lists the conversations and offers that the agent has."""
    ends = {conv: changes[-1] for conv, changes in facts.queued.items()}
    for record in facts.by_op["lists"]:
        who = record["who"]
        mine = {
            c for c, end in ends.items() if end["agent"] == who and end["status"] in ("active", "wrap_up")
        }
        offers = {c for c, end in ends.items() if end["offered_to"] == who and end["status"] == "waiting"}
        for name, stored in (("mine", mine), ("offers", offers)):
            for conv in sorted(stored ^ set(record[name])):
                what = "does not list" if conv in stored else "wrongly lists"
                yield Violation("lists_are_as_stored", "wrong", f"{who} {what} {conv} ({name})")


@rule
def offer_is_accepted_once(facts: Facts) -> Iterator[Violation]:
    """Check that only the agent who has the offer accepts it, and that this is what the agent was told and what the
    assignments and the history of offers say."""
    got: Counter[tuple[str, str]] = Counter()
    for conv, changes in facts.queued.items():
        for before, after in pairwise(changes):
            if after["status"] == "active" and before["offered_to"] == after["agent"]:
                got[conv, after["agent"]] += 1
    for conv, who in dict.fromkeys((record["conv"], record["who"]) for record in facts.by_op["accept"]):
        if not got[conv, who]:
            text = f"{who} was told to have accepted {conv}, which was not offered to them then"
            yield Violation("offer_is_accepted_once", "doubled", text)
    for record in facts.by_op["offers"]:
        conv = record["conv"]
        accepted = Counter(agent for agent, outcome in record["by_agent"] if outcome == "accepted")
        if accepted != Counter(record["accepted"]):
            text = f"{conv}: assigned by offers to {record['accepted']}, accepted by {sorted(accepted)}"
            yield Violation("offer_is_accepted_once", "doubled", text)
        for who, count in Counter(record["accepted"]).items():
            if count > got[conv, who]:
                text = f"{who} accepted {conv}, which was not offered to them then"
                yield Violation("offer_is_accepted_once", "doubled", text)


@rule
def agents_keep_their_conversations(facts: Facts) -> Iterator[Violation]:
    """Check that no conversation was returned to the queue because its agent is gone: in a run, no agent is gone for as
    long as that takes."""
    for record in facts.by_op["returned"]:
        text = f"{record['conv']} was taken from {record['who']}, who was there"
        yield Violation("agents_keep_their_conversations", "wrong", text)


@rule
def capacity_is_kept(facts: Facts) -> Iterator[Violation]:
    """Check at every change that no agent has more conversations and open offers than their capacity, and the same for
    the agents' lists at the end."""
    capacities = {record["who"]: record["capacity"] for record in facts.by_op["staff"]}
    loads = Loads()
    for record in facts.by_op["queued"]:
        for who in loads.change(record):
            if loads.of[who] > capacities.get(who, loads.of[who]):
                text = (
                    f"{who} got {record['conv']} and has {loads.of[who]} of {capacities[who]} conversations"
                )
                yield Violation("capacity_is_kept", "wrong", text)
    for record in facts.by_op["lists"]:
        count = len(record["mine"]) + len(record["offers"])
        if count > capacities[record["who"]]:
            yield Violation("capacity_is_kept", "wrong", f"{record['who']} lists {count} conversations")


class Loads:
    """The number of conversations and open offers of each agent after each change."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()
        self._holders: dict[str, str] = {}

    def change(self, record: Record) -> list[str]:
        """Apply a `queued` record. Return the agent who has one more conversation now, if any."""
        before, after = self._holders.get(record["conv"], ""), _holder(record)
        if after == before:
            return []
        self._holders[record["conv"]] = after
        self.of[before] -= 1
        self.of[after] += 1
        return [after] if after else []


def _holder(record: Record) -> str:
    """Return the agent whose capacity the conversation uses, or ""."""
    if record["status"] in ("active", "wrap_up"):
        return str(record["agent"])
    return str(record["offered_to"]) if record["status"] == "waiting" else ""


@rule
def nobody_waits_in_vain(facts: Facts) -> Iterator[Violation]:
    """Check that no conversation waits for the router longer than MAX_WAIT_SECONDS while an agent is free.

    An expired offer counts as waiting, until it is withdrawn. The time counts while no fault of a server is active,
    except those that kill the router: these must not last longer for the visitors.
    """
    if not facts.by_op["routing"]:
        return
    queue = Queue(facts)
    for at, record in _timeline(facts):
        for conv, since in queue.advance(at, record):
            text = f"{conv} waited {at - since:.1f} s although an agent was free, or its offer had ended"
            yield Violation("nobody_waits_in_vain", "lost", text)


def _timeline(facts: Facts) -> list[tuple[float, Record]]:
    """Return the changes of conversations, presences and faults, and the end of the run, by time."""
    events = [(record["at"], record) for record in facts.by_op["queued"] + facts.by_op["present"]]
    events += [(record["t"], record) for record in facts.by_op["fault"] + facts.by_op["recovered"]]
    events += [(record["t"], record) for record in facts.by_op["sql"][:1]]
    return sorted(events, key=lambda event: event[0])


class Queue:
    """The queue of the departments with a router, replayed from the history."""

    def __init__(self, facts: Facts) -> None:
        (routing,) = facts.by_op["routing"][:1]
        self._departments = set(routing["departments"])
        self._staff = facts.by_op["staff"]
        self._tried = {
            (record["conv"], agent)
            for record in facts.by_op["offers"]
            for agent, outcome in record["by_agent"]
            if outcome in ("missed", "declined")
        }
        self._loads = Loads()
        self._waiting: dict[str, Record] = {}
        self._online: set[str] = set()
        self._fault = ""
        # The times since which the router should have served each conversation.
        self._since: dict[str, float] = {}
        self._changed_at = 0.0

    def advance(self, at: float, record: Record) -> Iterator[tuple[str, float]]:
        """Apply an event. Yield the conversations whose wait has exceeded the limit until now, each with its start."""
        due = {conv for conv in self._waiting if self._is_due(conv, at)}
        for conv in tuple(self._since):
            if conv not in due:
                del self._since[conv]
        for conv in due:
            ended = self._waiting[conv]["offered_until"] or 0.0
            since = self._since.setdefault(conv, max(self._changed_at, ended))
            if at - since > MAX_WAIT_SECONDS:
                yield conv, since
                self._since[conv] = float("inf")
        self._apply(record)
        self._changed_at = at

    def _is_due(self, conv: str, at: float) -> bool:
        """Return whether the router could have served the conversation since the last event."""
        waiting = self._waiting[conv]
        if self._fault or waiting["is_away"]:
            return False
        if waiting["offered_to"]:
            return bool(waiting["offered_until"] < at)
        offered = {other["offered_to"] for other in self._waiting.values()}
        return any(
            member["who"] in self._online
            and waiting["department"] in member["departments"]
            and self._loads.of[member["who"]] < member["capacity"]
            # The router makes an agent one offer at a time.
            and member["who"] not in offered
            and (conv, member["who"]) not in self._tried
            for member in self._staff
        )

    def _apply(self, record: Record) -> None:
        conv = record.get("conv", "")
        match record["op"]:
            case "queued":
                self._loads.change(record)
                self._waiting.pop(conv, None)
                # Another change of a conversation begins another wait.
                self._since.pop(conv, None)
                if record["status"] == "waiting" and record["department"] in self._departments:
                    self._waiting[conv] = record
            case "present":
                (self._online.add if record["status"] == "online" else self._online.discard)(record["who"])
            case "fault" if record["track"] == "servers" and record["phase"] == "begin":
                self._fault = "" if record["name"].startswith("router_") else record["name"]
            case "fault" if record["phase"] == "healed":
                self._fault = ""
            case "recovered" if record["name"] == self._fault:
                self._fault = ""


@rule
def nothing_strange_was_seen(facts: Facts) -> Iterator[Violation]:
    for record in facts.by_op["wrong"]:
        yield Violation("nothing_strange_was_seen", "wrong", f"{record['who']}: {record['description']}")
