import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { LiveSocket } from "../../static/chat/socket.js";
import { Clock, FakeSocket, openBrowser, page, view } from "./browser.js";

/** @import { ServerToVisitor, VisitorFrame } from "../../static/chat/frames.d.ts" */

/** @type {string[]} */
let statuses;
/** @type {string[]} */
let kinds;
/** @type {LiveSocket<VisitorFrame, ServerToVisitor>} */
let socket;
/** @type {Clock} */
let clock;

beforeEach(() => {
  socket?.close();
  clock = new Clock();
  Math.random = () => 1;
  openBrowser();
  [statuses, kinds] = [[], []];
  socket = new LiveSocket({
    url: "ws://chat/",
    hello: () => ({ kind: "hello", site: "demo" }),
    onFrame: (frame) => kinds.push(frame.kind),
    onStatus: (status, detail) => statuses.push(detail ? `${status} ${detail}` : status),
  });
  socket.open();
});

test("the hello is sent first and nothing else before the welcome", () => {
  FakeSocket.last.onopen();
  assert.equal(socket.send({ kind: "typing" }), false);
  FakeSocket.last.welcomes();
  assert.equal(socket.send({ kind: "typing" }), true);
  assert.deepEqual(FakeSocket.last.sent.map((frame) => frame.kind), ["hello", "hello", "typing"]);
  assert.deepEqual(statuses, ["connecting", "open"]);
});

test("a lost connection is retried after growing delays of at most 30 seconds", () => {
  for (const wait of [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]) {
    const before = FakeSocket.all.length;
    FakeSocket.last.onclose({ code: 1006 });
    clock.tick(wait - 1);
    assert.equal(FakeSocket.all.length, before);
    clock.tick(1);
    assert.equal(FakeSocket.all.length, before + 1);
  }
});

test("a connection that lasted a minute resets the retry delay", () => {
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

test("the socket reconnects when the bye frame says", () => {
  FakeSocket.last.welcomes();
  FakeSocket.last.answers({ kind: "bye", code: "bye", retry_after_ms: 4321 });
  FakeSocket.last.onclose({ code: 1012 });
  clock.tick(4320);
  assert.equal(FakeSocket.all.length, 1);
  clock.tick(1);
  assert.equal(FakeSocket.all.length, 2);
});

test("a bye frame is no failure and does not lengthen the retry delay", () => {
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

test("after a bye frame nothing is sent, and a missing close frame is not awaited", () => {
  FakeSocket.last.welcomes();
  const { sent } = FakeSocket.last;
  FakeSocket.last.answers({ kind: "bye", code: "bye", retry_after_ms: 300 });
  assert.equal(socket.send({ kind: "typing" }), false);
  assert.equal(sent.length, 1);
  clock.tick(3_000);
  clock.tick(300);
  assert.equal(FakeSocket.all.length, 2);
});

test("a frame to send shortens the wait after a bye frame, but not after a failure", () => {
  FakeSocket.last.welcomes();
  FakeSocket.last.answers({ kind: "bye", code: "bye", retry_after_ms: 9_000 });
  FakeSocket.last.onclose({ code: 1012 });
  assert.equal(socket.send({ kind: "typing" }), false);
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(socket.send({ kind: "typing" }), false);
  FakeSocket.last.onclose({ code: 1006 });
  assert.equal(socket.send({ kind: "typing" }), false);
  assert.equal(FakeSocket.all.length, 2);
  clock.tick(10_000);
  assert.equal(FakeSocket.all.length, 3);
});

test("a close code of 44xx ends the socket without a retry", () => {
  FakeSocket.last.onclose({ code: 4404 });
  clock.tick(120_000);
  assert.equal(FakeSocket.all.length, 1);
  assert.deepEqual(statuses, ["connecting", "ended 4404"]);
});

test("a connection that answers no ping is dropped", () => {
  FakeSocket.last.welcomes();
  clock.tick(25_000);
  assert.equal(FakeSocket.last.of("ping").length, 1);
  clock.tick(4_999);
  assert.equal(statuses.at(-1), "open");
  clock.tick(1);
  assert.equal(statuses.at(-1), "lost");
});

test("before the welcome no other frame counts as an answer", () => {
  FakeSocket.last.onopen();
  FakeSocket.last.answers({ kind: "refused", code: "unavailable", words: "", retry_after_ms: 2000 });
  clock.tick(9_999);
  assert.equal(statuses.at(-1), "connecting");
  clock.tick(1);
  assert.equal(statuses.at(-1), "lost");
});

test("any frame delays the next heartbeat", () => {
  FakeSocket.last.welcomes();
  clock.tick(24_000);
  FakeSocket.last.answers({ kind: "queue", place: 1, estimate_seconds: null, online: true });
  clock.tick(24_000);
  assert.equal(FakeSocket.last.of("ping").length, 0);
  assert.equal(statuses.at(-1), "open");
});

test("a frame that was sent before the connection died does not count as an answer to a ping", () => {
  FakeSocket.last.welcomes();
  page.dispatchEvent(new Event("online"));
  assert.equal(FakeSocket.last.of("ping").length, 1);
  FakeSocket.last.answers({ kind: "queue", place: 1, estimate_seconds: null, online: true });
  clock.tick(1_500);
  assert.equal(FakeSocket.all.length, 2);
});

test("a connection is kept while frames arrive, and every ping needs its own pong", () => {
  FakeSocket.last.welcomes();
  clock.tick(25_000);
  page.dispatchEvent(new Event("online"));
  for (let number = 1; number <= 5; number++) {
    clock.tick(1_000);
    FakeSocket.last.answers({ kind: "queue", place: number, estimate_seconds: null, online: true });
  }
  FakeSocket.last.answers({ kind: "pong", head: 0 });
  clock.tick(1_000);
  FakeSocket.last.answers({ kind: "pong", head: 0 });
  clock.tick(24_000);
  assert.equal(FakeSocket.all.length, 1);
  clock.tick(1_000 + 5_000);
  assert.equal(statuses.at(-1), "lost", "the next heartbeat starts again");
});

test("a hidden page detects a dead connection as fast as a visible one", () => {
  view.visibilityState = "hidden";
  FakeSocket.last.welcomes();
  clock.tick(29_999);
  assert.equal(statuses.at(-1), "open");
  clock.tick(1);
  assert.equal(statuses.at(-1), "lost");
});

test("a page that is shown again pings at once, each time", () => {
  FakeSocket.last.welcomes();
  for (let turn = 1; turn <= 3; turn++) {
    view.dispatchEvent(new Event("visibilitychange"));
    assert.equal(FakeSocket.last.of("ping").length, turn);
    FakeSocket.last.answers({ kind: "pong", head: 0 });
    clock.tick(3_000);
    assert.equal(statuses.at(-1), "open");
  }
});

for (const name of ["visibilitychange", "pageshow", "online", "offline"]) {
  test(`a connection that does not answer after ${name} is replaced at once, despite earlier failures`, () => {
    for (let turn = 0; turn < 6; turn++) {
      FakeSocket.last.onclose({ code: 1006 });
      clock.tick(30_000);
    }
    FakeSocket.last.welcomes();
    const before = FakeSocket.all.length;
    clock.tick(24_000);
    (name === "visibilitychange" ? view : page).dispatchEvent(new Event(name));
    // A heartbeat that falls due meanwhile must not give the dead connection more time.
    clock.tick(1_499);
    assert.equal(FakeSocket.all.length, before);
    clock.tick(1);
    assert.equal(FakeSocket.all.length, before + 1);
    assert.equal(statuses.at(-1), "connecting");
  });
}

test("an attempt to connect is restarted after a sleep, unless it is recent", () => {
  clock.tick(1_000);
  view.dispatchEvent(new Event("visibilitychange"));
  assert.equal(FakeSocket.all.length, 1);
  clock.tick(1_000);
  for (const name of ["pageshow", "online"]) page.dispatchEvent(new Event(name));
  assert.equal(FakeSocket.all.length, 2);
});

test("the retry delay is random between zero and its limit", () => {
  for (const [chance, wait] of [[0.5, 250], [0, 0], [0.25, 500]]) {
    Math.random = () => chance;
    const before = FakeSocket.all.length;
    FakeSocket.last.onclose({ code: 1006 });
    if (wait) clock.tick(wait - 1);
    assert.equal(FakeSocket.all.length, before);
    clock.tick(1);
    assert.equal(FakeSocket.all.length, before + 1);
  }
});

test("the online event reconnects at once", () => {
  FakeSocket.last.onclose({ code: 1006 });
  const before = FakeSocket.all.length;
  page.dispatchEvent(new Event("online"));
  assert.equal(FakeSocket.all.length, before + 1);
});

test("frames of a replaced connection are ignored", () => {
  const old = FakeSocket.last;
  old.welcomes();
  socket.reopen();
  old.answers({ kind: "knowledge", edition: 1 });
  old.onclose({ code: 1006 });
  assert.deepEqual(kinds, ["welcome"]);
  assert.equal(statuses.at(-1), "connecting");
});
