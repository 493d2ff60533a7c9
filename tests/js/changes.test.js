import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf } from "../../static/console/inbox/changes.js";
import { apply } from "../../static/console/inbox/state.js";
import { ACTIVE, HAO, row, state } from "./console-rows.js";

/** @import { Row, ServerToConsole } from "../../static/chat/frames.d.ts" */

const UNTIL = "2026-11-23T01:10:20.000Z";
const BEFORE = Date.parse(UNTIL) - 5000;
const OFFER = { offered_to: 1, offered_until: UNTIL };
const WITH_HAO = { status: "active", agent: HAO };

/** @param {Partial<Row> | null} before null: not listed @param {Partial<Row>} after @param {number} [now] */
function kinds(before, after, now = BEFORE) {
  const known = state(before ? [row("a", before)] : []);
  /** @type {ServerToConsole} */
  const frame = { kind: "conversation", row: row("a", { revision: 2, ...after }), listed: true };
  assert.deepEqual(changesOf(apply(known, frame), frame, now), [], "a repeated frame");
  return changesOf(known, frame, now).map((change) => change.kind);
}

test("an agent gains and loses conversations", () => {
  assert.deepEqual(kinds(null, ACTIVE), ["gained"]);
  assert.deepEqual(kinds({}, ACTIVE), ["gained"]);
  assert.deepEqual(kinds(WITH_HAO, ACTIVE), ["gained"]);
  assert.deepEqual(kinds(ACTIVE, WITH_HAO), ["lost"]);
  assert.deepEqual(kinds(ACTIVE, { department: 8 }), ["lost"]);
  assert.deepEqual(kinds(ACTIVE, { ...ACTIVE, unread: 1 }), []);
  assert.deepEqual(kinds(ACTIVE, { ...ACTIVE, status: "wrap_up" }), []);
  assert.deepEqual(kinds({ ...ACTIVE, revision: 3 }, WITH_HAO), []);
});

test("the end of an offer has a reason, except when the agent accepts", () => {
  assert.deepEqual(kinds(OFFER, {}, Date.parse(UNTIL)), ["offer_expired"]);
  assert.deepEqual(kinds(OFFER, {}), ["offer_withdrawn"]);
  assert.deepEqual(kinds(OFFER, { ...OFFER, offered_to: 2 }), ["offer_withdrawn"]);
  assert.deepEqual(kinds(OFFER, WITH_HAO), ["offer_taken"]);
  assert.deepEqual(kinds(OFFER, { status: "abandoned" }), ["offer_left"]);
  assert.deepEqual(kinds(OFFER, ACTIVE), ["gained"]);
  assert.deepEqual(kinds(OFFER, { ...OFFER, excerpt: "还在吗" }), []);
});

test("a console that was disconnected learns what it gained and lost", () => {
  const before = state([row("a", ACTIVE), row("b", OFFER), row("c", ACTIVE), row("d")]);
  const rows = [row("c", ACTIVE), row("e", ACTIVE)];
  const changes = changesOf(before, { kind: "welcome", rows, waiting_count: 0, presence: "online", heartbeat_seconds: 25 }, BEFORE);
  assert.deepEqual(changes.map(({ kind, row: { id } }) => [kind, id]), [["gained", "e"], ["lost", "a"], ["offer_left", "b"]]);
});
