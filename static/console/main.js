/** The console: puts its parts together. */

import { fill, readWords } from "../chat/words.js";
import { Alerts } from "./alerts.js";
import { Attach } from "./attach.js";
import { Composer } from "./composer.js";
import { Dialogs } from "./dialogs.js";
import { storage } from "./drafts.js";
import { emojiList } from "./emoji.js";
import { listenForKeys } from "./keys.js";
import { Line, toast } from "./line.js";
import { Lists, nameOf, secondsWaiting } from "./lists.js";
import { Live } from "./live.js";
import { Outboxes } from "./outboxes.js";
import { BASE, post } from "./requests.js";
import { mine } from "./state.js";
import { Store } from "./store.js";
import { Talk } from "./talk.js";

/** @type {ConsoleFirst} */
const first = JSON.parse(document.getElementById("state")?.textContent ?? "{}");
const words = readWords();
const store = new Store(first);
const columns = /** @type {HTMLElement} */ (document.getElementById("main"));

const outboxes = new Outboxes(first.me.id, {
  onChange: () => store.changed(),
  onAccepted: (conversation, entry, { seq, at, client_id }) => {
    const { body, choices } = entry;
    const payload = choices ? { choices } : {};
    const name = store.state.threads[conversation]?.values.agent_name ?? "";
    const message = { seq, at, client_id, body, payload, type: "text", role: "agent", name, number: first.me.number };
    store.dispatch({ kind: "message", conversation, message });
  },
  onSignedOut: () => line.end(),
});
store.subscribe((state) => outboxes.settle(state));
const line = new Line(store, { words, outboxes: () => outboxes });
const live = new Live(store, {
  onStatus: (status) => (status === "ended" ? line.end() : line.change(status)),
  onWelcome: () => outboxes.flushAll(),
});
const composer = new Composer(store, { words, live, onSend: (id, draft) => outboxes.send(id, draft) });
const lists = new Lists(store, words, first.departments);
const talk = new Talk(store, {
  words,
  departments: first.departments,
  live,
  outboxes,
  onEdit: (body) => composer.takeBack(body),
});
const attach = new Attach(store, words);
const dialogs = new Dialogs(words, (what, conversation) => {
  if (what === "noted") return composer.focus();
  toast(what === "closed" ? words.closed_done : words.moved);
  if (conversation === store.current) leave(conversation);
  void htmx.ajax("GET", `${BASE}today`, "#today");
});
new Alerts(store, words, (id) => void show(id));

/** Opens a conversation. @param {string} id @param {{push?: boolean, write?: boolean}} [options] */
async function show(id, { push = true, write = true } = {}) {
  const address = `${BASE}conversations/${id}/`;
  if (push && location.pathname !== address) history.pushState({ id }, "", address);
  columns.dataset.column = "talk";
  columns.removeAttribute("data-card");
  store.choose(id);
  void htmx.ajax("GET", `${BASE}conversations/${id}/card`, "#card-body");
  const answer = await live.load(id);
  if (!answer.ok && store.current === id) {
    toast(answer.refused?.words ?? words.offline_write);
    if (answer.status === 404) choose("");
  }
  if (write && store.current === id) requestAnimationFrame(() => composer.focus());
}

/** What was before me has gone: to the one who waits longest, or to nobody. @param {string} id */
function leave(id) {
  const rest = mine(store.state).filter((row) => row.id !== id && row.status === "active");
  const next = longest(rest) ?? rest[0];
  if (next) void show(next.id);
  else choose("");
}

/** @param {string} id "" for none */
function choose(id) {
  if (id) return void show(id, { push: false });
  if (location.pathname !== BASE) history.pushState({}, "", BASE);
  columns.dataset.column = "lists";
  store.choose("");
  document.getElementById("card-body")?.replaceChildren();
}

/** @param {ConsoleRow[]} rows */
function longest(rows) {
  return rows
    .filter((row) => secondsWaiting(row) !== null)
    .sort((one, other) => Number(secondsWaiting(other)) - Number(secondsWaiting(one)))[0];
}

/** @param {number} step down or up the lists */
function move(step) {
  const order = lists.order();
  if (!order.length) return;
  const at = order.indexOf(store.current);
  const index = at < 0 ? (step > 0 ? 0 : order.length - 1) : (at + step + order.length) % order.length;
  void show(order[index], { write: false });
  document.querySelector(`#row-${order[index]} .row-link`)?.scrollIntoView({ block: "nearest" });
}

/** @param {string} path */
async function take(path) {
  Alerts.ask();
  const answer = await post(path);
  if (!answer.ok) return toast(answer.refused?.words ?? words.offline_write);
  await show(answer.data.conversation);
  const row = store.state.threads[answer.data.conversation]?.row;
  const place = document.getElementById("announce");
  if (row && place) place.textContent = fill(words.took, { name: nameOf(row, words) });
}

/** Only where the button for it is offered. @param {string} name @param {() => void} then */
function offered(name, then) {
  const button = /** @type {HTMLElement | null} */ (document.querySelector(`#talk-tools [data-do=${name}]`));
  if (store.current && button && !button.hidden) then();
}

const toggleEmoji = emojiList((emoji) => composer.insert(emoji));

/** @type {Record<string, () => void>} */
const actions = {
  next: () => void take("next"),
  take: () => void take(`conversations/${store.current}/take`),
  down: () => move(1),
  up: () => move(-1),
  longest: () => {
    const row = longest(mine(store.state));
    if (row) void show(row.id);
  },
  write: () => composer.focus(),
  transfer: () => offered("transfer", () => void dialogs.open("transfer", store.current)),
  note: () => offered("note", () => void dialogs.open("note", store.current)),
  close: () => offered("close", () => void dialogs.open("close", store.current)),
  end: async () => {
    const answer = await post(`conversations/${store.current}/end`);
    if (!answer.ok) toast(answer.refused?.words ?? words.offline_write);
  },
  card: () => {
    const isOpen = columns.dataset.card === "open";
    if (isOpen) delete columns.dataset.card;
    else columns.dataset.card = "open";
    document.querySelector("[data-do=card]")?.setAttribute("aria-expanded", String(!isOpen));
  },
  search: () => document.getElementById("to-search")?.click(),
  presence: () => {
    document.getElementById("presences")?.showPopover();
    /** @type {HTMLElement | null} */ (document.querySelector("#presences [aria-pressed=true]"))?.focus();
  },
  keys: () => /** @type {HTMLDialogElement} */ (document.getElementById("keys")).showModal(),
  replies: () => composer.openReplies(),
  choices: () => composer.toggleChoices(),
  attach: () => attach.choose(),
  emoji: () => toggleEmoji(),
  back: () => choose(""),
};
listenForKeys(actions);

document.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const button = /** @type {HTMLElement | null} */ (target.closest("[data-do]"));
  if (button?.dataset.do) return actions[button.dataset.do]();
  const link = /** @type {HTMLElement | null} */ (target.closest(".row-link, [data-open]"));
  const id = link?.dataset.open ?? /** @type {HTMLElement | null} */ (link?.closest(".row"))?.dataset.id;
  if (!id || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  void show(id);
});
document.addEventListener("submit", (event) => {
  if (/** @type {HTMLElement} */ (event.target).matches("[data-sign-out]")) storage.forget();
});
addEventListener("popstate", () => {
  const id = /conversations\/([0-9a-f-]{36})\//.exec(location.pathname)?.[1] ?? "";
  if (id !== store.current) choose(id);
});

store.changed();
live.open();
outboxes.flushAll();
if (first.open) void show(first.open, { push: false });
talk.draw();
