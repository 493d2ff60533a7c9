import assert from "node:assert/strict";
import { test } from "node:test";
import { attentionFor, isMuted, takeable } from "../../static/console/inbox/attention.js";
import { ACTIVE, HAO, ME, PULL, row, state } from "./console-rows.js";

/** @import { Attention } from "../../static/console/inbox/attention.js" */
/** @import { ConsoleInitialState } from "../../static/console/inbox/types.d.ts" */

const NOW = Date.parse("2026-11-23T01:05:00.000Z");
const SUPERVISOR = { ...ME, sees_all: true, may_choose: true };
const OFFER = { offered_to: 1, offered_until: "2026-11-23T01:05:20.000Z" };
const LATE = { waiting_since: "2026-11-23T01:02:00.000Z" };
const SOON = { waiting_since: "2026-11-23T01:02:01.000Z" };

/** @param {import("../../static/chat/frames.d.ts").Row[]} rows @param {Partial<ConsoleInitialState>} [fields] @param {object} [options] */
function kinds(rows, fields, options = {}) {
  const now = state(rows, undefined, fields);
  const all = attentionFor(now, { reassignments: [], seen: {}, waitingSeconds: 180, now: NOW, ...options });
  return all.map((item) => `${item.kind} ${item.row.id}`);
}

test("what needs attention is in the order of its urgency", () => {
  const raised = { status: "active", agent: HAO, emergency: "raised" };
  const rows = [row("a", { ...ACTIVE, unread: 1 }), row("b", LATE), row("c", OFFER), row("d", raised), row("e", ACTIVE)];
  /** @type {Attention[]} */
  const reassignments = [{ key: "lost.f", kind: "lost", row: row("f") }, { key: "gained.e", kind: "gained", row: row("e") }];
  assert.deepEqual(kinds(rows, { me: SUPERVISOR }, { reassignments }), ["emergency d", "offer c", "gained e", "lost f", "waiting b", "unread a"]);
});

test("an emergency concerns the supervisors of its department until one confirms it", () => {
  const raised = row("a", { ...SOON, emergency: "raised" });
  assert.deepEqual(kinds([raised], { me: SUPERVISOR }), ["emergency a"]);
  assert.deepEqual(kinds([raised]), []);
  assert.deepEqual(kinds([raised], { me: { ...SUPERVISOR, departments: [8] } }), []);
  assert.deepEqual(kinds([raised], { me: { ...SUPERVISOR, departments: [] } }), ["emergency a"]);
  assert.deepEqual(kinds([row("a", { ...SOON, emergency: "confirmed" })], { me: SUPERVISOR }), []);
});

test("a wait over the threshold needs attention until it is noticed", () => {
  assert.deepEqual(kinds([row("a", LATE), row("b", SOON)]), ["waiting a"]);
  assert.deepEqual(kinds([row("a", LATE)], {}, { seen: { a: true } }), []);
});

test("a long wait concerns those who can take the conversation", () => {
  const push = { policies: { 7: { ...PULL, mode: /** @type {const} */ ("push") } } };
  const rows = [row("a", LATE)];
  assert.deepEqual(kinds(rows, push), []);
  assert.deepEqual(kinds(rows, { ...push, me: SUPERVISOR }), ["waiting a"]);
  assert.deepEqual(kinds(rows, { presence: "busy" }), []);
  assert.deepEqual(kinds(rows, { me: { ...ME, barred: [7] } }), []);
  assert.deepEqual(kinds([row("a", { ...LATE, ...OFFER, offered_to: 2 })]), []);
  assert.deepEqual(takeable(state([row("a", { department: 8 })])), []);
  assert.deepEqual(takeable(state(rows, 1, { ...push, me: SUPERVISOR })), []);
});

test("a break mutes everything except emergencies for supervisors", () => {
  const pause = { presence: "break" };
  assert.equal(isMuted("gained", state([], 0, pause)), true);
  assert.equal(isMuted("emergency", state([], 0, pause)), true);
  assert.equal(isMuted("emergency", state([], 0, { ...pause, me: SUPERVISOR })), false);
  assert.equal(isMuted("unread", state([], 0, { ...pause, me: SUPERVISOR })), true);
  assert.equal(isMuted("unread", state([])), false);
});
