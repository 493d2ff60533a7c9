/** The console: puts its parts together. */

import { guardPresses } from "../../chat/double-click-guard.js";
import { fill, readWords } from "../../chat/ui-strings.js";
import { Alerts } from "./alerts.js";
import { Attach } from "./attachments.js";
import { Composer } from "./composer.js";
import { Desk } from "./current-conversation.js";
import { Drill } from "../exams/drill.js";
import { Dialogs } from "./dialogs.js";
import { storage } from "./drafts.js";
import { emojiList } from "./emoji.js";
import { listenForKeys } from "./keyboard.js";
import { Line, toast } from "./connection-status.js";
import { Lists, spokenName } from "./conversation-lists.js";
import { Live } from "./live-connection.js";
import { Once } from "../submit-guard.js";
import { Outboxes } from "./outboxes.js";
import { drawToday, followCard } from "./panels.js";
import { Points } from "./suggestions.js";
import { post } from "../requests.js";
import { Store } from "./store.js";
import { Talk } from "./thread-view.js";

/** @type {ConsoleFirst} */
const first = JSON.parse(document.getElementById("state")?.textContent ?? "{}");
const words = readWords();
const store = new Store(first);

const outboxes = new Outboxes(first.me.id, {
  onChange: () => store.changed(),
  onAccepted: (conversation, entry, { seq, at, client_id }) => {
    const { body, choices } = entry;
    const payload = choices ? { choices } : {};
    const name = store.state.threads[conversation]?.values.agent_name ?? "";
    const message = { seq, at, client_id, body, payload, type: "text", role: "agent", name, number: first.me.number };
    store.dispatch({ kind: "message", conversation, message });
  },
  onRefused: (id, said) => {
    if (id !== store.current && store.state.rows[id]) toast(`${spokenName(store.state.rows[id], words)}: ${said}`);
  },
  onSignedOut: () => line.end(),
});
store.subscribe((state) => outboxes.settle(state));
const line = new Line(store, { words, outboxes: () => outboxes });
const live = new Live(store, {
  onStatus: (status) => (status === "ended" ? line.end() : line.change(status)),
  onWelcome: () => {
    outboxes.flushAll();
    attach.hurry();
  },
});
const composer = new Composer(store, { words, live, onSend: (id, draft) => outboxes.send(id, draft) });
const points = new Points(store, { words, onChosen: (point) => composer.putPoint(point) });
const lists = new Lists(store, words, first.departments);
const desk = new Desk(store, { words, live, lists, onOpen: () => composer.focus() });
const talk = new Talk(store, {
  words,
  departments: first.departments,
  live,
  outboxes,
  onEdit: (body) => composer.takeBack(body),
});
const attach = new Attach(store, { words, onText: (text) => composer.insert(text) });
const dialogs = new Dialogs(words, (what, conversation) => {
  if (what === "noted") return composer.focus();
  toast(what === "closed" ? words.closed_done : words.moved);
  if (conversation === store.current) desk.leave(conversation);
  drawToday();
});
new Alerts(store, words, (id) => void desk.show(id));
followCard(store);
if (document.getElementById("drill")) new Drill(store, words);

/** The press for which no answer has come yet: pressed again, it is the same one, and takes the same customer. */
let unanswered = "";

async function takeNext() {
  unanswered ||= crypto.randomUUID();
  const answer = await post("next", { client_id: unanswered });
  // Without an answer, or with one that says "later", it may have been done.
  if (answer.status !== 0 && !answer.refused?.retry_after_ms) unanswered = "";
  await begin(answer);
}

/** @param {string} id */
async function take(id) {
  await begin(await post(`conversations/${id}/take`));
}

/** @param {ConsoleAnswer} answer to taking a conversation */
async function begin(answer) {
  Alerts.ask();
  if (!answer.ok) return toast(answer.refused?.words ?? words.offline_write);
  drawToday();
  await desk.show(answer.data.conversation);
  const row = store.state.threads[answer.data.conversation]?.row;
  const place = document.getElementById("announce");
  if (row && place) place.textContent = fill(words.took, { name: spokenName(row, words) });
}

/** Only where the button for it is offered. @param {string} name @param {() => Promise<void>} then */
function offered(name, then) {
  const button = /** @type {HTMLElement | null} */ (document.querySelector(`#talk-tools [data-do=${name}]`));
  return store.current && button && !button.hidden ? then() : undefined;
}

const toggleEmoji = emojiList((emoji) => composer.insert(emoji));

/** @type {Record<string, () => unknown>} */
const actions = {
  next: () => takeNext(),
  take: () => take(store.current),
  down: () => desk.move(1),
  up: () => desk.move(-1),
  longest: () => desk.toLongest(),
  write: () => composer.focus(),
  transfer: () => offered("transfer", () => dialogs.open("transfer", store.current)),
  note: () => offered("note", () => dialogs.open("note", store.current)),
  close: () => offered("close", () => dialogs.open("close", store.current)),
  end: async () => {
    const answer = await post(`conversations/${store.current}/end`);
    if (!answer.ok) toast(answer.refused?.words ?? words.offline_write);
  },
  card: () => desk.toggleCard(),
  search: () => document.getElementById("to-search")?.click(),
  presence: () => {
    document.getElementById("presences")?.showPopover();
    /** @type {HTMLElement | null} */ (document.querySelector("#presences [aria-pressed=true]"))?.focus();
  },
  points: () => points.focus(),
  "point-1": () => points.take(1),
  "point-2": () => points.take(2),
  "point-3": () => points.take(3),
  keys: () => /** @type {HTMLDialogElement} */ (document.getElementById("keys")).showModal(),
  replies: () => composer.openReplies(),
  choices: () => composer.toggleChoices(),
  attach: () => attach.choose(),
  emoji: () => toggleEmoji(),
  back: () => desk.choose(""),
};
const once = new Once();
/** @param {string} name */
const act = (name) => void once.run(name, actions[name]);
guardPresses();
listenForKeys(act);
document.addEventListener("signed-out", () => line.end());

document.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const button = /** @type {HTMLElement | null} */ (target.closest("[data-do]"));
  if (button?.dataset.do) return act(button.dataset.do);
  const link = /** @type {HTMLElement | null} */ (target.closest(".row-link, [data-open]"));
  const id = link?.dataset.open ?? /** @type {HTMLElement | null} */ (link?.closest(".row"))?.dataset.id;
  if (!id || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  void desk.show(id);
});
document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.matches("[data-sign-out]")) {
    if (outboxes.unsent && !confirm(fill(words.sign_out_unsent, { count: outboxes.unsent }))) event.preventDefault();
    else storage.forget();
  }
  const next = form.querySelector("input[name=next]");
  if (next instanceof HTMLInputElement) next.value = location.pathname;
});
document.getElementById("not-loaded")?.remove();
store.changed();
live.open();
outboxes.flushAll();
if (first.open) void desk.show(first.open, { push: false });
talk.draw();
