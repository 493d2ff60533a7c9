import assert from "node:assert/strict";
import { test } from "node:test";
import { apply } from "../../static/console/inbox/state.js";
import { obstacleTo, obstacleToNext, pauseSeconds, workload } from "../../static/console/inbox/workload.js";
import { ACTIVE, ME, PULL, row, state } from "./console-rows.js";

const NOW = Date.parse("2026-11-23T01:10:00.000Z");
const OFFER = { offered_to: 1, offered_until: "2026-11-23T01:10:20.000Z" };
const EARLIER = { queue_time: "2026-11-23T00:00:00.000Z" };

/** @param {number} capacity */
const withCapacity = (capacity) => ({ me: { ...ME, capacity } });

test("a conversation sleeps while the agent waits for the customer, and counts again when the customer writes", () => {
  const quiet = { ...ACTIVE, last_message_at: "2026-11-23T01:05:00.000Z" };
  const rows = [row("a", quiet), row("b", { ...quiet, unanswered_since: quiet.last_message_at }), row("c", ACTIVE)];
  assert.deepEqual(workload(state(rows), NOW + 1), { load: 2, byDepartment: { 7: 2 }, sleeping: 1, capacity: 8 });
  assert.deepEqual(workload(state(rows), NOW), { load: 3, byDepartment: { 7: 3 }, sleeping: 0, capacity: 8 });
});

test("wrap-up and offers count towards the load, and closed and waiting conversations do not", () => {
  const rows = [row("a", { ...ACTIVE, status: "wrap_up" }), row("b", OFFER), row("c"), row("d", { ...ACTIVE, status: "closed" })];
  assert.equal(workload(state(rows), NOW).load, 2);
});

test("the pause begins with an assignment and lasts as long as the longest one of the agent's departments", () => {
  const policies = { 7: { ...PULL, mode: /** @type {const} */ ("push"), pause_seconds: 30 }, 8: { ...PULL, pause_seconds: 99 } };
  const before = state([row("a")], 1, { policies, seconds_since_assignment: 3600 });
  assert.equal(pauseSeconds(before), 0);
  const after = apply(before, { kind: "conversation", row: row("a", { ...ACTIVE, revision: 2 }), listed: true }, 5000);
  assert.deepEqual([pauseSeconds(after, 5000), pauseSeconds(after, 15_500), pauseSeconds(after, 35_000)], [30, 20, 0]);
  const again = apply(after, { kind: "conversation", row: row("a", { ...ACTIVE, revision: 3 }), listed: true }, 50_000);
  assert.equal(pauseSeconds(again, 50_000), 0);
});

test("nobody takes the next conversation while not there or without free capacity, and agents not in push mode", () => {
  const full = [row("a", ACTIVE)];
  const push = { policies: { 7: { ...PULL, mode: /** @type {const} */ ("push") } } };
  assert.equal(obstacleToNext(state([])), "");
  assert.equal(obstacleToNext(state([], 0, { presence: "break" })), "not_online");
  assert.equal(obstacleToNext(state(full, 0, withCapacity(1))), "at_capacity");
  assert.equal(obstacleToNext(state([], 0, push)), "push_only");
  assert.equal(obstacleToNext(state([], 0, { me: { ...ME, barred: [7] } })), "barred_everywhere");
  assert.equal(obstacleToNext(state([], 0, { presence: "busy" })), "");
  const supervisor = { ...ME, may_choose: true };
  assert.equal(obstacleToNext(state(full, 0, { ...push, me: supervisor })), "");
});

test("an agent may take only the first of the queue, and not one that is offered to a colleague", () => {
  const [first, second] = [row("a", EARLIER), row("b")];
  const now = state([second, first]);
  assert.deepEqual([first, second].map((item) => obstacleTo(now, item)), ["", "not_first"]);
  const offered = row("a", { ...EARLIER, ...OFFER, offered_to: 2 });
  assert.deepEqual([offered, second].map((item) => obstacleTo(state([offered, second]), item)), ["offered_elsewhere", ""]);
  assert.equal(obstacleTo(state([first], 1, { presence: "away" }), first), "not_online");
  assert.equal(obstacleTo(state([first], 1, { me: { ...ME, may_choose: true } }), second), "");
  assert.equal(obstacleTo(state([first], 1, { me: { ...ME, barred: [7] } }), first), "waiting_barred");
});

test("an emergency may exceed the capacity and be taken out of order", () => {
  const [full, urgent] = [row("z", ACTIVE), row("a", { emergency: "raised" })];
  assert.equal(obstacleTo(state([full, urgent, row("b", EARLIER)], 1, withCapacity(1)), urgent), "");
  assert.equal(obstacleTo(state([full, row("b")], 1, withCapacity(1)), row("b")), "at_capacity");
  const policies = { 7: { ...PULL, capacity: 1 } };
  assert.equal(obstacleTo(state([full, row("b")], 1, { policies }), row("b")), "at_capacity");
});

test("a customer who is away does not keep the next one from being taken", () => {
  const [away, next] = [row("a", { ...EARLIER, visitor_away_since: EARLIER.queue_time }), row("b")];
  assert.deepEqual([away, next].map((item) => obstacleTo(state([away, next]), item)), ["not_first", ""]);
});
