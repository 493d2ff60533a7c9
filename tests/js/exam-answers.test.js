import assert from "node:assert/strict";
import { test } from "node:test";
import { ExamAnswers } from "../../static/console/exams/exam-answers.js";
import { blockedStorage, storage } from "./browser.js";

/** @import { ExamAnswer } from "../../static/console/exams/exam-answers.js" */
/** @import { ConsoleAnswer } from "../../static/console/requests.js" */

/** @param {any} data */
const accepted = (data) => ({ ok: true, status: 200, data, refused: null });
const ok = accepted(null);
const cut = { ok: false, status: 0, data: null, refused: null };

/** A fake server that returns these answers in order, and then `ok`. It records the requests in `received`. */
function server(/** @type {ConsoleAnswer[]} */ ...answers) {
  /** @type {ExamAnswer[]} */
  const received = [];
  const send = async (/** @type {any} */ answer) => {
    received.push(answer);
    return answers.shift() ?? ok;
  };
  return { received, send };
}

/** @param {any} options */
function answers(options) {
  const calls = { over: 0, signedOut: 0 };
  const subject = new ExamAnswers("7", {
    page: "this",
    onChange: () => {},
    onOver: () => calls.over++,
    onSignedOut: () => calls.signedOut++,
    ...options,
  });
  return { subject, calls };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

test("an answer is kept until it is accepted, even through a reload", async () => {
  const kept = storage();
  const away = server(cut);
  const { subject } = answers({ send: away.send, storage: kept });
  subject.put(3, [1]);
  await settled();
  assert.equal(subject.waiting, 1);
  subject.put(4, ["十五"]);
  const back = server();
  const again = answers({ send: back.send, storage: kept }).subject;
  assert.deepEqual([...again.stored], [[3, [1]], [4, ["十五"]]]);
  await again.flush();
  assert.deepEqual(back.received.map((item) => item.place), [3, 4]);
  assert.equal(again.waiting, 0);
  assert.equal(kept.length, 0);
  subject.forget();
});

test("an answer changed while the first one is in flight is sent after it with a later step", async () => {
  const { received, send } = server();
  const { subject } = answers({ send });
  subject.put(1, [0]);
  subject.put(1, [2]);
  await settled();
  assert.deepEqual(received.map((item) => item.given), [[0], [2]]);
  assert.ok(received[1].step > received[0].step);
  assert.equal(subject.waiting, 0);
});

test("an answer carries its page and the revision it follows, and no time", async () => {
  const { received, send } = server(accepted({ given: [0], revision: 4, is_newer: false, left_ms: 1 }), ok);
  const { subject } = answers({ send });
  subject.setRevision(1, 3);
  subject.put(1, [0]);
  await settled();
  subject.put(1, [2]);
  await settled();
  assert.deepEqual(received, [
    { place: 1, given: [0], page: "this", step: 1, seen: 3 },
    { place: 1, given: [2], page: "this", step: 2, seen: 4 },
  ]);
});

test("an answer kept by an earlier page is sent in the name of that page", async () => {
  const kept = storage();
  const old = { place: 1, given: [0], page: "earlier", step: 9, seen: 2 };
  kept.setItem("exam-7", JSON.stringify([[1, old]]));
  const { received, send } = server();
  const { subject } = answers({ send, storage: kept });
  assert.deepEqual(subject.unsent, [old]);
  await subject.flush();
  assert.deepEqual(received, [old]);
});

test("a newer answer of another tab is passed to the page unless it has a later one itself", async () => {
  const newer = { given: [3], revision: 7, is_newer: true, left_ms: 1 };
  const { send } = server(accepted(newer), accepted(newer));
  /** @type {any[]} */
  const calls = [];
  const { subject } = answers({ send, onAccepted: (/** @type {number} */ place, /** @type {any} */ data) => calls.push([place, data.given]) });
  subject.put(1, [0]);
  subject.put(1, [1]);
  await settled();
  assert.deepEqual(calls, [[1, [3]]]);
  assert.equal(subject.waiting, 0);
});

test("an invalid answer is not sent again, and the end of the exam is reported once", async () => {
  const { received, send } = server({ ...cut, status: 422 }, { ...cut, status: 409 });
  const { subject, calls } = answers({ send });
  subject.put(1, ["?"]);
  await settled();
  assert.equal(subject.waiting, 0);
  subject.put(2, [1]);
  await settled();
  assert.deepEqual([calls.over, subject.waiting, received.length], [1, 1, 2]);
  subject.forget();
});

test("a sign-out keeps the unsent answer", async () => {
  const { subject, calls } = answers({ send: server({ ...cut, status: 401 }).send });
  subject.put(1, [1]);
  await settled();
  assert.deepEqual([calls.signedOut, subject.waiting], [1, 1]);
  subject.forget();
});

test("answers are sent although storage is invalid or blocked", async () => {
  const spoilt = storage();
  spoilt.setItem("exam-7", "{no");
  for (const place of [spoilt, blockedStorage()]) {
    const { subject } = answers({ send: server().send, storage: place });
    subject.put(1, [1]);
    await settled();
    assert.equal(subject.waiting, 0);
  }
});

test("an answer accepted while the page is being left is still kept for the next page", async () => {
  const kept = storage();
  const { subject } = answers({ send: server().send, storage: kept });
  subject.put(1, [1]);
  subject.hold();
  await settled();
  assert.equal(subject.waiting, 1);
  assert.deepEqual([...answers({ send: server().send, storage: kept }).subject.stored], [[1, [1]]]);
  subject.forget();
});
