import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { BrowserStorage } from "../../static/widget/storage.js";
import { Session } from "../../static/widget/session.js";
import { Clock, FakeSocket, openBrowser, page, storage } from "./browser.js";

/** @type {{visitor_to_server: ChatFrame[], server_to_visitor: ChatFrame[]}} */
const examples = JSON.parse(readFileSync(new URL("../protocol_examples.json", import.meta.url), "utf-8"));
const at = "2026-11-23T01:04:05.678Z";
const TOKEN = "lianxin.demo.token";
/** @type {Storage} */
let local;
/** @type {Storage} */
let kept;
/** @type {Session} */
let session;
/** @type {string[]} */
let events;
/** @type {Clock} */
let clock;

/** @param {Partial<ChatState>} [changes] @returns {ChatState} */
const state = (changes) => ({
  id: "c1", status: "waiting", agent: null, last_seq: 0, agent_received: 0, agent_read: 0, visitor_read: 0, rating: null, ...changes,
});
/** @param {number} seq @param {Partial<ChatMessage>} [changes] @returns {ChatMessage} */
const message = (seq, changes) => ({ seq, type: "text", role: "agent", name: "林梅", body: `m${seq}`, at, ...changes });

/** The box as a page load makes it, with what this browser has kept. */
function load() {
  session?.socket.close();
  clock = new Clock();
  openBrowser({ local, session: kept });
  events = [];
  const about = { site: "demo", url: "ws://chat/", language: "zh", page: "/", device: "phone" };
  session = new Session(new BrowserStorage("demo"), about, (event) => event && events.push(event));
  session.socket.open();
}

beforeEach(() => {
  [local, kept] = [storage(), storage()];
  load();
});

/** @returns {FakeSocket} */
const line = () => FakeSocket.last;
/** Writes the first words, and is answered up to the welcome of the new conversation. */
function talk() {
  line().welcomes();
  session.post("你好");
  line().welcomes({ token: "t2", state: state() });
}

/** The server stores the first words. */
function store() {
  line().answers({ kind: "message", conversation: "c1", message: message(1, { role: "visitor", client_id: line().of("post")[0].client_id }) });
}

function breakAndComeBack() {
  line().onclose({ code: 1006 });
  clock.tick(500);
}

test("the first words begin a conversation, and are posted only in it", () => {
  session.post("你好", { form: { name: "李雷" } });
  line().welcomes();
  assert.deepEqual(line().sent.map((frame) => frame.kind), ["hello", "start"]);
  assert.deepEqual(line().of("start")[0].form, { name: "李雷" });
  line().welcomes({ state: state() });
  assert.deepEqual(line().of("post").map((frame) => frame.body), ["你好"]);
  assert.deepEqual(events, ["started"]);
});

test("a beginning whose answer was lost is the same beginning again, and the words are still there", () => {
  line().welcomes();
  session.post("你好");
  const [{ client_id }] = line().of("start");
  load();
  line().welcomes();
  assert.deepEqual(line().of("start").map((frame) => frame.client_id), [client_id]);
  line().welcomes({ state: state() });
  assert.deepEqual(line().of("post").map((frame) => frame.body), ["你好"]);
});

test("a beginning that was refused keeps the words with their writer", () => {
  line().welcomes();
  session.post("你好");
  line().answers({ kind: "refused", code: "form_incomplete", words: "请填写", client_id: line().of("start")[0].client_id });
  assert.equal(session.refusal, "请填写");
  assert.deepEqual(session.sender.unplaced.map((entry) => [entry.body, entry.refused]), [["你好", "请填写"]]);
  session.retry(session.sender.unplaced[0].client_id);
  assert.equal(line().of("start").length, 2);
});

test("a beginning that was put off comes again by itself", () => {
  line().welcomes();
  session.post("你好");
  const [{ client_id }] = line().of("start");
  line().answers({ kind: "refused", code: "too_fast", words: "慢一点", client_id, retry_after_ms: 3000 });
  clock.tick(3000);
  assert.deepEqual(line().of("start").map((frame) => frame.client_id), [client_id, client_id]);
});

test("messages go one after another, each when the one before is accepted", () => {
  talk();
  session.post("二");
  session.post("三");
  assert.deepEqual(line().of("post").map((frame) => frame.body), ["你好"]);
  line().answers({ kind: "accepted", client_id: line().of("post")[0].client_id, seq: 1, at });
  assert.deepEqual(line().of("post").map((frame) => frame.body), ["你好", "二"]);
});

test("what is accepted stays on screen until it comes back as a message, whichever comes first", () => {
  talk();
  const [{ client_id }] = line().of("post");
  line().answers({ kind: "accepted", client_id, seq: 1, at });
  assert.deepEqual(session.sender.unplaced.map((entry) => entry.body), ["你好"]);
  assert.equal(session.sender.isAccepted(client_id), true);
  line().answers({ kind: "message", conversation: "c1", message: message(1, { role: "visitor", client_id }) });
  assert.deepEqual(session.sender.unplaced, []);

  session.post("二");
  const second = line().of("post")[1].client_id;
  line().answers({ kind: "message", conversation: "c1", message: message(2, { role: "visitor", client_id: second }) });
  line().answers({ kind: "accepted", client_id: second, seq: 2, at });
  assert.deepEqual(session.sender.unplaced, []);
  assert.equal(session.conversation.thread.head, 2);
});

test("what was on its way when the line broke goes again under the same id", () => {
  talk();
  const [{ client_id }] = line().of("post");
  breakAndComeBack();
  line().welcomes({ state: state() });
  assert.deepEqual(line().of("post").map((frame) => frame.client_id), [client_id]);
});

test("a welcome that holds it already settles it", () => {
  talk();
  const [{ client_id }] = line().of("post");
  breakAndComeBack();
  line().welcomes({ state: state({ last_seq: 1 }), messages: [message(1, { role: "visitor", client_id })] });
  assert.deepEqual(session.sender.outbox.entries, []);
  assert.equal(session.conversation.thread.head, 1);
});

test("a post without any answer is sent again", () => {
  talk();
  clock.tick(15_000);
  assert.equal(line().of("post").length, 2);
});

test("a post that the server does not understand is not sent for ever", () => {
  talk();
  line().answers({ kind: "refused", code: "bad_frame", words: "?" });
  assert.equal(session.sender.outbox.entries[0].refused, "?");
});

test("a gap is fetched from where it begins", () => {
  talk();
  line().answers({ kind: "message", conversation: "c1", message: message(1) });
  line().answers({ kind: "message", conversation: "c1", message: message(3) });
  assert.deepEqual(line().of("fetch"), [{ kind: "fetch", after: 1 }]);
  line().answers({ kind: "messages", conversation: "c1", messages: [message(2), message(3)], head: 5, more: true });
  assert.deepEqual(line().of("fetch").at(-1), { kind: "fetch", after: 3 });
});

test("a heartbeat tells of a last message that was lost", () => {
  talk();
  line().answers({ kind: "pong", head: 2 });
  assert.deepEqual(line().of("fetch"), [{ kind: "fetch", after: 0 }]);
});

test("messages of another conversation are not shown", () => {
  talk();
  line().answers({ kind: "message", conversation: "c0", message: message(1) });
  assert.equal(session.conversation.thread.head, 0);
});

test("a page that was loaded anew asks for everything, a line that came back for the rest", () => {
  talk();
  line().answers({ kind: "message", conversation: "c1", message: message(1) });
  breakAndComeBack();
  line().onopen();
  assert.deepEqual([line().of("hello")[0].conversation, line().of("hello")[0].after], ["c1", 1]);
  load();
  line().onopen();
  assert.deepEqual([line().of("hello")[0].token, line().of("hello")[0].conversation], ["t2", undefined]);
});

test("after a restore from a backup the box shows what the server has, and goes on from there", () => {
  talk();
  for (const seq of [1, 2, 3, 4]) line().answers({ kind: "message", conversation: "c1", message: message(seq) });
  breakAndComeBack();
  line().onopen();
  assert.equal(line().of("hello")[0].after, 4);
  line().welcomes({ state: state({ last_seq: 2 }), messages: [message(1), message(2)], recovered: false });
  line().answers({ kind: "message", conversation: "c1", message: { ...message(3), body: "anew" } });
  assert.deepEqual(session.conversation.thread.messages.map((each) => each.seq), [1, 2, 3]);
  assert.equal(session.conversation.thread.messages[2].body, "anew");
});

test("read is only what was on a visible screen", () => {
  talk();
  line().answers({ kind: "message", conversation: "c1", message: message(1) });
  assert.deepEqual(line().of("seen"), [{ kind: "seen", conversation: "c1", received: 1, read: 0 }]);
  assert.equal(session.conversation.unread, 1);
  session.setVisible(true);
  session.setVisible(true);
  clock.tick(400);
  assert.deepEqual(line().of("seen").slice(1), [{ kind: "seen", conversation: "c1", received: 1, read: 1 }]);
  assert.equal(session.conversation.unread, 0);
});

test("a burst of messages is one mark, not a flood of them", () => {
  talk();
  session.setVisible(true);
  for (let seq = 1; seq <= 50; seq++) line().answers({ kind: "message", conversation: "c1", message: message(seq) });
  clock.tick(400);
  assert.deepEqual(line().of("seen").map((frame) => frame.read), [1, 50]);
});

test("the token is kept for every tab while it is open, for this tab once it ended, and then not at all", () => {
  talk();
  store();
  assert.equal(local.getItem(TOKEN), "t2 c1");
  line().answers({ kind: "state", state: state({ status: "wrap_up" }) });
  assert.deepEqual(events, ["started", "ended"]);
  assert.equal(local.getItem(TOKEN), null);
  assert.equal(kept.getItem(TOKEN), "t2 c1");
  session.restart();
  assert.deepEqual([local.length, kept.length], [0, 0]);
});

test("the token is kept before the beginning is answered", () => {
  line().welcomes({ token: "t1" });
  session.post("你好");
  load();
  line().onopen();
  assert.equal(line().of("hello")[0].token, "t1");
});

test("a new beginning in another tab is not forgotten by this one", () => {
  talk();
  line().answers({ kind: "state", state: state({ status: "closed" }) });
  local.setItem(TOKEN, "t9 c2");
  session.restart();
  assert.equal(local.getItem(TOKEN), "t9 c2");
});

test("after a restart the old conversation does not come back, and the next one does come", () => {
  talk();
  line().answers({ kind: "state", state: state({ status: "closed" }) });
  session.restart();
  breakAndComeBack();
  line().welcomes({ state: state({ status: "closed" }), messages: [message(1)], recovered: false });
  assert.equal(session.conversation.id, "");
  session.post("again");
  line().welcomes({ state: state({ id: "c2" }) });
  assert.equal(session.conversation.id, "c2");
  assert.equal(line().of("post").at(-1)?.body, "你好");
});

test("an ended conversation of long ago is not put before somebody who comes anew", () => {
  line().welcomes({ level: "verified", state: state({ status: "closed" }), messages: [message(1)], recovered: false });
  assert.equal(session.conversation.id, "");
});

test("one that ended while the visitor was away is", () => {
  talk();
  store();
  load();
  line().welcomes({ state: state({ status: "closed", last_seq: 1 }), messages: [message(1)], recovered: false });
  assert.equal(session.conversation.isEnded, true);
  assert.equal(kept.getItem(TOKEN), "t1 c1");
});

test("what an ended conversation refused can go into a new one", () => {
  talk();
  const [{ client_id }] = line().of("post");
  line().answers({ kind: "state", state: state({ status: "closed" }) });
  line().answers({ kind: "refused", code: "closed", words: "结束了", client_id });
  session.retry(client_id);
  assert.equal(line().of("start").length, 2);
  line().welcomes({ state: state({ id: "c2" }) });
  assert.deepEqual(line().of("post").map((frame) => frame.client_id), [client_id, client_id]);
});

test("a post names the conversation it was first sent in, whatever has begun since and after a reload", () => {
  talk();
  const [{ client_id }] = line().of("post");
  assert.equal(line().of("post")[0].conversation, "c1");
  line().onclose({ code: 1006 });
  load();
  line().welcomes({ token: "t2", state: state({ id: "c2" }), recovered: false });
  assert.deepEqual(line().of("post"), [{ kind: "post", client_id, body: "你好", conversation: "c1" }]);
  assert.equal(line().of("start").length, 0);
});

test("a repeat that was accepted in the former conversation leaves the outbox and asks for nothing", () => {
  talk();
  const [{ client_id }] = line().of("post");
  line().welcomes({ state: state({ id: "c2" }), recovered: false });
  line().answers({ kind: "accepted", client_id, seq: 7, at, conversation: "c1" });
  clock.tick(2_000);
  assert.deepEqual([session.sender.unplaced, line().of("fetch")], [[], []]);
});

test("words for an ended conversation stay with their writer, who can send them in the new one", () => {
  talk();
  const [{ client_id }] = line().of("post");
  line().welcomes({ state: state({ id: "c2" }), recovered: false });
  line().answers({ kind: "refused", code: "closed", words: "那次对话已经结束。", client_id });
  assert.deepEqual(session.sender.unplaced.map(({ body, refused }) => [body, refused]), [["你好", "那次对话已经结束。"]]);
  session.retry(client_id);
  assert.equal(line().of("post").at(-1)?.conversation, "c2");
});

test("what is asked while the line is away is about the conversation that was on screen", () => {
  talk();
  line().onclose({ code: 1006 });
  session.request({ kind: "end" });
  clock.tick(1_000);
  line().welcomes({ state: state({ id: "c2" }), recovered: false });
  assert.deepEqual(line().of("end"), [{ kind: "end", conversation: "c1" }]);
});

test("logout_clears_this_browser_and_tells_the_server_first", () => {
  talk();
  session.post("draft of another");
  session.storage.set("draft", "half a word");
  const before = line();
  session.logout();
  assert.equal(before.of("logout").length, 1);
  assert.deepEqual([local.length, kept.length], [0, 0]);
  line().onopen();
  assert.equal(line().of("hello")[0].token, null);
  assert.deepEqual(session.sender.unplaced, []);
});

test("logout_while_the_line_is_away_is_told_when_it_is_back", () => {
  talk();
  line().onclose({ code: 1006 });
  session.logout();
  assert.deepEqual([local.length, kept.length], [0, 0]);
  line().onopen();
  assert.equal(line().of("hello")[0].token, "t2");
  const old = line();
  old.welcomes({ token: "t3", state: state() });
  assert.equal(old.of("logout").length, 1);
  line().onopen();
  assert.equal(line().of("hello")[0].token, null);
  assert.equal(session.conversation.id, "");
});

test("tab_whose_token_is_void_goes_on_with_the_token_of_another_tab", () => {
  talk();
  line().answers({ kind: "bye", code: "superseded", retry_after_ms: 300 });
  local.setItem("lianxin.demo.token", "t9 c1");
  line().onclose({ code: 4002 });
  clock.tick(300);
  line().onopen();
  assert.equal(line().of("hello")[0].token, "t9");
  assert.deepEqual(events.filter((event) => event === "identify"), []);
});

test("box_whose_token_is_void_everywhere_asks_for_identity_only_when_looked_at", () => {
  talk();
  session.setVisible(false);
  line().answers({ kind: "bye", code: "superseded", retry_after_ms: 300 });
  line().onclose({ code: 4002 });
  clock.tick(300);
  line().onopen();
  assert.equal(line().of("hello")[0].token, null);
  line().welcomes({ token: "t5", state: null, recovered: false });
  assert.deepEqual(events.filter((event) => event === "identify"), []);
  session.setVisible(true);
  session.setVisible(true);
  assert.deepEqual(events.filter((event) => event === "identify"), ["identify"]);
});

test("verified_customer_is_asked_for_anew_a_minute_before_it_lapses", () => {
  session.setVisible(true);
  line().welcomes({ level: "verified", verified_seconds: 120, nonce: "n1" });
  assert.equal(session.nonce, "n1");
  clock.tick(59_000);
  assert.deepEqual(events.filter((event) => event === "identify"), []);
  clock.tick(2_000);
  assert.deepEqual(events.filter((event) => event === "identify"), ["identify"]);
});

test("another tab that logged out clears this one too", () => {
  talk();
  page.dispatchEvent(Object.assign(new Event("storage"), { key: "lianxin.demo.left", newValue: "1" }));
  assert.equal(session.conversation.id, "");
  assert.deepEqual([local.length, kept.length], [0, 0]);
});

test("a tab without a conversation joins the one that another tab began", () => {
  line().welcomes();
  page.dispatchEvent(Object.assign(new Event("storage"), { key: TOKEN, newValue: "t7 c7" }));
  line().onopen();
  assert.equal(line().of("hello")[0].token, "t7");
});

test("ending, rating and identity wait for the line", () => {
  talk();
  line().onclose({ code: 1006 });
  session.request({ kind: "end" });
  clock.tick(500);
  line().welcomes({ state: state() });
  assert.equal(line().of("end").length, 1);
});

test("typing is told once in three seconds, and only in an open conversation", () => {
  line().welcomes();
  session.typing();
  assert.equal(line().of("typing").length, 0);
  session.post("你好");
  line().welcomes({ state: state() });
  session.typing();
  session.typing();
  clock.tick(3001);
  session.typing();
  assert.equal(line().of("typing").length, 2);
});

test("every example of a frame to the visitor is borne, and an unknown kind is ignored", () => {
  for (const frame of [...examples.server_to_visitor, { kind: "of_another_version", conversation: 1 }]) {
    line().onopen();
    line().answers(frame);
  }
  assert.equal(session.conversation.thread.head > 0, true);
});

test("what the box sends has the fields of the examples", () => {
  talk();
  session.setVisible(true);
  line().answers({ kind: "message", conversation: "c1", message: message(1) });
  line().answers({ kind: "pong", head: 4 });
  session.typing();
  for (const frame of [{ kind: "end" }, { kind: "rate", score: 5, comment: "" }, { kind: "identify", identity: "x" }]) session.request(frame);
  clock.tick(25_000);
  const used = line();
  session.logout();
  const kinds = new Set(used.sent.map((frame) => frame.kind));
  assert.deepEqual([...kinds].sort(), [...new Set(examples.visitor_to_server.map((frame) => frame.kind))].sort());
  for (const frame of used.sent) {
    const fields = new Set(examples.visitor_to_server.filter((each) => each.kind === frame.kind).flatMap(Object.keys));
    for (const field of Object.keys(frame)) assert.equal(fields.has(field), true, `${frame.kind}.${field}`);
  }
});

test("what the agent has read stays read, whatever comes late", () => {
  talk();
  store();
  const seen = { kind: "was_seen", conversation: "c1", role: "agent" };
  line().answers({ ...seen, received: 1, read: 1 });
  line().answers({ ...seen, received: 1, read: 0 });
  line().answers({ kind: "state", state: state({ status: "active", last_seq: 1 }) });
  assert.equal(session.conversation.state?.status, "active");
  assert.equal(session.conversation.state?.agent_read, 1);
});
