"""Was it right? A pure function over a history (`history.py` says what is in one).

An operation has three outcomes: told that it is done (ack), told for good that it is not (refuse), or not known. What
is not known may be there once or not at all, and never twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

from tests.faults.history import Record

Kind = Literal["lost", "doubled", "reordered", "leaked", "wrong"]
KINDS: tuple[Kind, ...] = ("lost", "doubled", "reordered", "leaked", "wrong")

# What a visitor's socket may carry; `aurora` is the checker's own, of a version to come.
VISITOR_KINDS = frozenset(
    (
        *("welcome", "accepted", "refused", "message", "messages", "state", "queue"),
        *("is_typing", "was_seen", "pong", "bye", "aurora"),
    )
)
# So long after its rights have ended a socket may still be heard.
REVOKED_SECONDS = 5.0

SEQ, ID, BODY, ROLE, AGENT, COMMITTED = range(6)


@dataclass(frozen=True)
class Wrong:
    rule: str
    kind: Kind
    words: str


@dataclass
class Stored:
    """A conversation as SQL read it."""

    conv: str
    rows: list[list[Any]]
    last_seq: int
    marks: Mapping[str, Sequence[int]]
    assignments: list[list[object]]
    notes: list[list[object]]
    # The one it is in now, and all it has been in.
    department: str
    departments: list[str]

    def __post_init__(self) -> None:
        self.by_seq = {row[SEQ]: row for row in self.rows}
        self.ids = Counter(row[ID] for row in self.rows if row[ID])


@dataclass
class Facts:
    """The history, sorted once for all rules."""

    records: Sequence[Record]
    of: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    stored: dict[str, Stored] = field(default_factory=dict)
    own: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        for record in self.records:
            self.of[record["op"]].append(record)
        for record in self.of["sql"]:
            names = ("conv", "rows", "last_seq", "marks", "assignments", "notes", "department", "departments")
            self.stored[record["conv"]] = Stored(**{name: record[name] for name in names})
        for record in self.of["begin"]:
            self.own[record["who"]].add(record["conv"])
        self.bodies = {
            row[BODY]: (stored.conv, row) for stored in self.stored.values() for row in stored.rows if row[ID]
        }
        # A browser does not tell the id under which it sends; every body in a run is another.
        self.acks = self._keyed("ack")

    def _keyed(self, op: str) -> list[tuple[str, str, Record]]:
        found = []
        for record in self.of[op]:
            key = record["id"]
            if key is None:
                _, row = self.bodies.get(record["body"], ("", [0, "", "", "", "", 0]))
                key = str(row[ID])
            found.append((record["conv"], key, record))
        return found


@dataclass
class Verdict:
    wrong: list[Wrong]
    messages: int
    faults: int

    def count(self, kind: Kind) -> int:
        return sum(one.kind == kind for one in self.wrong)

    @property
    def rules(self) -> set[str]:
        return {one.rule for one in self.wrong}


Rule = Callable[[Facts], Iterator[Wrong]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function


def check(records: Sequence[Record]) -> Verdict:
    """Everything that is wrong with this history, each said once."""
    facts = Facts(records)
    found = dict.fromkeys(one for each in RULES for one in each(facts))
    faults = sum(record["phase"] == "begin" for record in facts.of["fault"])
    return Verdict(list(found), len({(conv, key) for conv, key, _ in facts.acks}), faults)


# -- What was answered, and what is stored -------------------------------------------------------------------


@rule
def everything_was_read(facts: Facts) -> Iterator[Wrong]:
    for conv in {record["conv"] for record in facts.of["begin"]} - facts.stored.keys():
        yield Wrong("everything_was_read", "lost", f"{conv} was begun and is not stored")


@rule
def acked_is_stored(facts: Facts) -> Iterator[Wrong]:
    for conv, key, ack in facts.acks:
        stored = facts.stored.get(conv)
        if stored is None or not stored.ids[key]:
            yield Wrong(
                "acked_is_stored", "lost", f"{conv}/{ack['seq']} of {ack['who']} was accepted and is gone"
            )


@rule
def stored_as_acked(facts: Facts) -> Iterator[Wrong]:
    seen: dict[tuple[str, str], int] = {}
    for conv, key, ack in facts.acks:
        if seen.setdefault((conv, key), ack["seq"]) != ack["seq"]:
            yield Wrong(
                "stored_as_acked", "reordered", f"{conv}: accepted as {seen[conv, key]} and as {ack['seq']}"
            )
        rows = facts.stored[conv].rows if conv in facts.stored else []
        for row in rows:
            if row[ID] == key and row[SEQ] != ack["seq"]:
                yield Wrong(
                    "stored_as_acked", "reordered", f"{conv}: accepted as {ack['seq']}, stored as {row[SEQ]}"
                )


@rule
def stored_once(facts: Facts) -> Iterator[Wrong]:
    everywhere: Counter[object] = Counter()
    for stored in facts.stored.values():
        everywhere.update(stored.ids)
    for key, count in everywhere.items():
        if count > 1:
            yield Wrong("stored_once", "doubled", f"{key} is stored {count} times")
    for key, count in Counter(note[0] for stored in facts.stored.values() for note in stored.notes).items():
        if count > 1:
            yield Wrong("stored_once", "doubled", f"the note {key} is stored {count} times")


@rule
def stored_as_sent(facts: Facts) -> Iterator[Wrong]:
    sent = {record["id"]: record["body"] for record in facts.of["send"] if record["id"]}
    for stored in facts.stored.values():
        for row in stored.rows:
            if row[ID] in sent and row[BODY] != sent[row[ID]]:
                yield Wrong("stored_as_sent", "lost", f"{stored.conv}/{row[SEQ]} is not what was sent")


@rule
def refused_is_absent(facts: Facts) -> Iterator[Wrong]:
    for record in facts.of["refuse"]:
        stored = facts.stored.get(record["conv"])
        if stored is not None and stored.ids[record["id"]]:
            words = f"{record['conv']}: {record['id']} was refused ({record['code']}) and is stored"
            yield Wrong("refused_is_absent", "doubled", words)


@rule
def nobody_sent_it(facts: Facts) -> Iterator[Wrong]:
    sent = {record["id"]: record["conv"] for record in facts.of["send"] if record["id"]}
    by_hand = {record["body"] for record in facts.of["send"] if not record["id"]}
    for stored in facts.stored.values():
        for row in stored.rows:
            if not row[ID] or row[BODY] in by_hand:
                continue
            where = sent.get(row[ID])
            if where is None:
                yield Wrong("nobody_sent_it", "doubled", f"{stored.conv}/{row[SEQ]} was sent by nobody")
            elif where != stored.conv:
                yield Wrong("nobody_sent_it", "leaked", f"{stored.conv}/{row[SEQ]} was sent into {where}")


@rule
def seq_is_dense(facts: Facts) -> Iterator[Wrong]:
    for stored in facts.stored.values():
        numbers = [row[SEQ] for row in stored.rows]
        if numbers != list(range(1, stored.last_seq + 1)):
            yield Wrong("seq_is_dense", "lost", f"{stored.conv}: {stored.last_seq} numbers, but {numbers}")


@rule
def order_of_sends(facts: Facts) -> Iterator[Wrong]:
    """Stored before the next is what was accepted before the next was sent, and what came first over the same
    connection, even if it was put off and sent again."""
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
            is_one_line = before["line"] and before["line"] == after["line"]
            if was_acked or is_one_line:
                words = f"{conv}: {who} sent {seqs[before['id']]} before {seqs[after['id']]}"
                yield Wrong("order_of_sends", "reordered", words)


def _sends_by_sender(facts: Facts) -> dict[tuple[str, str], list[Record]]:
    found: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in facts.of["send"]:
        if record["id"] is None and record["body"] in facts.bodies:
            record = {**record, "id": facts.bodies[record["body"]][1][ID]}
        if record["id"]:
            found[record["conv"], record["who"]].append(record)
    return found


@rule
def ack_after_commit(facts: Facts) -> Iterator[Wrong]:
    for conv, key, ack in facts.acks:
        for row in facts.stored[conv].rows if conv in facts.stored else ():
            if row[ID] == key and _is_before(ack, row):
                yield Wrong(
                    "ack_after_commit", "lost", f"{conv}/{row[SEQ]} was accepted before it was committed"
                )


@rule
def show_after_commit(facts: Facts) -> Iterator[Wrong]:
    for show in facts.of["show"]:
        stored = facts.stored.get(show["conv"])
        row = stored.by_seq.get(show["seq"]) if stored else None
        if row is not None and _is_before(show, row):
            words = f"{show['conv']}/{show['seq']} was on {show['who']}'s screen before it was committed"
            yield Wrong("show_after_commit", "lost", words)


def _is_before(record: Record, row: Sequence[object]) -> bool:
    committed = row[COMMITTED]
    return isinstance(committed, float) and record["t"] < committed


# -- The screens ---------------------------------------------------------------------------------------------


@rule
def screen_is_stored(facts: Facts) -> Iterator[Wrong]:
    """What a screen shows at any time is a beginning of what is stored."""
    heads: dict[tuple[str, str], int] = defaultdict(int)
    for record in facts.records:
        if record["op"] == "clear":
            heads[record["who"], record["conv"]] = 0
        elif record["op"] == "show":
            key = record["who"], record["conv"]
            if record["seq"] != heads[key] + 1:
                yield Wrong(
                    "screen_is_stored", "reordered", f"{key}: {record['seq']} was shown after {heads[key]}"
                )
            heads[key] = record["seq"]
            yield from _differs(
                facts, record["who"], record["conv"], [record["seq"], record["id"], record["body"]]
            )
    for record in facts.of["dom"]:
        numbers = [seq for seq, _ in record["rows"]]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers)) if numbers else []):
            yield Wrong("screen_is_stored", "reordered", f"{record['who']}'s page shows {numbers}")
        for seq, body in record["rows"]:
            yield from _differs(facts, record["who"], record["conv"], [seq, None, body])


@rule
def screen_is_whole(facts: Facts) -> Iterator[Wrong]:
    """At the end every screen, opened long ago or anew, shows what is stored, and so the same as every other.

    Whom a conversation has left, for a department that is not theirs, shows the beginning that they heard.
    """
    departments = {record["who"]: set(record["departments"]) for record in facts.of["staff"]}
    for record in facts.of["read"]:
        stored = facts.stored.get(record["conv"])
        if stored is None:
            if record["rows"]:
                yield Wrong(
                    "screen_is_whole", "lost", f"{record['who']} shows {record['conv']}, which is not stored"
                )
            continue
        shown = {row[SEQ]: row for row in record["rows"]}
        who = record["who"]
        has_left = who in departments and stored.department not in departments[who]
        has_left = has_left and not any(agent == who and is_open for agent, is_open in stored.assignments)
        last = max(shown, default=0) if has_left else stored.last_seq
        for seq in sorted(seq for seq in stored.by_seq.keys() - shown.keys() if seq <= last):
            yield Wrong("screen_is_whole", "lost", f"{record['who']} does not show {stored.conv}/{seq}")
        if len(shown) != len(record["rows"]):
            yield Wrong(
                "screen_is_whole", "doubled", f"{record['who']} shows a number of {stored.conv} twice"
            )
        for row in record["rows"]:
            yield from _differs(facts, record["who"], record["conv"], row)


def _differs(facts: Facts, who: str, conv: str, shown: Sequence[object]) -> Iterator[Wrong]:
    stored = facts.stored.get(conv)
    row = stored.by_seq.get(shown[SEQ]) if stored else None
    if row is None:
        yield Wrong("screen_is_stored", "doubled", f"{who} shows {conv}/{shown[SEQ]}, which is not stored")
    elif shown[BODY] != row[BODY] or (shown[ID] is not None and shown[ID] != row[ID]):
        yield Wrong("screen_is_stored", "reordered", f"{who} shows something else as {conv}/{shown[SEQ]}")


# -- Marks ---------------------------------------------------------------------------------------------------


@rule
def marks_never_go_back(facts: Facts) -> Iterator[Wrong]:
    """What was once told as read stays read, is not beyond the end, and was read by somebody before."""
    # A browser does not say what it marks: on its page, and as an agent in all that are its own.
    silent = {(record["conv"], record["role"]) for record in facts.of["dom"]}
    spoken = {record["who"] for record in facts.of["hear"]}
    for each in facts.stored.values():
        if any(agent not in spoken for agent, _ in each.assignments):
            silent.add((each.conv, "agent"))
    claimed: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for record in facts.records:
        if record["op"] == "mark":
            key = record["conv"], record["role"]
            received, read = claimed[key]
            claimed[key] = max(received, record["received"]), max(read, record["read"])
        elif record["op"] == "was_seen":
            key = record["conv"], record["role"]
            told = record["received"], record["read"]
            if key not in silent and (told[0] > claimed[key][0] or told[1] > claimed[key][1]):
                yield Wrong(
                    "marks_never_go_back", "wrong", f"{key}: {told} was told, {claimed[key]} was read"
                )
            stored = facts.stored.get(record["conv"])
            if stored is None:
                continue
            now = tuple(stored.marks[record["role"]])
            if now[0] < told[0] or now[1] < told[1]:
                yield Wrong("marks_never_go_back", "wrong", f"{key}: {told} was told, {now} is stored")
    for stored in facts.stored.values():
        for role, marks in stored.marks.items():
            if max(marks) > stored.last_seq:
                yield Wrong("marks_never_go_back", "wrong", f"{stored.conv}: {role} has read beyond the end")


# -- Who may hear --------------------------------------------------------------------------------------------


@rule
def note_stays_inside(facts: Facts) -> Iterator[Wrong]:
    bodies = {record["body"] for record in facts.of["send_note"]}
    for record in facts.of["hear"]:
        if record["role"] == "visitor" and (record["kind"] not in VISITOR_KINDS or record["body"] in bodies):
            words = f"{record['who']}, a visitor, heard {record['kind']} of {record['conv']}"
            yield Wrong("note_stays_inside", "leaked", words)
    for record in [
        *facts.of["show"],
        *({"body": row[BODY], **read} for read in facts.of["read"] for row in read["rows"]),
    ]:
        if record["body"] in bodies:
            yield Wrong(
                "note_stays_inside", "leaked", f"a note stands among the messages of {record['conv']}"
            )


@rule
def notes_are_kept(facts: Facts) -> Iterator[Wrong]:
    for record in facts.of["note"]:
        stored = facts.stored.get(record["conv"])
        if stored is None or [record["id"], record["body"], record["who"]] not in stored.notes:
            yield Wrong("notes_are_kept", "lost", f"a note of {record['who']} in {record['conv']} is gone")


@rule
def own_conversation_only(facts: Facts) -> Iterator[Wrong]:
    """A visitor hears their own, an agent those of their departments and those they had."""
    departments = {record["who"]: set(record["departments"]) for record in facts.of["staff"]}
    for record in facts.of["hear"] + facts.of["show"]:
        conv, who = record["conv"], record["who"]
        if not conv:
            continue
        if record["role"] == "visitor":
            if conv not in facts.own[who.rstrip("+")]:
                yield Wrong("own_conversation_only", "leaked", f"{who} heard of {conv}, of another visitor")
        elif who in departments and conv in facts.stored:
            stored = facts.stored[conv]
            had = any(agent == who for agent, _ in stored.assignments)
            if not had and not departments[who] & set(stored.departments):
                yield Wrong("own_conversation_only", "leaked", f"{who} heard of {conv}, of other departments")


@rule
def disabled_hears_nothing(facts: Facts) -> Iterator[Wrong]:
    since: dict[str, float] = {}
    for record in facts.records:
        if record["op"] == "disabled":
            since[record["who"]] = record["t"]
        elif record["op"] == "enabled":
            since.pop(record["who"], None)
        elif record["op"] in ("hear", "show", "ack") and record["who"] in since:
            late = record["t"] - since[record["who"]] - REVOKED_SECONDS
            # What opened anew after that is told to go, and that is all it hears.
            if late > 0 and record.get("kind") not in ("bye", "status_500"):
                words = f"{record['who']} heard {record.get('kind', record['op'])} {late:.1f} s too late"
                yield Wrong("disabled_hears_nothing", "leaked", words)


@rule
def one_agent(facts: Facts) -> Iterator[Wrong]:
    for stored in facts.stored.values():
        if sum(bool(is_open) for _, is_open in stored.assignments) > 1:
            yield Wrong("one_agent", "wrong", f"{stored.conv} has two agents")
        had = {agent for agent, _ in stored.assignments}
        for row in stored.rows:
            if row[ROLE] == "agent" and row[AGENT] not in had:
                yield Wrong(
                    "one_agent", "wrong", f"{stored.conv}/{row[SEQ]} is by {row[AGENT]}, who never had it"
                )
    for record in facts.of["take"]:
        stored_one = facts.stored.get(record["conv"])
        if stored_one and all(agent != record["who"] for agent, _ in stored_one.assignments):
            words = f"{record['who']} was told to have {record['conv']}, and never had it"
            yield Wrong("one_agent", "wrong", words)


@rule
def nothing_strange_was_seen(facts: Facts) -> Iterator[Wrong]:
    for record in facts.of["wrong"]:
        yield Wrong("nothing_strange_was_seen", "wrong", f"{record['who']}: {record['words']}")
