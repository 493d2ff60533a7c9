import assert from "node:assert/strict";
import { test } from "node:test";
import { Thread } from "../../static/chat/thread.js";

/** @import { MessageData } from "../../static/chat/frames.d.ts" */

/** @param {number} seq @returns {MessageData} */
const message = (seq) => ({ seq, type: "text", role: "agent", name: "林梅", body: String(seq), at: "2026-11-23T01:04:05.678Z" });

test("place adds the next message, drops a repeat and reports a gap", () => {
  const thread = new Thread();
  assert.equal(thread.place(message(2)), "gap");
  assert.equal(thread.place(message(1)), "next");
  assert.equal(thread.place(message(1)), "repeat");
  assert.equal(thread.place(message(3)), "gap");
  assert.equal(thread.place(message(2)), "next");
  assert.equal(thread.head, 2);
});

test("messages placed in any order, with repeats and fetches, form a thread without gaps", () => {
  // A linear congruential generator gives the same order on every machine.
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
    assert.deepEqual(thread.messages.map((item) => item.seq), Array.from({ length: thread.head }, (_, index) => index + 1));
  }
});
