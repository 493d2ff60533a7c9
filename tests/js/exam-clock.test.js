import assert from "node:assert/strict";
import { test } from "node:test";
import { ExamClock } from "../../static/console/exams/exam-clock.js";

const settled = () => new Promise((resolve) => setTimeout(resolve));

/** A clock that the test sets, and a fake server that returns these answers in order. @param {any[]} answers */
function clock(...answers) {
  const page = { now: 0, over: 0, asked: 0 };
  const subject = new ExamClock(10_000, {
    now: () => page.now,
    ask: async () => {
      page.asked += 1;
      return answers.shift() ?? null;
    },
    onOver: () => page.over++,
  });
  return { subject, page };
}

test("when the time has run out the server is asked, and its answer decides", async () => {
  const { subject, page } = clock({ left_ms: 60_000, is_over: false }, { left_ms: 0, is_over: true });
  page.now = 9_999;
  subject.tick();
  assert.equal(page.asked, 0);
  page.now = 10_000;
  subject.tick();
  await settled();
  assert.deepEqual([page.asked, page.over, subject.left], [1, 0, 60_000]);
  page.now = 70_000;
  subject.tick();
  await settled();
  assert.deepEqual([page.asked, page.over, subject.isOver], [2, 1, true]);
});

test("without an answer of the server the exam is not over, and the server is asked again later", async () => {
  const { subject, page } = clock(null, { left_ms: 0, is_over: true });
  page.now = 20_000;
  for (const now of [20_000, 21_000, 22_000]) {
    page.now = now;
    subject.tick();
    await settled();
  }
  assert.deepEqual([page.asked, page.over], [1, 0]);
  page.now = 23_000;
  subject.tick();
  await settled();
  assert.deepEqual([page.asked, page.over], [2, 1]);
});

test("after a sleep of the computer the clock shows the server's time", async () => {
  const { subject, page } = clock({ left_ms: 2_000, is_over: false });
  page.now = 1_000;
  await subject.sync();
  assert.equal(subject.left, 2_000);
});
