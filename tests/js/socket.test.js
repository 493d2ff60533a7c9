import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { LiveSocket } from "../../static/chat/socket.js";
import { Clock, FakeSocket, openBrowser, page, view } from "./browser.js";

/** @type {string[]} */
let statuses;
/** @type {string[]} */
let kinds;
/** @type {LiveSocket} */
let line;
/** @type {Clock} */
let clock;

beforeEach(() => {
  line?.close();
  clock = new Clock();
  Math.random = () => 1;
  openBrowser();
  [statuses, kinds] = [[], []];
  line = new LiveSocket({
    url: "ws://chat/",
    hello: () => ({ kind: "hello", site: "demo" }),
    onFrame: (frame) => kinds.push(frame.kind),
    onStatus: (status, detail) => statuses.push(detail ? `${status} ${detail}` : status),
  });
  line.open();
});

test("hello goes first, and nothing else goes before the welcome", () => {
  FakeSocket.last.onopen();
  assert.equal(line.send({ kind: "typing" }), false);
  FakeSocket.last.welcomes();
  assert.equal(line.send({ kind: "typing" }), true);
  assert.deepEqual(FakeSocket.last.sent.map((frame) => frame.kind), ["hello", "hello", "typing"]);
  assert.deepEqual(statuses, ["connecting", "open"]);
});

test("a lost line comes back, later each time, never later than half a minute", () => {
  for (const wait of [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]) {
    const before = FakeSocket.all.length;
    FakeSocket.last.onclose({ code: 1006 });
    clock.tick(wait - 1);
    assert.equal(FakeSocket.all.length, before);
    clock.tick(1);
    assert.equal(FakeSocket.all.length, before + 1);
  }
});

test("a minute of standing makes it quick again", () => {
  for (let turn = 0; turn < 4; turn++) {
    FakeSocket.last.onclose({ code: 1006 });
    clock.tick(30_000);
  }
  FakeSocket.last.welcomes();
  for (let second = 0; second < 60; second += 20) {
    clock.tick(20_000);
    FakeSocket.last.answers({ kind: "pong", head: 0 });
  }
  const before = FakeSocket.all.length;
  FakeSocket.last.onclose({ code: 1006 });
  clock.tick(500);
  assert.equal(FakeSocket.all.length, before + 1);
});

test("the server says when to come back", () => {
  FakeSocket.last.welcomes();
  FakeSocket.last.answers({ kind: "bye", code: "bye", retry_after_ms: 4321 });
  FakeSocket.last.onclose({ code: 1012 });
  clock.tick(4320);
  assert.equal(FakeSocket.all.length, 1);
  clock.tick(1);
  assert.equal(FakeSocket.all.length, 2);
});

test("to be sent elsewhere is no failure: nothing is lost, and the next try is as quick as the first", () => {
  for (let turn = 0; turn < 5; turn++) {
    FakeSocket.last.welcomes();
    FakeSocket.last.answers({ kind: "bye", code: "bye", retry_after_ms: 300 });
    FakeSocket.last.onclose({ code: 1012 });
    clock.tick(300);
  }
  assert.ok(!statuses.includes("lost"));
  const before = FakeSocket.all.length;
  FakeSocket.last.onclose({ code: 1006 });
  assert.equal(statuses.at(-1), "lost");
  clock.tick(500);
  assert.equal(FakeSocket.all.length, before + 1);
});

test("whoever has something to say comes back before their time, but does not hurry a server that fails", () => {
  FakeSocket.last.welcomes();
  FakeSocket.last.answers({ kind: "bye", code: "bye", retry_after_ms: 9_000 });
  FakeSocket.last.onclose({ code: 1012 });
  assert.equal(line.send({ kind: "typing" }), false);
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(line.send({ kind: "typing" }), false);
  FakeSocket.last.onclose({ code: 1006 });
  assert.equal(line.send({ kind: "typing" }), false);
  assert.equal(FakeSocket.all.length, 2);
  clock.tick(10_000);
  assert.equal(FakeSocket.all.length, 3);
});

test("a close code of 44xx is the end", () => {
  FakeSocket.last.onclose({ code: 4404 });
  clock.tick(120_000);
  assert.equal(FakeSocket.all.length, 1);
  assert.deepEqual(statuses, ["connecting", "ended 4404"]);
});

test("a line that does not answer is given up", () => {
  FakeSocket.last.welcomes();
  clock.tick(25_000);
  assert.equal(FakeSocket.last.of("ping").length, 1);
  clock.tick(9_999);
  assert.equal(statuses.at(-1), "open");
  clock.tick(1);
  assert.equal(statuses.at(-1), "lost");
});

test("any frame is a sign of life", () => {
  FakeSocket.last.welcomes();
  clock.tick(25_000);
  FakeSocket.last.answers({ kind: "queue", place: 1, estimate_seconds: null, online: true });
  clock.tick(20_000);
  assert.equal(statuses.at(-1), "open");
});

test("a hidden page asks once a minute at most", () => {
  view.visibilityState = "hidden";
  FakeSocket.last.welcomes();
  clock.tick(59_999);
  assert.equal(FakeSocket.last.of("ping").length, 0);
  clock.tick(1);
  assert.equal(FakeSocket.last.of("ping").length, 1);
});

test("a page that is shown again asks at once, as often as it happens", () => {
  FakeSocket.last.welcomes();
  for (let turn = 1; turn <= 3; turn++) {
    view.dispatchEvent(new Event("visibilitychange"));
    assert.equal(FakeSocket.last.of("ping").length, turn);
    FakeSocket.last.answers({ kind: "pong", head: 0 });
    clock.tick(3_000);
    assert.equal(statuses.at(-1), "open");
  }
  page.dispatchEvent(new Event("online"));
  clock.tick(3_000);
  assert.equal(statuses.at(-1), "lost");
});

test("a network that is back does not wait for the next try", () => {
  FakeSocket.last.onclose({ code: 1006 });
  const before = FakeSocket.all.length;
  page.dispatchEvent(new Event("online"));
  assert.equal(FakeSocket.all.length, before + 1);
});

test("what an old line still says is not heard", () => {
  const old = FakeSocket.last;
  old.welcomes();
  line.reopen();
  old.answers({ kind: "message" });
  old.onclose({ code: 1006 });
  assert.deepEqual(kinds, ["welcome"]);
  assert.equal(statuses.at(-1), "connecting");
});
