import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../../static/chat/outbox.js";
import { Clock, blockedStorage, storage } from "./browser.js";

const at = "2026-11-23T01:04:05.678Z";
/** @param {string} client_id */
const entry = (client_id) => ({ client_id, body: `words of ${client_id}`, at });
/** @param {Outbox} outbox */
const ids = (outbox) => outbox.pending().map((item) => item.client_id);

test("entries that are not accepted survive a reload in their order", () => {
  const kept = storage();
  const outbox = new Outbox({ storage: kept, key: "o" });
  for (const id of ["a", "b", "c"]) outbox.add(entry(id));
  outbox.accepted("b");
  assert.deepEqual(ids(new Outbox({ storage: kept, key: "o" })), ["a", "c"]);
});

test("storage is empty once all entries are accepted", () => {
  const kept = storage();
  const outbox = new Outbox({ storage: kept, key: "o" });
  outbox.add(entry("a"));
  outbox.accepted("a");
  assert.equal(kept.length, 0);
});

test("without storage the entries last as long as the page", () => {
  for (const none of [null, blockedStorage()]) {
    const outbox = new Outbox({ storage: none, key: "o" });
    outbox.add(entry("a"));
    assert.deepEqual(ids(outbox), ["a"]);
  }
});

test("invalid stored content is ignored", () => {
  const kept = storage();
  kept.setItem("o", "{not json");
  assert.deepEqual(new Outbox({ storage: kept, key: "o" }).entries, []);
});

test("no entry overtakes one that was put off", () => {
  const clock = new Clock();
  let changes = 0;
  const outbox = new Outbox({ storage: storage(), key: "o", onChange: () => changes++ });
  for (const id of ["a", "b", "c"]) outbox.add(entry(id));
  outbox.refused("b", { final: false, retryAfterMs: 3000, reason: "slower" });
  assert.deepEqual(ids(outbox), ["a"]);
  const before = changes;
  clock.tick(3001);
  assert.equal(changes, before + 1);
  assert.deepEqual(ids(outbox), ["a", "b", "c"]);
});

test("a refused for good entry is kept until the visitor retries it", () => {
  const kept = storage();
  const outbox = new Outbox({ storage: kept, key: "o" });
  for (const id of ["a", "b"]) outbox.add(entry(id));
  outbox.refused("a", { final: true, reason: "ended" });
  assert.deepEqual(ids(outbox), ["b"]);
  assert.equal(new Outbox({ storage: kept, key: "o" }).entries[0].refused, "ended");
  outbox.retry("a", { conversation: "new" });
  assert.deepEqual(outbox.pending().map((item) => [item.client_id, item.conversation]), [["b", undefined], ["a", "new"]]);
});

test("an answer to an unknown entry changes nothing", () => {
  const outbox = new Outbox({ storage: storage(), key: "o" });
  outbox.add(entry("a"));
  outbox.accepted("x");
  outbox.refused("x", { final: true, reason: "?" });
  outbox.retry("x");
  assert.deepEqual(ids(outbox), ["a"]);
});
