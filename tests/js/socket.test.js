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

test("after a goodbye nothing is said, and a close that never comes is not waited for", () => {
  FakeSocket.last.welcomes();
  const { sent } = FakeSocket.last;
  FakeSocket.last.answers({ kind: "bye", code: "bye", retry_after_ms: 300 });
  assert.equal(line.send({ kind: "typing" }), false);
  assert.equal(sent.length, 1);
  clock.tick(3_000);
  clock.tick(300);
  assert.equal(FakeSocket.all.length, 2);
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
  clock.tick(4_999);
  assert.equal(statuses.at(-1), "open");
  clock.tick(1);
  assert.equal(statuses.at(-1), "lost");
});

test("until the welcome nothing else is an answer", () => {
  FakeSocket.last.onopen();
  FakeSocket.last.answers({ kind: "refused", code: "unavailable", words: "", retry_after_ms: 2000 });
  clock.tick(9_999);
  assert.equal(statuses.at(-1), "connecting");
  clock.tick(1);
  assert.equal(statuses.at(-1), "lost");
});

test("any frame puts the next heartbeat off", () => {
  FakeSocket.last.welcomes();
  clock.tick(24_000);
  FakeSocket.last.answers({ kind: "queue", place: 1, estimate_seconds: null, online: true });
  clock.tick(24_000);
  assert.equal(FakeSocket.last.of("ping").length, 0);
  assert.equal(statuses.at(-1), "open");
});

test("a frame that was under way when the line died is no answer to a ping", () => {
  FakeSocket.last.welcomes();
  page.dispatchEvent(new Event("online"));
  assert.equal(FakeSocket.last.of("ping").length, 1);
  FakeSocket.last.answers({ kind: "queue", place: 1, estimate_seconds: null, online: true });
  clock.tick(1_500);
  assert.equal(FakeSocket.all.length, 2);
});

test("a line is not given up while frames come, and every ping has its own answer", () => {
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
  assert.equal(statuses.at(-1), "lost", "the next heartbeat begins anew");
});

test("a hidden page finds a dead line as soon as a visible one", () => {
  view.visibilityState = "hidden";
  FakeSocket.last.welcomes();
  clock.tick(29_999);
  assert.equal(statuses.at(-1), "open");
  clock.tick(1);
  assert.equal(statuses.at(-1), "lost");
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
});

for (const name of ["visibilitychange", "pageshow", "online", "offline"]) {
  test(`a line that does not answer after ${name} is begun anew, however often it was lost before`, () => {
    for (let turn = 0; turn < 6; turn++) {
      FakeSocket.last.onclose({ code: 1006 });
      clock.tick(30_000);
    }
    FakeSocket.last.welcomes();
    const before = FakeSocket.all.length;
    clock.tick(24_000);
    (name === "visibilitychange" ? view : page).dispatchEvent(new Event(name));
    // The heartbeat falls due meanwhile, and gives the dead line no more time.
    clock.tick(1_499);
    assert.equal(FakeSocket.all.length, before);
    clock.tick(1);
    assert.equal(FakeSocket.all.length, before + 1);
    assert.equal(statuses.at(-1), "connecting");
  });
}

test("a try that slept is begun anew, one that is young is not", () => {
  clock.tick(1_000);
  view.dispatchEvent(new Event("visibilitychange"));
  assert.equal(FakeSocket.all.length, 1);
  clock.tick(1_000);
  for (const name of ["pageshow", "online"]) page.dispatchEvent(new Event(name));
  assert.equal(FakeSocket.all.length, 2);
});

test("the whole wait is a matter of chance, from nothing on", () => {
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
