import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  apply,
  isRestricted,
  mayTake,
  mine,
  offers,
  open,
  team,
  waiting,
  waitingCount,
} from "../../static/console/inbox/state.js";
import { headOf, isBehind } from "../../static/console/inbox/threads.js";
import { ACTIVE, HAO, ME, MEI, row, state } from "./console-rows.js";

/** @import { MessageData, NoteFrame, Row, ServerToConsole } from "../../static/chat/frames.d.ts" */
/** @import { ConsoleState } from "../../static/console/inbox/types.d.ts" */

/** @param {number} seq @param {Partial<MessageData>} [fields] @returns {MessageData} */
function message(seq, fields = {}) {
  return { seq, type: "text", role: "visitor", name: "", body: `${seq}`, at: "2026-11-23T01:00:00.000Z", ...fields };
}

/** @param {Row} of @param {number} last */
function opened(of, last) {
  const before = open(state([of]), { row: of, notes: [], values: {}, messages: null });
  const messages = Array.from({ length: last }, (_, index) => message(index + 1));
  return apply(before, { kind: "messages", conversation: of.id, messages, head: last, more: false });
}

test("isBarred and mayTake follow the agent's queue restrictions", () => {
  const [here, there] = [row("a"), row("b", { department: 8 })];
  const me = { ...ME, departments: [7, 8] };
  const barred = (/** @type {number[]} */ lines) => ({ ...state([here, there]), me: { ...me, barred: lines } });
  assert.deepEqual([here, there, row("c", ACTIVE)].map((item) => isRestricted(barred([7]), item)), [true, false, false]);
  assert.deepEqual([[], [7], [7, 8]].map((lines) => mayTake(barred(lines))), [true, true, false]);
});

test("rows are split into own conversations, the queue in its order, and the team's conversations", () => {
  const rows = [
    row("a", ACTIVE),
    row("b", { status: "active", agent: HAO }),
    row("c", { queue_time: "2026-11-23T01:02:00.000Z" }),
    row("d", { queue_time: "2026-11-23T01:01:00.000Z" }),
    row("e", { queue_time: "2025-11-23T01:03:00.000Z", emergency: "raised" }),
    row("f", { status: "wrap_up", agent: MEI }),
  ];
  const now = state(rows);
  assert.deepEqual(mine(now).map((item) => item.id), ["a", "f"]);
  assert.deepEqual(waiting(now).map((item) => item.id), ["e", "d", "c"]);
  assert.deepEqual(team(now).map((item) => item.id), ["b"]);
});

test("waitingCount includes conversations beyond the listed ones, as counted by the server", () => {
  const late = { queue_time: "2026-11-23T02:00:00.000Z" };
  let now = state([row("a"), row("b")], 5);
  assert.equal(waitingCount(now), 5);
  assert.equal(now.isQueueUncertain, false);
  // This row comes after the last listed row. It is either new, or one of the three rows that are counted but not
  // listed.
  now = apply(now, { kind: "conversation", row: row("z", late), listed: true });
  assert.deepEqual([waitingCount(now), now.isQueueUncertain, now.rows.z], [5, true, undefined]);
  now = apply(now, { kind: "conversation", row: row("a", { status: "active", agent: HAO }), listed: false });
  assert.equal(waitingCount(now), 4);
  now = apply(now, { kind: "welcome", rows: [row("b")], waiting_count: 1, presence: "busy", heartbeat_seconds: 25 });
  assert.deepEqual([waitingCount(now), now.isQueueUncertain, now.presence], [1, false, "busy"]);
  now = apply(now, { kind: "conversation", row: row("z", late), listed: true });
  assert.equal(waitingCount(now), 2);
});

test("an offer to this agent is listed even behind the listed part of the queue", () => {
  const late = { queue_time: "2026-11-23T02:00:00.000Z", offered_until: "2026-11-23T02:00:20.000Z" };
  let now = state([row("a"), row("b")], 5);
  now = apply(now, { kind: "conversation", row: row("y", { ...late, offered_to: 2 }), listed: true });
  now = apply(now, { kind: "conversation", row: row("z", { ...late, offered_to: 1 }), listed: true });
  assert.deepEqual([Object.keys(now.rows), now.isQueueUncertain], [["a", "b", "z"], true]);
  now = apply(now, { kind: "conversation", row: row("b", { ...late, offered_to: 1, offered_until: "2026-11-23T02:00:10.000Z" }), listed: true });
  assert.deepEqual(offers(now).map((item) => item.id), ["b", "z"]);
});

test("emergencies are first among own conversations and those of the team", () => {
  const urgent = { emergency: "confirmed" };
  const others = { status: "active", agent: HAO };
  const rows = [row("a", ACTIVE), row("b", { ...ACTIVE, ...urgent }), row("c", ACTIVE), row("d", others), row("e", { ...others, ...urgent })];
  assert.deepEqual(mine(state(rows)).map((item) => item.id), ["b", "a", "c"]);
  assert.deepEqual(team(state(rows)).map((item) => item.id), ["e", "d"]);
});

test("an outdated row changes nothing", () => {
  const before = opened(row("a", { ...ACTIVE, revision: 3, agent_read: 2 }), 2);
  const late = row("a", { revision: 2, agent_read: 1 });
  /** @type {ServerToConsole} */
  const frame = { kind: "message", conversation: "a", message: message(3), row: late };
  for (const now of [apply(before, { kind: "conversation", row: late, listed: true }), apply(before, frame)]) {
    assert.deepEqual([now.rows.a.revision, now.threads.a.row.revision], [3, 3]);
  }
});

test("messages are placed in order, repeats are dropped, and messages after a gap wait until it is filled", () => {
  let now = opened(row("a", ACTIVE), 2);
  /** @param {number} seq */
  const arrive = (seq) => {
    now = apply(now, { kind: "message", conversation: "a", message: message(seq) });
    return now.threads.a.messages.map((item) => item.seq);
  };
  assert.deepEqual(arrive(2), [1, 2]);
  assert.deepEqual(arrive(5), [1, 2]);
  assert.deepEqual(arrive(4), [1, 2]);
  assert.equal(isBehind(now.threads.a), true);
  assert.deepEqual(arrive(3), [1, 2, 3, 4, 5]);
  assert.equal(isBehind(now.threads.a), false);
});

test("a page of messages may hold earlier, later and known ones", () => {
  const long = row("a", { ...ACTIVE, last_seq: 119 });
  /** @type {ConsoleState} */
  let now = open(state([long]), { row: long, notes: [], values: {}, messages: null });
  /** @param {number} from @param {number} to */
  const page = (from, to) => {
    const messages = [];
    for (let seq = from; seq <= to; seq++) messages.push(message(seq));
    now = apply(now, { kind: "messages", conversation: "a", messages, head: to, more: false });
    return [now.threads.a.messages[0].seq, headOf(now.threads.a)];
  };
  // This answers a fetch from before the conversation was opened, so it is not the first page.
  assert.throws(() => page(119, 119));
  assert.equal(now.threads.a.isLoaded, false);
  now = apply(now, { kind: "message", conversation: "a", message: message(120) });
  assert.deepEqual(page(60, 119), [60, 120]);
  assert.deepEqual(page(20, 59), [20, 120]);
  assert.deepEqual(page(115, 130), [20, 130]);
  assert.deepEqual(page(1, 10), [20, 130]);
});

test("a repeated note is shown once", () => {
  let now = opened(row("a", ACTIVE), 1);
  /** @type {NoteFrame} */
  const note = { kind: "note", conversation: "a", id: 4, after_seq: 1, author: MEI, body: "查过了", at: "" };
  now = apply(apply(now, note), note);
  assert.deepEqual(now.threads.a.notes.map((item) => item.id), [4]);
});

test("the reason of a presence that the server has set lasts until the presence changes", () => {
  /** @param {string} status @param {string} [reason] @returns {ServerToConsole} */
  const presence = (status, reason) => ({ kind: "presence", staff: ME.id, status, ...(reason ? { reason } : {}) });
  const away = apply(state([]), presence("away", "missed_offers"));
  assert.deepEqual([away.presence, away.presenceReason], ["away", "missed_offers"]);
  const welcomed = apply(away, { kind: "welcome", rows: [], waiting_count: 0, presence: "away", heartbeat_seconds: 25 });
  assert.equal(welcomed.presenceReason, "missed_offers");
  assert.equal(apply(welcomed, presence("online")).presenceReason, "");
});

test("typing is shown for six seconds, or until the message arrives", () => {
  let now = apply(opened(row("a", ACTIVE), 1), { kind: "is_typing", conversation: "a", role: "visitor" }, 1000);
  assert.equal(now.typing.a, 7000);
  now = apply(now, { kind: "message", conversation: "a", message: message(2) });
  assert.equal(now.typing.a, undefined);
});

test("every example frame of the protocol is applied and an unknown kind is ignored", () => {
  const path = new URL("../protocol_examples.json", import.meta.url);
  /** @type {ServerToConsole[]} */
  const examples = JSON.parse(readFileSync(path, "utf-8")).server_to_console;
  assert.ok(examples.length > 5);
  const [known] = examples.flatMap((frame) => (frame.kind === "welcome" ? frame.rows : []));
  for (const frame of examples) {
    const now = apply(opened(known, known.last_seq), frame);
    assert.ok(now.rows && now.threads[known.id].messages.length >= known.last_seq, frame.kind);
  }
  const before = opened(known, 1);
  assert.equal(apply(before, /** @type {any} */ ({ kind: "of_tomorrow" })), before);
});

test("after the server was restored from a backup the console replaces its messages", () => {
  const before = opened(row("a", { ...ACTIVE, revision: 9, last_seq: 5 }), 5);
  const restored = row("a", { ...ACTIVE, revision: 6, last_seq: 3, last_message_at: "2026-11-23T01:00:00.000Z" });
  let now = apply(before, { kind: "welcome", heartbeat_seconds: 25, rows: [restored], waiting_count: 0, presence: "online" });
  assert.deepEqual(now.threads.a.messages, []);
  assert.equal(now.threads.a.isLoaded, false);
  // The conversation is watched from its start again.
  const messages = [message(1), message(2), message(3)];
  now = apply(now, { kind: "messages", conversation: "a", messages, head: 3, more: false });
  const next = { ...restored, revision: 7, last_seq: 4 };
  now = apply(now, { kind: "message", conversation: "a", message: message(4, { body: "again" }), row: next });
  assert.deepEqual(now.threads.a.messages.map((item) => item.body), ["1", "2", "3", "again"]);
  assert.equal(isBehind(now.threads.a), false);
  assert.deepEqual([now.rows.a.revision, now.threads.a.row.revision], [7, 7]);
});

test("an outdated answer to opening does not replace the newer row", () => {
  const known = row("a", { ...ACTIVE, revision: 4, last_seq: 2, agent_read: 2 });
  const reopened = (/** @type {Partial<Row>} */ fields) => {
    const answer = { row: { ...known, ...fields }, notes: [], values: {}, messages: null };
    return Object.values(open(opened(known, 2), answer).threads)[0].row;
  };
  assert.equal(reopened({ revision: 3, agent_read: 1 }).agent_read, 2);
  assert.equal(reopened({ revision: 5, status: "wrap_up" }).status, "wrap_up");
  // A closed conversation keeps its revision when its visitor gets another name.
  assert.equal(reopened({ visitor_name: "李雷" }).visitor_name, "李雷");
});
