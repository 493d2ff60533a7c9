/** The inbox page: creates its parts and connects them. */

import { byId } from "../../chat/dom.js";
import { guardPresses } from "../../chat/double-click-guard.js";
import { fill, readUiStrings } from "../../chat/ui-strings.js";
import { Alerts } from "./alerts.js";
import { Attachments } from "./attachments.js";
import { Composer } from "./composer.js";
import { CurrentConversation } from "./current-conversation.js";
import { Drill } from "../exams/drill.js";
import { Dialogs } from "./dialogs.js";
import { storage } from "./drafts.js";
import { emojiList } from "./emoji.js";
import { listenForKeys } from "./inbox-shortcuts.js";
import { ConnectionStatus, toast } from "./connection-status.js";
import { ConversationLists, isolatedName } from "./conversation-lists.js";
import { LiveConnection } from "./live-connection.js";
import { SubmitGuard } from "../submit-guard.js";
import { OfferList } from "./offer-list.js";
import { Outboxes } from "./outboxes.js";
import { drawToday, followCard, followSettings } from "./panels.js";
import { Suggestions } from "./suggestions.js";
import { post } from "../requests.js";
import { mayAnswer } from "./state.js";
import { Store } from "./store.js";
import { ThreadView } from "./thread-view.js";
import { obstacleToNext } from "./workload.js";
import { WorkloadBar } from "./workload-bar.js";

/** @import { ConsoleInitialState } from "./types.d.ts" */
/** @import { ConsoleAnswer } from "../requests.js" */

/** @type {ConsoleInitialState} */
const initial = JSON.parse(document.getElementById("state")?.textContent ?? "{}");
const strings = readUiStrings();
const store = new Store(initial);

const outboxes = new Outboxes(initial.me.id, {
  onChange: () => store.changed(),
  onAccepted: (conversation, entry, { seq, at, client_id }) => {
    const { body, choices } = entry;
    const payload = choices ? { choices } : {};
    const name = store.state.threads[conversation]?.values.agent_name ?? "";
    const message = { seq, at, client_id, body, payload, type: "text", role: "agent", name, number: initial.me.number };
    store.dispatch({ kind: "message", conversation, message });
  },
  onRefused: (id, message) => {
    if (id !== store.current && store.state.rows[id]) toast(`${isolatedName(store.state.rows[id], strings)}: ${message}`);
  },
  onSignedOut: () => connectionStatus.end(),
});
store.subscribe((state) => outboxes.settle(state));
const connectionStatus = new ConnectionStatus(store, { strings, outboxes: () => outboxes });
const live = new LiveConnection(store, {
  onStatus: (status) => (status === "ended" ? connectionStatus.end() : connectionStatus.change(status)),
  onWelcome: () => {
    outboxes.flushAll();
    attachments.hurry();
  },
});
const composer = new Composer(store, {
  strings,
  live,
  onSend: (id, draft) => outboxes.send(id, draft),
  onOffer: (id) => answerOffer("accept", id),
});
const suggestions = new Suggestions(store, { strings, onChosen: (point) => composer.insertPoint(point) });
const { departments, skills } = initial;
const lists = new ConversationLists(store, strings, departments);
const currentConversation = new CurrentConversation(store, {
  strings,
  live,
  lists,
  // In an offered conversation, a letter is a shortcut until the agent has chosen the message box.
  onOpen: () => mayAnswer(store.state, store.row) && composer.focus(),
});
const offerList = new OfferList(store, { strings, departments, skills, act: (name, id) => answerOffer(name, id) });
new WorkloadBar(store, strings);
const threadView = new ThreadView(store, {
  strings,
  departments,
  live,
  outboxes,
  onEdit: (body) => composer.prependText(body),
});
const attachments = new Attachments(store, { strings, onText: (text) => composer.insert(text) });
const dialogs = new Dialogs(strings, (what, conversation) => {
  if (what === "noted") return composer.focus();
  toast(what === "closed" ? strings.closed_done : strings.moved);
  if (conversation === store.current) currentConversation.leave(conversation);
  drawToday();
});
const alerts = new Alerts(store, { strings, departments, onOpen: (id) => void currentConversation.show(id) });
followCard(store);
followSettings(store);
if (document.getElementById("drill")) new Drill(store, strings);

/** client_id of the last "Take next" without an answer: another press repeats that request and takes the same conversation. */
let unansweredPress = "";

async function takeNext() {
  const obstacle = obstacleToNext(store.state);
  if (obstacle) return toast(strings[obstacle]);
  unansweredPress ||= crypto.randomUUID();
  /** @type {ConsoleAnswer<{conversation: string}>} */
  const answer = await post("next", { client_id: unansweredPress });
  // Without an answer, or with a refusal that asks to retry, the server may already have assigned a conversation. Keep
  // the client_id then.
  if (answer.status !== 0 && !answer.refused?.retry_after_ms) unansweredPress = "";
  await openTaken(answer);
}

/** @param {string} id */
async function take(id) {
  await openTaken(await post(`conversations/${id}/take`));
}

/** Accepts or declines an offer. A repeat is harmless. @param {"accept" | "decline"} name @param {string} id */
function answerOffer(name, id) {
  if (id) void submitGuard.run(`${name}.${id}`, () => (name === "accept" ? accept(id) : decline(id)));
}

/** @param {string} id */
async function accept(id) {
  offerList.decided(id);
  await openTaken(await post(`conversations/${id}/accept`));
}

/** @param {string} id */
async function decline(id) {
  const row = store.state.rows[id];
  const name = row ? isolatedName(row, strings) : "";
  offerList.decided(id);
  const answer = await post(`conversations/${id}/decline`);
  toast(answer.ok ? fill(strings.declined, { name }) : (answer.refused?.words ?? strings.offline_write));
}

/** Raises, confirms or lowers the emergency of the open conversation. @param {"raise" | "confirm" | "lower"} name */
async function changeEmergency(name) {
  const answer = await post(`conversations/${store.current}/emergency/${name}`);
  toast(answer.ok ? strings[`emergency_${name}_done`] : (answer.refused?.words ?? strings.offline_write));
}

/** Opens the conversation that was taken. @param {ConsoleAnswer<{conversation: string}>} answer of the request that took it */
async function openTaken(answer) {
  Alerts.requestPermission();
  if (!answer.ok) return toast(answer.refused?.words ?? strings.offline_write);
  drawToday();
  await currentConversation.show(answer.data.conversation);
  const row = store.state.threads[answer.data.conversation]?.row;
  if (row) byId("announce").textContent = fill(strings.took, { name: isolatedName(row, strings) });
}

/** Runs an action only if its button is visible. @param {string} name @param {() => Promise<void>} run */
function ifVisible(name, run) {
  const button = /** @type {HTMLElement | null} */ (document.querySelector(`#conversation-top [data-do=${name}]`));
  return store.current && button && !button.hidden ? run() : undefined;
}

const toggleEmoji = emojiList((emoji) => composer.insert(emoji));

/** @type {Record<string, () => unknown>} */
const actions = {
  next: () => takeNext(),
  take: () => take(store.current),
  accept: () => answerOffer("accept", offerList.first),
  decline: () => answerOffer("decline", offerList.first),
  down: () => currentConversation.move(1),
  up: () => currentConversation.move(-1),
  longest: () => currentConversation.showLongestWaiting(),
  write: () => composer.focus(),
  transfer: () => ifVisible("transfer", () => dialogs.open("transfer", store.current)),
  note: () => ifVisible("note", () => dialogs.open("note", store.current)),
  close: () => ifVisible("close", () => dialogs.open("close", store.current)),
  end: async () => {
    const answer = await post(`conversations/${store.current}/end`);
    if (!answer.ok) toast(answer.refused?.words ?? strings.offline_write);
  },
  raise: () => ifVisible("raise", () => changeEmergency("raise")),
  confirm: () => ifVisible("confirm", () => changeEmergency("confirm")),
  lower: () => ifVisible("lower", () => changeEmergency("lower")),
  emergency: () => act(store.row?.emergency === "raised" ? "confirm" : "raise"),
  why: () => (store.current ? dialogs.show(`conversations/${store.current}/explanation`) : undefined),
  card: () => currentConversation.toggleCard(),
  board: () => document.getElementById("to-board")?.click(),
  search: () => document.getElementById("to-search")?.click(),
  presence: () => {
    document.getElementById("presences")?.showPopover();
    /** @type {HTMLElement | null} */ (document.querySelector("#presences [aria-pressed=true]"))?.focus();
  },
  points: () => suggestions.focus(),
  "point-1": () => suggestions.take(1),
  "point-2": () => suggestions.take(2),
  "point-3": () => suggestions.take(3),
  alerts: () => alerts.openSettings(),
  keys: () => /** @type {HTMLDialogElement} */ (byId("keys")).showModal(),
  replies: () => composer.openReplies(),
  choices: () => composer.toggleChoices(),
  attach: () => attachments.choose(),
  emoji: () => toggleEmoji(),
  back: () => currentConversation.choose(""),
};
const submitGuard = new SubmitGuard();
/** @param {string} name */
const act = (name) => void submitGuard.run(name, actions[name]);
guardPresses();
listenForKeys(act);
document.addEventListener("signed-out", () => connectionStatus.end());

document.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const button = /** @type {HTMLElement | null} */ (target.closest("[data-do]"));
  if (button?.dataset.do) return act(button.dataset.do);
  const link = /** @type {HTMLElement | null} */ (target.closest(".row-link, [data-open]"));
  const id = link?.dataset.open ?? /** @type {HTMLElement | null} */ (link?.closest(".row"))?.dataset.id;
  if (!id || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  void currentConversation.show(id);
});
document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.matches("[data-sign-out]")) {
    if (outboxes.unsent && !confirm(fill(strings.sign_out_unsent, { count: outboxes.unsent }))) event.preventDefault();
    else storage.forget();
  }
  const next = form.querySelector("input[name=next]");
  if (next instanceof HTMLInputElement) next.value = location.pathname;
});
document.getElementById("not-loaded")?.remove();
store.changed();
live.open();
outboxes.flushAll();
if (initial.open) void currentConversation.show(initial.open, { push: false });
threadView.draw();
