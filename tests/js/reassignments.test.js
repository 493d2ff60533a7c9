import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { setImmediate as settle } from "node:timers/promises";
import { Clock, openBrowser, page, storage, view } from "./browser.js";
import { ACTIVE, HAO, MEI, row, state } from "./console-rows.js";

/** @import { Person, Row } from "../../static/chat/frames.d.ts" */
/** @import { Change } from "../../static/console/inbox/changes.js" */

openBrowser();
const { Reassignments } = await import("../../static/console/inbox/reassignments.js");

const YUN = { id: 9, name: "赵云", name_en: "Yun Zhao", number: "9001" };
const WITH_HAO = { status: "active", agent: HAO };

/** The server's answers about conversations, by id. Without one, the network fails. @type {Record<string, {row: Row, by: Person | null}>} */
let answers;
/** @type {Storage} */
let local;
let clock = new Clock();

beforeEach(() => {
  local = storage();
  openBrowser({ local });
  clock = new Clock();
  answers = {};
  Object.assign(view, { body: { dataset: {} }, hasFocus: () => true, visibilityState: "visible" });
  Object.assign(globalThis, {
    localStorage: local,
    fetch: async (/** @type {string} */ url) => {
      const answer = answers[url.split("/")[3]];
      if (!answer) throw new TypeError("no network");
      return new Response(JSON.stringify(answer), { headers: { "Content-Type": "application/json" } });
    },
  });
});

/** Opens a tab and returns its reassignments, and a function that passes changes to them. */
function openTab() {
  /** @type {((changes: Change[]) => void)[]} */
  const listeners = [];
  const store = { state: state([]), current: "", onChanges: (/** @type {any} */ listener) => listeners.push(listener), subscribe: () => {} };
  const reassignments = new Reassignments(/** @type {any} */ (store), () => {});
  return { store, reassignments, change: (/** @type {Change} */ one) => listeners.forEach((listener) => listener([one])) };
}

/** @param {ReturnType<typeof openTab>} tab */
const unseen = ({ reassignments }) => reassignments.unseen.map((reassignment) => [reassignment.kind, reassignment.row.id, reassignment.by?.name]);

test("a conversation handed over or taken away is reported with the person who reassigned it", async () => {
  const tab = openTab();
  answers = { a: { row: row("a", ACTIVE), by: YUN }, b: { row: row("b", WITH_HAO), by: null } };
  tab.change({ kind: "gained", row: answers.a.row });
  tab.change({ kind: "lost", row: answers.b.row });
  assert.deepEqual(unseen(tab), [], "before the server has answered");
  await settle();
  assert.deepEqual(unseen(tab), [["gained", "a", "赵云"], ["lost", "b", undefined]]);
  tab.reassignments.see("a");
  assert.deepEqual(unseen(tab), [["lost", "b", undefined]]);
});

test("the agent's own reassignments, and those that are no longer true, are not reported", async () => {
  const tab = openTab();
  answers = {
    a: { row: row("a", ACTIVE), by: MEI },
    b: { row: row("b", { ...WITH_HAO, revision: 2 }), by: YUN },
    c: { row: row("c", { ...ACTIVE, status: "closed" }), by: YUN },
  };
  for (const id of ["a", "b"]) tab.change({ kind: "gained", row: row(id, ACTIVE) });
  tab.change({ kind: "lost", row: row("c") });
  await settle();
  assert.deepEqual(unseen(tab), []);
});

test("a reassignment that was noticed in one tab is not reported in another, nor after a reload", async () => {
  const [first, second] = [openTab(), openTab()];
  answers = { a: { row: row("a", ACTIVE), by: YUN } };
  for (const tab of [first, second]) tab.change({ kind: "gained", row: answers.a.row });
  await settle();
  assert.deepEqual([first, second].map((tab) => unseen(tab).length), [1, 1]);
  const reloaded = openTab();
  await settle();
  assert.equal(unseen(reloaded).length, 1);
  first.reassignments.see("a");
  page.dispatchEvent(Object.assign(new Event("storage"), { key: "lianxin.reassignments.1" }));
  assert.deepEqual([second, reloaded, openTab()].map((tab) => unseen(tab).length), [0, 0, 0]);
  second.change({ kind: "gained", row: answers.a.row });
  assert.equal(unseen(second).length, 0, "a repeated frame");
});

test("opening the conversation counts as noticing, and a lost answer is requested again", async () => {
  const tab = openTab();
  tab.change({ kind: "gained", row: row("a", ACTIVE) });
  await settle();
  assert.deepEqual(unseen(tab), []);
  answers = { a: { row: row("a", ACTIVE), by: YUN } };
  clock.tick(5000);
  await settle();
  assert.equal(unseen(tab).length, 1);
  tab.store.current = "a";
  page.dispatchEvent(new Event("focus"));
  assert.deepEqual(unseen(tab), []);
});

test("only ids are stored, never names", async () => {
  const tab = openTab();
  answers = { a: { row: row("a", { ...ACTIVE, visitor_name: "李雷", excerpt: "我的卡" }), by: YUN } };
  tab.change({ kind: "gained", row: answers.a.row });
  await settle();
  assert.equal(local.getItem("lianxin.reassignments.1"), JSON.stringify({ a: { kind: "gained", revision: 1, isSeen: false } }));
});
