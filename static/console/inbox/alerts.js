/**
 * Reports what needs the agent's attention by sound, notification and screen-reader text, again every 15 seconds until it is
 * noticed. Only one of several tabs does so; every tab shows it in the title and in the list at the edge of the page.
 */

import { isolated } from "../../chat/bidi.js";
import { byId, make, makeButton } from "../../chat/dom.js";
import { fill } from "../../chat/ui-strings.js";
import { serverNow } from "../server-clock.js";
import { AlertSettings } from "./alert-settings.js";
import { attentionFor, isMuted, takeable } from "./attention.js";
import { emergencyReason, isolatedName } from "./conversation-lists.js";
import { Reassignments } from "./reassignments.js";
import { SharedRecord } from "./shared-record.js";
import { waiting } from "./state.js";

/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { Attention, AttentionKind } from "./attention.js" */
/** @import { Store } from "./store.js" */

const REPEAT_MS = 15_000;
/** Kinds that the list at the edge of the page shows; the conversation lists show the others. @type {AttentionKind[]} */
const LISTED = ["emergency", "gained", "lost", "waiting"];
const MAX_LISTED = 4;

export class Alerts {
  #store;
  #strings;
  #departments;
  #onOpen;
  #title = document.title;
  #sound = /** @type {HTMLAudioElement} */ (byId("sound"));
  /** Whether this tab is the one that plays sounds and shows notifications. */
  #isLeader = false;
  #reassignments;
  /** Waiting conversations that the agent has noticed. @type {SharedRecord<Record<string, true>>} */
  #seen;
  #settings;
  #unread = 0;
  #waiting = 0;
  /** Keys of what has been reported. @type {Set<string>} */
  #reported = new Set();
  #alertedAt = -Infinity;
  #listKey = "";
  /** @type {Notification | null} */
  #notification = null;

  /**
   * @param {Store} store
   * @param {{strings: UiStrings, departments: Record<string, string>, onOpen: (id: string) => void}} options
   */
  constructor(store, { strings, departments, onOpen }) {
    this.#store = store;
    this.#strings = strings;
    this.#departments = departments;
    this.#onOpen = onOpen;
    const { id } = store.state.me;
    this.#settings = new AlertSettings(id);
    this.#seen = new SharedRecord(`lianxin.waiting-seen.${id}`, {});
    this.#reassignments = new Reassignments(store, () => store.changed());
    this.#waiting = takeable(store.state).length;
    store.subscribe(() => this.#update());
    setInterval(() => this.#update(), 1000);
    // This tab holds the lock until it is closed; then the next tab gets the lock. Without the Locks API, every tab
    // alerts.
    if (!navigator.locks) this.#isLeader = true;
    else void navigator.locks.request("lianxin-alerts", () => this.#lead());
  }

  /** Asks for the permission to show notifications. Call from a click: browsers refuse otherwise. */
  static requestPermission() {
    if ("Notification" in window && Notification.permission === "default") void Notification.requestPermission();
  }

  openSettings() {
    Alerts.requestPermission();
    this.#settings.open();
  }

  #lead() {
    this.#isLeader = true;
    return new Promise(() => {});
  }

  #update() {
    const { state } = this.#store;
    const { waitingSeconds } = this.#settings;
    const options = { reassignments: this.#reassignments.unseen, seen: this.#seen.value, waitingSeconds, now: serverNow() };
    const all = attentionFor(state, options);
    const unread = all.reduce((sum, { kind, row }) => sum + (kind === "unread" ? row.unread : 0), 0);
    this.#drawTitle(all, unread);
    this.#drawList(all.filter(({ kind }) => LISTED.includes(kind)));
    const active = all.filter(({ kind }) => this.#settings.isOn(kind) && !isMuted(kind, state));
    const hasMoreUnread = unread > this.#unread;
    const fresh = active.filter(({ kind, key }) => (kind === "unread" ? hasMoreUnread : !this.#reported.has(key)));
    const waitingCount = takeable(state).length;
    const isQueueLonger = waitingCount > this.#waiting && state.presence === "online" && this.#settings.isOn("waiting");
    this.#unread = unread;
    this.#waiting = waitingCount;
    this.#reported = new Set(active.map(({ key }) => key));
    if (!active.length && this.#notification) {
      this.#notification.close();
      this.#notification = null;
    }
    if (!this.#isLeader) return;
    const isDue = active.length > 0 && performance.now() - this.#alertedAt > REPEAT_MS;
    if (fresh.length || isDue) this.#alert(fresh[0] ?? active[0]);
    else if (isQueueLonger) this.#playSound("waiting");
  }

  /** @param {Attention[]} all @param {number} unread */
  #drawTitle(all, unread) {
    const others = all.filter(({ kind }) => kind !== "unread");
    const count = unread + others.length;
    const words = others.length ? this.#strings[`alert_${others[0].kind}`] : this.#title;
    const title = count ? `(${count}) ${words}` : this.#title;
    if (document.title !== title) document.title = title;
  }

  /** Draws the list at the edge of the page. Waiting customers share one entry. @param {Attention[]} listed */
  #drawList(listed) {
    const late = listed.filter(({ kind }) => kind === "waiting");
    const shown = listed.filter((item) => item.kind !== "waiting" || item === late[0]).slice(0, MAX_LISTED);
    const key = [...shown.map((item) => item.key), late.length].join();
    if (key === this.#listKey) return;
    this.#listKey = key;
    byId("attention").replaceChildren(...shown.map((item) => this.#entry(item, late)));
  }

  /** @param {Attention} item @param {Attention[]} late @returns {HTMLElement} */
  #entry(item, late) {
    const { kind, row } = item;
    const strings = this.#strings;
    const isOpened = kind === "emergency" || kind === "gained";
    const see = () => {
      if (kind === "waiting") this.#seeWaiting(late.map((other) => other.row.id));
      this.#reassignments.see(row.id);
      if (isOpened) this.#onOpen(row.id);
      this.#store.changed();
    };
    const text = kind === "waiting" ? this.#waitingText(late.length) : this.#text(item);
    const button = makeButton(isOpened ? strings.open_it : strings.seen_it, see, "button small");
    const entry = make("li", "attention-entry", make("span", "attention-text", text), button);
    entry.dataset.kind = kind;
    return entry;
  }

  /** Marks waiting conversations as noticed, and forgets those that no longer wait. @param {string[]} ids */
  #seeWaiting(ids) {
    const stillSeen = waiting(this.#store.state).filter(({ id }) => id in this.#seen.value || ids.includes(id));
    this.#seen.replace(Object.fromEntries(stillSeen.map(({ id }) => [id, true])));
  }

  /** @param {number} count */
  #waitingText(count) {
    return fill(this.#strings.long_waiting, { count, minutes: this.#settings.waitingSeconds / 60 });
  }

  /** Returns a sentence for the list and for screen readers. @param {Attention} item */
  #text({ kind, row, by }) {
    const strings = this.#strings;
    const name = isolatedName(row, strings);
    const department = this.#departments[row.department];
    const person = by ? isolated(by.name) : "";
    const agent = row.agent ? isolated(row.agent.name) : "";
    const form = kind === "gained" ? gainedForm(by) : kind === "lost" ? lostForm(row.agent?.id, by) : kind;
    return fill(strings[`attention_${form}`], { name, department, reason: emergencyReason(row, strings), by: person, agent });
  }

  /** @param {Attention} item */
  #alert(item) {
    const { kind, row } = item;
    this.#playSound(kind);
    const region = byId(kind === "emergency" ? "announce-urgent" : "announce");
    // A screen reader reads a text again only if the region was empty in between.
    region.textContent = "";
    setTimeout(() => (region.textContent = this.#text(item)), 50);
    if (document.hasFocus() || !("Notification" in window) || Notification.permission !== "granted") return;
    // Show the name only: anybody can read notifications on a screen, and the system keeps a list of them.
    const options = { body: isolatedName(row, this.#strings), tag: "lianxin", renotify: true, icon: iconUrl() };
    this.#notification = new Notification(this.#strings[`alert_${kind}`], options);
    this.#notification.onclick = () => {
      window.focus();
      this.#onOpen(row.id);
    };
  }

  /** @param {AttentionKind} kind */
  #playSound(kind) {
    this.#alertedAt = performance.now();
    const { dataset } = document.documentElement;
    dataset.rung = String(Number(dataset.rung ?? 0) + 1);
    dataset.rungFor = kind;
    if (this.#sound.error) this.#sound.load();
    this.#sound.currentTime = 0;
    // An emergency sounds higher.
    this.#sound.preservesPitch = false;
    this.#sound.playbackRate = kind === "emergency" ? 1.5 : 1;
    // Browsers block sound until the first click on a page; the title and the notification still work.
    this.#sound.play().catch(() => {});
  }
}

/** @param {Attention["by"]} by */
function gainedForm(by) {
  return by ? "gained" : "gained_by_router";
}

/** @param {number | undefined} agent id of the agent who has the conversation now @param {Attention["by"]} by */
function lostForm(agent, by) {
  if (agent === undefined) return by ? "lost_to_queue" : "lost_by_router";
  return by?.id === agent ? "lost_to_taker" : by ? "lost_to_agent" : "lost_by_router";
}

function iconUrl() {
  return /** @type {HTMLLinkElement | null} */ (document.querySelector("link[rel=icon]"))?.href;
}
