/** Tests of the supervisor's board: which frames change it, and how waiting times are shown. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BoardChanges } from "../../static/console/board/board-changes.js";
import { formatTime, heatOf } from "../../static/console/board/ticking.js";

/** @import { Row } from "../../static/chat/frames.d.ts" */

/** @param {Partial<Row>} [changes] @returns {Row} */
function row(changes = {}) {
  const agent = { id: 1, name: "林梅", name_en: "Mei Lin", number: "1001" };
  const values = { id: "a", status: "active", department: 1, agent, emergency: "", offered_to: null, last_seq: 1 };
  return /** @type {Row} */ ({ ...values, visitor_away_since: null, ...changes });
}

/** @param {Row} changed @param {boolean} [listed] */
const frame = (changed, listed = true) => /** @type {const} */ ({ kind: "conversation", row: changed, listed });

test("only changes that the board shows draw it again", () => {
  const changes = new BoardChanges();
  assert.equal(changes.add({ kind: "welcome", heartbeat_seconds: 25, rows: [row()], waiting_count: 0, presence: "online" }), true);
  assert.equal(changes.add(frame(row({ last_seq: 2 }))), false);
  assert.equal(changes.add(frame(row({ emergency: "raised" }))), true);
  assert.equal(changes.add(frame(row({ emergency: "raised", visitor_away_since: "2026-11-23T01:04:40.120Z" }))), true);
  assert.equal(changes.add(frame(row({ emergency: "raised", visitor_away_since: "2026-11-23T01:04:41.120Z" }))), false);
  assert.equal(changes.add(frame(row({ status: "wrap_up" }), false)), true);
  assert.equal(changes.add(frame(row({ status: "wrap_up" }), false)), false);
  assert.equal(changes.add({ kind: "presence", staff: 1, status: "busy" }), true);
  assert.equal(changes.add({ kind: "pong", heads: {} }), false);
});

test("times have minutes and seconds, and hours from an hour on", () => {
  assert.deepEqual([0, 65, 3599, 3600, 36_061].map(formatTime), ["0:00", "1:05", "59:59", "1:00:00", "10:01:01"]);
});

test("a wait becomes warmer at the same times as in the inbox", () => {
  assert.deepEqual([0, 29, 30, 90, 180, 300, 9999].map(heatOf), ["0", "0", "1", "2", "3", "4", "4"]);
});
