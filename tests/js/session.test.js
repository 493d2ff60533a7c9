import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { BrowserStorage } from "../../static/widget/storage.js";
import { Session } from "../../static/widget/session.js";
import { Clock, FakeSocket, openBrowser, page, storage } from "./browser.js";

/** @import { MessageData, ServerToVisitor, State, VisitorFrame } from "../../static/chat/frames.d.ts" */

/** @type {{visitor_to_server: VisitorFrame[], server_to_visitor: ServerToVisitor[]}} */
const examples = JSON.parse(readFileSync(new URL("../protocol_examples.json", import.meta.url), "utf-8"));
const at = "2026-11-23T01:04:05.678Z";
const TOKEN = "lianxin.demo.token";
/** @type {Storage} */
let local;
/** @type {Storage} */
let stored;
/** @type {Session} */
let session;
/** @type {string[]} */
let events;
/** @type {Clock} */
let clock;

/** @param {Partial<State>} [changes] @returns {State} */
const state = (changes) => ({
  id: "c1", status: "waiting", agent: null, last_seq: 0, agent_received: 0, agent_read: 0, visitor_read: 0, rating: null, ...changes,
});
/** @param {number} seq @param {Partial<MessageData>} [changes] @returns {MessageData} */
const message = (seq, changes) => ({ seq, type: "text", role: "agent", name: "林梅", body: `m${seq}`, at, ...changes });

/** Creates a session in the same way as loading the page does, with the stored data of this browser. */
function load() {
  session?.socket.close();
  clock = new Clock();
  openBrowser({ local, session: stored });
  events = [];
  const about = { site: "demo", url: "ws://chat/", language: "zh", page: "/", device: "phone" };
  session = new Session(new BrowserStorage("demo"), about, (event) => event && events.push(event));
  session.socket.open();
}

beforeEach(() => {
  [local, stored] = [storage(), storage()];
  load();
});

/** @returns {FakeSocket} */
const socket = () => FakeSocket.last;
/** Posts the first message, and plays the server's answers up to the welcome of the new conversation. */
function startConversation() {
  socket().welcomes();
  session.post("你好");
  socket().welcomes({ token: "t2", state: state() });
}

/** Plays the server: sends the first message back as a stored message. */
function storeFirstMessage() {
  socket().answers({ kind: "message", conversation: "c1", message: message(1, { role: "visitor", client_id: socket().of("post")[0].client_id }) });
}

function loseConnectionAndReconnect() {
  socket().onclose({ code: 1006 });
  clock.tick(500);
}

test("the first message starts a conversation and is posted after its welcome", () => {
  session.post("你好", { form: { name: "李雷" } });
  socket().welcomes();
  assert.deepEqual(socket().sent.map((frame) => frame.kind), ["hello", "start"]);
  assert.deepEqual(socket().of("start")[0].form, { name: "李雷" });
  socket().welcomes({ state: state() });
  assert.deepEqual(socket().of("post").map((frame) => frame.body), ["你好"]);
  assert.deepEqual(events, ["started"]);
});

test("a start without an answer is repeated under the same client id after a reload", () => {
  socket().welcomes();
  session.post("你好");
  const [{ client_id }] = socket().of("start");
  load();
  socket().welcomes();
  assert.deepEqual(socket().of("start").map((frame) => frame.client_id), [client_id]);
  socket().welcomes({ state: state() });
  assert.deepEqual(socket().of("post").map((frame) => frame.body), ["你好"]);
});

test("a refused start keeps the message as refused", () => {
  socket().welcomes();
  session.post("你好");
  socket().answers({ kind: "refused", code: "form_incomplete", words: "请填写", client_id: socket().of("start")[0].client_id });
  assert.equal(session.refusal, "请填写");
  assert.deepEqual(session.sender.unplaced.map((entry) => [entry.body, entry.refused]), [["你好", "请填写"]]);
  session.retry(session.sender.unplaced[0].client_id);
  assert.equal(socket().of("start").length, 2);
});

test("a start that was put off is repeated by itself", () => {
  socket().welcomes();
  session.post("你好");
  const [{ client_id }] = socket().of("start");
  socket().answers({ kind: "refused", code: "too_fast", words: "慢一点", client_id, retry_after_ms: 3000 });
  clock.tick(3000);
  assert.deepEqual(socket().of("start").map((frame) => frame.client_id), [client_id, client_id]);
});

test("a message is posted once the one before it is accepted", () => {
  startConversation();
  session.post("二");
  session.post("三");
  assert.deepEqual(socket().of("post").map((frame) => frame.body), ["你好"]);
  socket().answers({ kind: "accepted", client_id: socket().of("post")[0].client_id, seq: 1, at });
  assert.deepEqual(socket().of("post").map((frame) => frame.body), ["你好", "二"]);
});

test("an accepted entry stays unplaced until it comes back as a message, in either order", () => {
  startConversation();
  const [{ client_id }] = socket().of("post");
  socket().answers({ kind: "accepted", client_id, seq: 1, at });
  assert.deepEqual(session.sender.unplaced.map((entry) => entry.body), ["你好"]);
  assert.equal(session.sender.isAccepted(client_id), true);
  socket().answers({ kind: "message", conversation: "c1", message: message(1, { role: "visitor", client_id }) });
  assert.deepEqual(session.sender.unplaced, []);

  session.post("二");
  const second = socket().of("post")[1].client_id;
  socket().answers({ kind: "message", conversation: "c1", message: message(2, { role: "visitor", client_id: second }) });
  socket().answers({ kind: "accepted", client_id: second, seq: 2, at });
  assert.deepEqual(session.sender.unplaced, []);
  assert.equal(session.conversation.thread.head, 2);
});

test("a post in flight is repeated under the same client id after a reconnect", () => {
  startConversation();
  const [{ client_id }] = socket().of("post");
  loseConnectionAndReconnect();
  socket().welcomes({ state: state() });
  assert.deepEqual(socket().of("post").map((frame) => frame.client_id), [client_id]);
});

test("a welcome that contains the message removes it from the outbox", () => {
  startConversation();
  const [{ client_id }] = socket().of("post");
  loseConnectionAndReconnect();
  socket().welcomes({ state: state({ last_seq: 1 }), messages: [message(1, { role: "visitor", client_id })] });
  assert.deepEqual(session.sender.outbox.entries, []);
  assert.equal(session.conversation.thread.head, 1);
});

test("a post without an answer is sent again", () => {
  startConversation();
  clock.tick(15_000);
  assert.equal(socket().of("post").length, 2);
});

test("a post answered with bad_frame is not sent again", () => {
  startConversation();
  socket().answers({ kind: "refused", code: "bad_frame", words: "?" });
  assert.equal(session.sender.outbox.entries[0].refused, "?");
});

test("messages are fetched from the start of a gap", () => {
  startConversation();
  socket().answers({ kind: "message", conversation: "c1", message: message(1) });
  socket().answers({ kind: "message", conversation: "c1", message: message(3) });
  assert.deepEqual(socket().of("fetch"), [{ kind: "fetch", after: 1 }]);
  socket().answers({ kind: "messages", conversation: "c1", messages: [message(2), message(3)], head: 5, more: true });
  assert.deepEqual(socket().of("fetch").at(-1), { kind: "fetch", after: 3 });
});

test("a pong with a higher head fetches the missing message", () => {
  startConversation();
  socket().answers({ kind: "pong", head: 2 });
  assert.deepEqual(socket().of("fetch"), [{ kind: "fetch", after: 0 }]);
});

test("messages of another conversation are ignored", () => {
  startConversation();
  socket().answers({ kind: "message", conversation: "c0", message: message(1) });
  assert.equal(session.conversation.thread.head, 0);
});

test("the hello asks for newer messages after a reconnect and for all after a reload", () => {
  startConversation();
  socket().answers({ kind: "message", conversation: "c1", message: message(1) });
  loseConnectionAndReconnect();
  socket().onopen();
  assert.deepEqual([socket().of("hello")[0].conversation, socket().of("hello")[0].after], ["c1", 1]);
  load();
  socket().onopen();
  assert.deepEqual([socket().of("hello")[0].token, socket().of("hello")[0].conversation], ["t2", undefined]);
});

test("after the server was restored from a backup the widget replaces its messages", () => {
  startConversation();
  for (const seq of [1, 2, 3, 4]) socket().answers({ kind: "message", conversation: "c1", message: message(seq) });
  loseConnectionAndReconnect();
  socket().onopen();
  assert.equal(socket().of("hello")[0].after, 4);
  socket().welcomes({ state: state({ last_seq: 2 }), messages: [message(1), message(2)], recovered: false });
  socket().answers({ kind: "message", conversation: "c1", message: { ...message(3), body: "again" } });
  assert.deepEqual(session.conversation.thread.messages.map((item) => item.seq), [1, 2, 3]);
  assert.equal(session.conversation.thread.messages[2].body, "again");
});

test("messages count as read only if they were visible", () => {
  startConversation();
  socket().answers({ kind: "message", conversation: "c1", message: message(1) });
  assert.deepEqual(socket().of("seen"), [{ kind: "seen", conversation: "c1", received: 1, read: 0 }]);
  assert.equal(session.conversation.unread, 1);
  session.setVisible(true);
  session.setVisible(true);
  clock.tick(400);
  assert.deepEqual(socket().of("seen").slice(1), [{ kind: "seen", conversation: "c1", received: 1, read: 1 }]);
  assert.equal(session.conversation.unread, 0);
});

test("a burst of messages sends one read mark", () => {
  startConversation();
  session.setVisible(true);
  for (let seq = 1; seq <= 50; seq++) socket().answers({ kind: "message", conversation: "c1", message: message(seq) });
  clock.tick(400);
  assert.deepEqual(socket().of("seen").map((frame) => frame.read), [1, 50]);
});

test("the token is stored for all tabs, then for this tab once the conversation has ended, then not at all", () => {
  startConversation();
  storeFirstMessage();
  assert.equal(local.getItem(TOKEN), "t2 c1");
  socket().answers({ kind: "state", state: state({ status: "wrap_up" }) });
  assert.deepEqual(events, ["started", "ended"]);
  assert.equal(local.getItem(TOKEN), null);
  assert.equal(stored.getItem(TOKEN), "t2 c1");
  session.restart();
  assert.deepEqual([local.length, stored.length], [0, 0]);
});

test("the token is stored before the start is answered", () => {
  socket().welcomes({ token: "t1" });
  session.post("你好");
  load();
  socket().onopen();
  assert.equal(socket().of("hello")[0].token, "t1");
});

test("a restart keeps the token of a conversation that another tab has started", () => {
  startConversation();
  socket().answers({ kind: "state", state: state({ status: "closed" }) });
  local.setItem(TOKEN, "t9 c2");
  session.restart();
  assert.equal(local.getItem(TOKEN), "t9 c2");
});

test("after a restart the old conversation is not shown again and the next one is", () => {
  startConversation();
  socket().answers({ kind: "state", state: state({ status: "closed" }) });
  session.restart();
  loseConnectionAndReconnect();
  socket().welcomes({ state: state({ status: "closed" }), messages: [message(1)], recovered: false });
  assert.equal(session.conversation.id, "");
  session.post("again");
  socket().welcomes({ state: state({ id: "c2" }) });
  assert.equal(session.conversation.id, "c2");
  assert.equal(socket().of("post").at(-1)?.body, "你好");
});

test("an ended conversation is not shown to a visitor who opens the widget again", () => {
  socket().welcomes({ level: "verified", state: state({ status: "closed" }), messages: [message(1)], recovered: false });
  assert.equal(session.conversation.id, "");
});

test("a conversation that ended while the visitor was away is shown", () => {
  startConversation();
  storeFirstMessage();
  load();
  socket().welcomes({ state: state({ status: "closed", last_seq: 1 }), messages: [message(1)], recovered: false });
  assert.equal(session.conversation.isEnded, true);
  assert.equal(stored.getItem(TOKEN), "t1 c1");
});

test("a message refused by an ended conversation can be sent in a new one", () => {
  startConversation();
  const [{ client_id }] = socket().of("post");
  socket().answers({ kind: "state", state: state({ status: "closed" }) });
  socket().answers({ kind: "refused", code: "closed", words: "结束了", client_id });
  session.retry(client_id);
  assert.equal(socket().of("start").length, 2);
  socket().welcomes({ state: state({ id: "c2" }) });
  assert.deepEqual(socket().of("post").map((frame) => frame.client_id), [client_id, client_id]);
});

test("a post names the conversation it was first sent in, even after a reload and another start", () => {
  startConversation();
  const [{ client_id }] = socket().of("post");
  assert.equal(socket().of("post")[0].conversation, "c1");
  socket().onclose({ code: 1006 });
  load();
  socket().welcomes({ token: "t2", state: state({ id: "c2" }), recovered: false });
  assert.deepEqual(socket().of("post"), [{ kind: "post", client_id, body: "你好", conversation: "c1" }]);
  assert.equal(socket().of("start").length, 0);
});

test("a repeat accepted in the former conversation leaves the outbox without a fetch", () => {
  startConversation();
  const [{ client_id }] = socket().of("post");
  socket().welcomes({ state: state({ id: "c2" }), recovered: false });
  socket().answers({ kind: "accepted", client_id, seq: 7, at, conversation: "c1" });
  clock.tick(2_000);
  assert.deepEqual([session.sender.unplaced, socket().of("fetch")], [[], []]);
});

test("a message for an ended conversation is stored as refused and can be sent in the new one", () => {
  startConversation();
  const [{ client_id }] = socket().of("post");
  socket().welcomes({ state: state({ id: "c2" }), recovered: false });
  socket().answers({ kind: "refused", code: "closed", words: "那次对话已经结束。", client_id });
  assert.deepEqual(session.sender.unplaced.map(({ body, refused }) => [body, refused]), [["你好", "那次对话已经结束。"]]);
  session.retry(client_id);
  assert.equal(socket().of("post").at(-1)?.conversation, "c2");
});

test("a request made while disconnected names the conversation that was on screen", () => {
  startConversation();
  socket().onclose({ code: 1006 });
  session.request({ kind: "end" });
  clock.tick(1_000);
  socket().welcomes({ state: state({ id: "c2" }), recovered: false });
  assert.deepEqual(socket().of("end"), [{ kind: "end", conversation: "c1" }]);
});

test("logout tells the server first and clears this browser", () => {
  startConversation();
  session.post("draft of another");
  session.storage.set("draft", "half a word");
  const before = socket();
  session.logout();
  assert.equal(before.of("logout").length, 1);
  assert.deepEqual([local.length, stored.length], [0, 0]);
  socket().onopen();
  assert.equal(socket().of("hello")[0].token, null);
  assert.deepEqual(session.sender.unplaced, []);
});

test("logout while disconnected is sent after the reconnect", () => {
  startConversation();
  socket().onclose({ code: 1006 });
  session.logout();
  assert.deepEqual([local.length, stored.length], [0, 0]);
  socket().onopen();
  assert.equal(socket().of("hello")[0].token, "t2");
  const old = socket();
  old.welcomes({ token: "t3", state: state() });
  assert.equal(old.of("logout").length, 1);
  socket().onopen();
  assert.equal(socket().of("hello")[0].token, null);
  assert.equal(session.conversation.id, "");
});

test("a tab with a void token continues with the token of another tab", () => {
  startConversation();
  socket().answers({ kind: "bye", code: "superseded", retry_after_ms: 300 });
  local.setItem("lianxin.demo.token", "t9 c1");
  socket().onclose({ code: 4002 });
  clock.tick(300);
  socket().onopen();
  assert.equal(socket().of("hello")[0].token, "t9");
  assert.deepEqual(events.filter((event) => event === "identify"), []);
});

test("a widget with a void token requests the identity only once it is visible", () => {
  startConversation();
  session.setVisible(false);
  socket().answers({ kind: "bye", code: "superseded", retry_after_ms: 300 });
  socket().onclose({ code: 4002 });
  clock.tick(300);
  socket().onopen();
  assert.equal(socket().of("hello")[0].token, null);
  socket().welcomes({ token: "t5", state: null, recovered: false });
  assert.deepEqual(events.filter((event) => event === "identify"), []);
  session.setVisible(true);
  session.setVisible(true);
  assert.deepEqual(events.filter((event) => event === "identify"), ["identify"]);
});

test("the identity is requested again a minute before the verified level lapses", () => {
  session.setVisible(true);
  socket().welcomes({ level: "verified", verified_seconds: 120, nonce: "n1" });
  assert.equal(session.nonce, "n1");
  clock.tick(59_000);
  assert.deepEqual(events.filter((event) => event === "identify"), []);
  clock.tick(2_000);
  assert.deepEqual(events.filter((event) => event === "identify"), ["identify"]);
});

test("a logout in another tab clears this one", () => {
  startConversation();
  page.dispatchEvent(Object.assign(new Event("storage"), { key: "lianxin.demo.left", newValue: "1" }));
  assert.equal(session.conversation.id, "");
  assert.deepEqual([local.length, stored.length], [0, 0]);
});

test("a tab without a conversation joins the one that another tab has started", () => {
  socket().welcomes();
  page.dispatchEvent(Object.assign(new Event("storage"), { key: TOKEN, newValue: "t7 c7" }));
  socket().onopen();
  assert.equal(socket().of("hello")[0].token, "t7");
});

test("requests made while disconnected are sent after the reconnect", () => {
  startConversation();
  socket().onclose({ code: 1006 });
  session.request({ kind: "end" });
  clock.tick(500);
  socket().welcomes({ state: state() });
  assert.equal(socket().of("end").length, 1);
});

test("typing is sent at most once in three seconds and only in an open conversation", () => {
  socket().welcomes();
  session.typing();
  assert.equal(socket().of("typing").length, 0);
  session.post("你好");
  socket().welcomes({ state: state() });
  session.typing();
  session.typing();
  clock.tick(3001);
  session.typing();
  assert.equal(socket().of("typing").length, 2);
});

test("typing is sent although the machine's clock was set back", () => {
  startConversation();
  session.typing();
  clock.tick(3001);
  Date.now = () => 0;
  session.typing();
  assert.equal(socket().of("typing").length, 2);
});

test("typing is sent in the first seconds of the page too", () => {
  clock.now = 100;
  startConversation();
  session.typing();
  assert.equal(socket().of("typing").length, 1);
});

test("the session's time is the server's, as of the welcome and of each pong", () => {
  socket().welcomes({ now: 1_000_000 });
  clock.tick(5_000);
  Date.now = () => 0;
  assert.equal(session.now, 1_005_000);
  socket().answers({ kind: "pong", head: 0, now: 2_000_000 });
  assert.equal(session.now, 2_000_000);
  socket().answers({ kind: "pong", head: 0 });
  assert.equal(session.now, 2_000_000);
});

test("every example frame to the visitor is handled and an unknown kind is ignored", () => {
  const unknown = /** @type {any} */ ({ kind: "of_another_version", conversation: 1 });
  for (const frame of [...examples.server_to_visitor, unknown]) {
    socket().onopen();
    socket().answers(frame);
  }
  assert.equal(session.conversation.thread.head > 0, true);
});

test("frames of the widget have the fields of the protocol's examples", () => {
  startConversation();
  session.setVisible(true);
  socket().answers({ kind: "message", conversation: "c1", message: message(1) });
  socket().answers({ kind: "pong", head: 4 });
  session.typing();
  session.request({ kind: "end" });
  session.request({ kind: "rate", score: 5, comment: "" });
  session.request({ kind: "identify", identity: "x" });
  clock.tick(25_000);
  const used = socket();
  session.logout();
  const kinds = new Set(used.sent.map((frame) => frame.kind));
  assert.deepEqual([...kinds].sort(), [...new Set(examples.visitor_to_server.map((frame) => frame.kind))].sort());
  for (const frame of used.sent) {
    const fields = new Set(examples.visitor_to_server.filter((item) => item.kind === frame.kind).flatMap(Object.keys));
    for (const field of Object.keys(frame)) assert.equal(fields.has(field), true, `${frame.kind}.${field}`);
  }
});

test("the agent's read marks are not lowered by late frames", () => {
  startConversation();
  storeFirstMessage();
  for (const read of [1, 0]) socket().answers({ kind: "was_seen", conversation: "c1", role: "agent", received: 1, read });
  socket().answers({ kind: "state", state: state({ status: "active", last_seq: 1 }) });
  assert.equal(session.conversation.state?.status, "active");
  assert.equal(session.conversation.state?.agent_read, 1);
});
