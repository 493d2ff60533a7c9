import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock, openBrowser, storage } from "./browser.js";

const clock = new Clock();
clock.now = 1_000;
openBrowser();
const kept = storage();
Object.assign(document, { body: { dataset: {} } });
Object.assign(globalThis, {
  sessionStorage: kept,
  fetch: () => new Promise(() => {}),
});
const { Outboxes } = await import("../../static/console/inbox/outboxes.js");

function outboxes() {
  return new Outboxes(7, { onChange: () => {}, onAccepted: () => {}, onRefused: () => {}, onSignedOut: () => {} });
}

test("a message is late after two seconds, even if the machine's clock is changed", () => {
  const mine = outboxes();
  Date.now = () => Date.parse("2026-11-30T10:00:00Z");
  mine.send("c1", { body: "您好", choices: [], source: "" });
  assert.equal(mine.late, 0);
  Date.now = () => Date.parse("2026-11-30T11:00:00Z");
  assert.equal(mine.late, 0);
  clock.tick(2001);
  Date.now = () => Date.parse("2026-11-30T09:00:00Z");
  assert.equal(mine.late, 1);
});

test("a message from before a reload is late two seconds after the reload", () => {
  clock.now = 500;
  const mine = outboxes();
  mine.of("c1");
  assert.equal(mine.unsent, 1);
  assert.equal(mine.late, 0);
  clock.tick(2000);
  assert.equal(mine.late, 1);
});
