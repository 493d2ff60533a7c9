import assert from "node:assert/strict";
import { test } from "node:test";
import { Thread } from "../../static/chat/thread.js";

/** @param {number} seq @returns {ChatMessage} */
const message = (seq) => ({ seq, type: "text", role: "agent", name: "林梅", body: String(seq), at: "2026-11-23T01:04:05.678Z" });

test("messages stand in order: a repeat is dropped, a gap is told", () => {
  const thread = new Thread();
  assert.equal(thread.place(message(2)), "gap");
  assert.equal(thread.place(message(1)), "next");
  assert.equal(thread.place(message(1)), "repeat");
  assert.equal(thread.place(message(3)), "gap");
  assert.equal(thread.place(message(2)), "next");
  assert.equal(thread.head, 2);
});

test("in whatever order they come, with repeats and fetches, the thread is 1, 2, 3 ...", () => {
  // A linear congruential generator: the same disorder on every machine.
  let state = 7;
  const random = (/** @type {number} */ below) => (state = (state * 1103515245 + 12345) % 2 ** 31) % below;
  for (let round = 0; round < 200; round++) {
    const thread = new Thread();
    const size = 1 + random(12);
    for (let step = 0; step < 60; step++) {
      if (thread.place(message(1 + random(size))) === "gap") {
        for (let seq = thread.head + 1; seq <= size; seq++) thread.place(message(seq));
      }
    }
    assert.deepEqual(thread.messages.map((each) => each.seq), Array.from({ length: thread.head }, (_, index) => index + 1));
  }
});
