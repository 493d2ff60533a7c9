import assert from "node:assert/strict";
import { test } from "node:test";
import { ExamClock } from "../../static/console/exams/exam-clock.js";

const settled = () => new Promise((resolve) => setTimeout(resolve));

/** A clock that counts as the test says, and a server that says what the test wants. @param {any[]} said */
function clock(...said) {
  const page = { now: 0, over: 0, asked: 0 };
  const made = new ExamClock(10_000, {
    now: () => page.now,
    ask: async () => {
      page.asked += 1;
      return said.shift() ?? null;
    },
    onOver: () => page.over++,
  });
  return { made, page };
}

test("when nothing seems left the server is asked, and what it says counts", async () => {
  const { made, page } = clock({ left_ms: 60_000, is_over: false }, { left_ms: 0, is_over: true });
  page.now = 9_999;
  made.tick();
  assert.equal(page.asked, 0);
  page.now = 10_000;
  made.tick();
  await settled();
  assert.deepEqual([page.asked, page.over, made.left], [1, 0, 60_000]);
  page.now = 70_000;
  made.tick();
  await settled();
  assert.deepEqual([page.asked, page.over, made.isOver], [2, 1, true]);
});

test("while the server does not answer nothing is over, and it is asked again after a while", async () => {
  const { made, page } = clock(null, { left_ms: 0, is_over: true });
  page.now = 20_000;
  for (const now of [20_000, 21_000, 22_000]) {
    page.now = now;
    made.tick();
    await settled();
  }
  assert.deepEqual([page.asked, page.over], [1, 0]);
  page.now = 23_000;
  made.tick();
  await settled();
  assert.deepEqual([page.asked, page.over], [2, 1]);
});

test("after a sleep the clock shows what the server says", async () => {
  const { made, page } = clock({ left_ms: 2_000, is_over: false });
  page.now = 1_000;
  await made.sync();
  assert.equal(made.left, 2_000);
});
