import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { UploadQueue } from "../../static/chat/uploads.js";
import { Clock, openBrowser, page } from "./browser.js";

const clock = new Clock();
/** @type {{upload: any, signal: AbortSignal, answer: (answer: any) => Promise<void>}[]} */
let sent = [];
/** @type {UploadQueue[]} */
let queues = [];

beforeEach(() => {
  for (const one of queues.splice(0)) one.clear();
  openBrowser();
  sent = [];
});

/** @param {object} [options] */
function queue(options = {}) {
  const made = new UploadQueue({
    send: (upload, { signal }) =>
      new Promise((resolve) => {
        const answer = async (/** @type {any} */ value) => {
          resolve(value);
          await settle();
        };
        signal.onabort = () => resolve(null);
        sent.push({ upload, signal, answer });
      }),
    onChange: () => {},
    lostText: () => "lost",
    ...options,
  });
  queues.push(made);
  return made;
}

/** Waits until all microtasks that an answer has caused have run. */
async function settle() {
  for (let step = 0; step < 20; step++) await null;
}

/** @param {string} name */
const file = (name) => /** @type {any} */ ({ name });
const names = () => sent.map(({ upload }) => upload.body);

test("files are uploaded one at a time in order, and a rate limit only delays them", async () => {
  const uploads = queue();
  for (let number = 1; number <= 9; number++) uploads.add(file(`${number}.png`));
  let arrived = 0;
  for (let step = 0; arrived < 9; step++) {
    assert.equal(sent.length, step + 1, "one at a time");
    const isLimited = step === 5 || step === 6;
    await sent[step].answer(isLimited ? { status: 429, refused: { words: "slow", retry_after_ms: 4000 } } : { status: 200 });
    if (!isLimited) {
      arrived++;
      continue;
    }
    clock.tick(3900);
    assert.equal(sent.length, step + 1, "the wait that the server asks for is kept");
    clock.tick(200);
  }
  assert.deepEqual([...new Set(names())], Array.from({ length: 9 }, (_, index) => `${index + 1}.png`));
  assert.deepEqual(uploads.entries, []);
  assert.equal(new Set(sent.map(({ upload }) => upload.client_id)).size, 9, "tried again under the same id");
});

test("an upload without an answer is retried, at once when the network is back", async () => {
  const uploads = queue();
  uploads.add(file("a.png"));
  await sent[0].answer(null);
  assert.equal(sent.length, 1);
  page.dispatchEvent(new Event("online"));
  assert.equal(sent.length, 2);
  await sent[1].answer({ status: 503 });
  clock.tick(30_001);
  assert.equal(sent.length, 3);
  await sent[2].answer({ status: 200 });
  assert.deepEqual(uploads.entries, []);
});

test("a machine clock that is set back does not delay a retry", async () => {
  const uploads = queue();
  uploads.add(file("a.png"));
  await sent[0].answer({ status: 429, refused: { words: "slow", retry_after_ms: 4000 } });
  const before = Date.now;
  Date.now = () => before() - 3_600_000;
  clock.tick(4100);
  Date.now = before;
  assert.equal(sent.length, 2);
});

test("an upload that keeps failing lets the next one pass and can be retried", async () => {
  const uploads = queue();
  uploads.add(file("bad.png"));
  uploads.add(file("good.png"));
  while (sent.at(-1)?.upload.body === "bad.png") {
    await sent[sent.length - 1].answer(null);
    clock.tick(30_001);
  }
  assert.equal(uploads.entries[0].refused, "lost");
  await sent[sent.length - 1].answer({ status: 200 });
  uploads.retry(uploads.entries[0].client_id);
  assert.equal(sent.at(-1)?.upload.body, "bad.png");
});

test("a refused for good upload keeps its reason and does not hold up the next one", async () => {
  const uploads = queue();
  uploads.add(file("a.exe"));
  uploads.add(file("b.png"));
  await sent[0].answer({ status: 415, refused: { words: "no programs" } });
  assert.deepEqual(uploads.entries.map((upload) => upload.refused), ["no programs", undefined]);
  assert.equal(sent[1].upload.body, "b.png");
  uploads.remove(uploads.entries[0].client_id);
  assert.equal(uploads.entries.length, 1);
});

test("removing an upload aborts it and sends the next one", async () => {
  const uploads = queue();
  uploads.add(file("a.png"));
  uploads.add(file("b.png"));
  uploads.remove(uploads.entries[0].client_id);
  assert.ok(sent[0].signal.aborted);
  await settle();
  assert.deepEqual(names(), ["a.png", "b.png"]);
  assert.deepEqual(uploads.entries.map((upload) => upload.body), ["b.png"]);
});

test("a stalled upload is aborted and started again", async () => {
  const uploads = queue();
  uploads.add(file("stalled.png"));
  clock.tick(46_000);
  assert.ok(sent[0].signal.aborted);
  await settle();
  clock.tick(5_000);
  assert.equal(names().filter((name) => name === "stalled.png").length, 2);
});

test("uploads wait until isReady returns true", async () => {
  let isReady = false;
  const uploads = queue({ isReady: () => isReady });
  uploads.add(file("a.png"));
  assert.equal(sent.length, 0);
  isReady = true;
  uploads.flush();
  assert.equal(sent.length, 1);
});

test("the wait that the server asks for is as long when the machine's clock is set meanwhile", async () => {
  const uploads = queue();
  const real = Date.now;
  uploads.add(file("a.png"));
  await sent[0].answer({ status: 429, refused: { words: "slow", retry_after_ms: 4000 } });
  Date.now = () => real() - 3_600_000;
  uploads.add(file("b.png"));
  clock.tick(4002);
  Date.now = real;
  assert.equal(sent.length, 2);
});
