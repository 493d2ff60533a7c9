import assert from "node:assert/strict";
import { test } from "node:test";

/** The value of `performance.now()`. The computer's own clock is years wrong, and is changed while the page is open. */
let monotonic = 1_000;
const answer = { now: Date.parse("2026-11-30T15:59:00Z"), day: "2026-11-30" };
Object.assign(globalThis, {
  performance: { now: () => monotonic, timeOrigin: 0 },
  fetch: async () => ({ ok: true, json: async () => ({ ...answer }) }),
  document: new EventTarget(),
});
Date.now = () => Date.parse("2020-01-01T00:00:00Z");
const { serverNow, syncClock } = await import("../../static/console/server-clock.js");

test("serverNow follows the server's time, not the machine's clock", async () => {
  await syncClock();
  assert.equal(serverNow(), answer.now);
  monotonic += 30_000;
  Date.now = () => Date.parse("2030-01-01T00:00:00Z");
  assert.equal(serverNow(), answer.now + 30_000);
});

test("day-changed is dispatched once when the bank's day changes", async () => {
  let days = 0;
  document.addEventListener("day-changed", () => days++);
  await syncClock();
  Object.assign(answer, { now: Date.parse("2026-11-30T16:00:01Z"), day: "2026-12-01" });
  await syncClock();
  await syncClock();
  assert.equal(days, 1);
});

test("serverNow continues from the last answer while the server is unreachable", async () => {
  const before = serverNow();
  Object.assign(globalThis, { fetch: () => Promise.reject(new TypeError("away")) });
  await syncClock();
  monotonic += 5_000;
  assert.equal(serverNow(), before + 5_000);
});

test("day-changed is dispatched when the agent's own day changes although the server is unreachable", async () => {
  let days = 0;
  document.addEventListener("day-changed", () => days++);
  await syncClock();
  assert.equal(days, 0);
  monotonic += 86_400_000;
  await syncClock();
  await syncClock();
  assert.equal(days, 1);
});
