import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../../static/chat/outbox.js";
import { Clock, blockedStorage, storage } from "./browser.js";

const at = "2026-11-23T01:04:05.678Z";
/** @param {string} client_id */
const entry = (client_id) => ({ client_id, body: `words of ${client_id}`, at });
/** @param {Outbox} outbox */
const ids = (outbox) => outbox.pending().map((each) => each.client_id);

test("what is not accepted survives a reload, in order", () => {
  const kept = storage();
  const outbox = new Outbox({ storage: kept, key: "o" });
  for (const id of ["a", "b", "c"]) outbox.add(entry(id));
  outbox.accepted("b");
  assert.deepEqual(ids(new Outbox({ storage: kept, key: "o" })), ["a", "c"]);
});

test("nothing stays in the storage once all is accepted", () => {
  const kept = storage();
  const outbox = new Outbox({ storage: kept, key: "o" });
  outbox.add(entry("a"));
  outbox.accepted("a");
  assert.equal(kept.length, 0);
});

test("without storage it lasts as long as the page", () => {
  for (const none of [null, blockedStorage()]) {
    const outbox = new Outbox({ storage: none, key: "o" });
    outbox.add(entry("a"));
    assert.deepEqual(ids(outbox), ["a"]);
  }
});

test("what the storage holds may be spoilt", () => {
  const kept = storage();
  kept.setItem("o", "{not json");
  assert.deepEqual(new Outbox({ storage: kept, key: "o" }).entries, []);
});

test("none overtakes one that was put off", () => {
  const clock = new Clock();
  let changes = 0;
  const outbox = new Outbox({ storage: storage(), key: "o", onChange: () => changes++ });
  for (const id of ["a", "b", "c"]) outbox.add(entry(id));
  outbox.refused("b", { final: false, retryAfterMs: 3000, words: "slower" });
  assert.deepEqual(ids(outbox), ["a"]);
  const before = changes;
  clock.tick(3001);
  assert.equal(changes, before + 1);
  assert.deepEqual(ids(outbox), ["a", "b", "c"]);
});

test("what was refused for good stays with its writer until they try again", () => {
  const kept = storage();
  const outbox = new Outbox({ storage: kept, key: "o" });
  for (const id of ["a", "b"]) outbox.add(entry(id));
  outbox.refused("a", { final: true, words: "ended" });
  assert.deepEqual(ids(outbox), ["b"]);
  assert.equal(new Outbox({ storage: kept, key: "o" }).entries[0].refused, "ended");
  outbox.retry("a", { conversation: "new" });
  assert.deepEqual(outbox.pending().map((each) => [each.client_id, each.conversation]), [["b", undefined], ["a", "new"]]);
});

test("an answer to something unknown changes nothing", () => {
  const outbox = new Outbox({ storage: storage(), key: "o" });
  outbox.add(entry("a"));
  outbox.accepted("x");
  outbox.refused("x", { final: true, words: "?" });
  outbox.retry("x");
  assert.deepEqual(ids(outbox), ["a"]);
});
