import assert from "node:assert/strict";
import { test } from "node:test";

/** The machine's own clock is a day wrong, and is corrected while the page is open. */
let counted = 1_000;
const said = { now: Date.parse("2026-11-30T15:59:00Z"), day: "2026-11-30" };
Object.assign(globalThis, {
  performance: { now: () => counted, timeOrigin: 0 },
  fetch: async () => ({ ok: true, json: async () => ({ ...said }) }),
  document: new EventTarget(),
});
Date.now = () => Date.parse("2020-01-01T00:00:00Z");
const { serverNow, syncClock } = await import("../../static/console/server-clock.js");

test("waiting is counted from the server's time, whatever the machine's clock says or does", async () => {
  await syncClock();
  assert.equal(serverNow(), said.now);
  counted += 30_000;
  Date.now = () => Date.parse("2030-01-01T00:00:00Z");
  assert.equal(serverNow(), said.now + 30_000);
});

test("the page is told once when the bank's day has changed", async () => {
  let days = 0;
  document.addEventListener("day-changed", () => days++);
  await syncClock();
  Object.assign(said, { now: Date.parse("2026-11-30T16:00:01Z"), day: "2026-12-01" });
  await syncClock();
  await syncClock();
  assert.equal(days, 1);
});

test("while the server is away the last answer counts on", async () => {
  const before = serverNow();
  Object.assign(globalThis, { fetch: () => Promise.reject(new TypeError("away")) });
  await syncClock();
  counted += 5_000;
  assert.equal(serverNow(), before + 5_000);
});

test("the page is told when the agent's own day has changed, although the server is away", async () => {
  let days = 0;
  document.addEventListener("day-changed", () => days++);
  await syncClock();
  assert.equal(days, 0);
  counted += 86_400_000;
  await syncClock();
  await syncClock();
  assert.equal(days, 1);
});
