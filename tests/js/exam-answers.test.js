import assert from "node:assert/strict";
import { test } from "node:test";
import { ExamAnswers } from "../../static/console/exams/exam-answers.js";
import { blockedStorage, storage } from "./browser.js";

/** @param {any} data */
const accepted = (data) => ({ ok: true, status: 200, data, refused: null });
const ok = accepted(null);
const cut = { ok: false, status: 0, data: null, refused: null };

/** A server that answers as it is told, and notes what it got; `last` once it has nothing more to say. */
function server(/** @type {ConsoleAnswer[]} */ ...answers) {
  /** @type {ExamAnswer[]} */
  const got = [];
  const send = async (/** @type {any} */ answer) => {
    got.push(answer);
    return answers.shift() ?? ok;
  };
  return { got, send };
}

/** @param {any} options */
function answers(options) {
  const said = { over: 0, signedOut: 0 };
  const made = new ExamAnswers("7", {
    page: "this",
    onChange: () => {},
    onOver: () => said.over++,
    onSignedOut: () => said.signedOut++,
    ...options,
  });
  return { made, said };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

test("an answer is kept until it is accepted, through a reload", async () => {
  const kept = storage();
  const away = server(cut);
  const { made } = answers({ send: away.send, storage: kept });
  made.put(3, [1]);
  await settled();
  assert.equal(made.waiting, 1);
  made.put(4, ["十五"]);
  const back = server();
  const again = answers({ send: back.send, storage: kept }).made;
  assert.deepEqual([...again.stored], [[3, [1]], [4, ["十五"]]]);
  await again.flush();
  assert.deepEqual(back.got.map((each) => each.place), [3, 4]);
  assert.equal(again.waiting, 0);
  assert.equal(kept.length, 0);
  made.forget();
});

test("what is answered anew while the first is on its way goes out after it, with a later step", async () => {
  const { got, send } = server();
  const { made } = answers({ send });
  made.put(1, [0]);
  made.put(1, [2]);
  await settled();
  assert.deepEqual(got.map((each) => each.given), [[0], [2]]);
  assert.ok(got[1].step > got[0].step);
  assert.equal(made.waiting, 0);
});

test("an answer says which page gave it and which revision it comes after, and asks no clock", async () => {
  const { got, send } = server(accepted({ given: [0], revision: 4, is_newer: false, left_ms: 1 }), ok);
  const { made } = answers({ send });
  made.setRevision(1, 3);
  made.put(1, [0]);
  await settled();
  made.put(1, [2]);
  await settled();
  assert.deepEqual(got, [
    { place: 1, given: [0], page: "this", step: 1, seen: 3 },
    { place: 1, given: [2], page: "this", step: 2, seen: 4 },
  ]);
});

test("what was kept by an earlier page goes out as that page's", async () => {
  const kept = storage();
  const old = { place: 1, given: [0], page: "earlier", step: 9, seen: 2 };
  kept.setItem("exam-7", JSON.stringify([[1, old]]));
  const { got, send } = server();
  const { made } = answers({ send, storage: kept });
  assert.deepEqual(made.unsent, [old]);
  await made.flush();
  assert.deepEqual(got, [old]);
});

test("a newer answer from another tab is handed to the page, unless it has answered again meanwhile", async () => {
  const newer = { given: [3], revision: 7, is_newer: true, left_ms: 1 };
  const { send } = server(accepted(newer), accepted(newer));
  /** @type {any[]} */
  const said = [];
  const { made } = answers({ send, onAccepted: (/** @type {number} */ place, /** @type {any} */ data) => said.push([place, data.given]) });
  made.put(1, [0]);
  made.put(1, [1]);
  await settled();
  assert.deepEqual(said, [[1, [3]]]);
  assert.equal(made.waiting, 0);
});

test("what the server cannot use is not sent for ever, and a paper that is over says so once", async () => {
  const { got, send } = server({ ...cut, status: 422 }, { ...cut, status: 409 });
  const { made, said } = answers({ send });
  made.put(1, ["?"]);
  await settled();
  assert.equal(made.waiting, 0);
  made.put(2, [1]);
  await settled();
  assert.deepEqual([said.over, made.waiting, got.length], [1, 1, 2]);
  made.forget();
});

test("who is signed out keeps the answer", async () => {
  const { made, said } = answers({ send: server({ ...cut, status: 401 }).send });
  made.put(1, [1]);
  await settled();
  assert.deepEqual([said.signedOut, made.waiting], [1, 1]);
  made.forget();
});

test("spoilt or blocked storage breaks nothing", async () => {
  const spoilt = storage();
  spoilt.setItem("exam-7", "{no");
  for (const place of [spoilt, blockedStorage()]) {
    const { made } = answers({ send: server().send, storage: place });
    made.put(1, [1]);
    await settled();
    assert.equal(made.waiting, 0);
  }
});

test("what is accepted while the page is being left stays kept for the next one", async () => {
  const kept = storage();
  const { made } = answers({ send: server().send, storage: kept });
  made.put(1, [1]);
  made.hold();
  await settled();
  assert.equal(made.waiting, 1);
  assert.deepEqual([...answers({ send: server().send, storage: kept }).made.stored], [[1, [1]]]);
  made.forget();
});
