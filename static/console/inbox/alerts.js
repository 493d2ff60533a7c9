/**
 * Alerts the agent to unread messages by notification, sound and title, and to new waiting visitors by sound. Every tab
 * changes its title, but only one of several tabs plays sounds and shows notifications.
 */

import { byId } from "../../chat/dom.js";
import { isolatedName } from "./conversation-lists.js";
import { isRestricted, mine, waiting } from "./state.js";

/** @import { Row } from "../../chat/frames.d.ts" */
/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { Store } from "./store.js" */

const REPEAT_MS = 15_000;

export class Alerts {
  #store;
  #strings;
  #onOpen;
  #title = document.title;
  #sound = /** @type {HTMLAudioElement} */ (byId("sound"));
  /** Whether this tab is the one that plays sounds and shows notifications. */
  #isLeader = false;
  #unread = 0;
  #waiting = 0;
  #alertedAt = -Infinity;
  /** @type {Notification | null} */
  #notification = null;

  /** @param {Store} store @param {UiStrings} strings @param {(id: string) => void} onOpen */
  constructor(store, strings, onOpen) {
    this.#store = store;
    this.#strings = strings;
    this.#onOpen = onOpen;
    this.#waiting = waiting(store.state).length;
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

  #lead() {
    this.#isLeader = true;
    return new Promise(() => {});
  }

  #update() {
    const rows = mine(this.#store.state).filter((row) => row.unread > 0 && row.status === "active");
    const unread = rows.reduce((sum, row) => sum + row.unread, 0);
    const title = unread ? `(${unread}) ${this.#title}` : this.#title;
    if (document.title !== title) document.title = title;
    const waitingCount = waiting(this.#store.state).filter((row) => !isRestricted(this.#store.state, row)).length;
    const isNew = unread > this.#unread;
    const isQueueLonger = waitingCount > this.#waiting && this.#store.state.presence === "online";
    this.#unread = unread;
    this.#waiting = waitingCount;
    if (!unread && this.#notification) {
      this.#notification.close();
      this.#notification = null;
    }
    if (!this.#isLeader) return;
    const isDue = unread > 0 && performance.now() - this.#alertedAt > REPEAT_MS;
    if (isNew || isDue) this.#alert(rows.reduce((one, other) => (isLater(one, other) ? one : other)));
    else if (isQueueLonger) this.#playSound();
  }

  /** @param {Row} row */
  #alert(row) {
    this.#playSound();
    if (document.hasFocus() || !("Notification" in window) || Notification.permission !== "granted") return;
    // Show the name only: anybody can read notifications on a screen, and the system keeps a list of them.
    const options = { body: isolatedName(row, this.#strings), tag: "lianxin", renotify: true, icon: iconUrl() };
    this.#notification = new Notification(this.#strings.new_message, options);
    this.#notification.onclick = () => {
      window.focus();
      this.#onOpen(row.id);
    };
  }

  #playSound() {
    this.#alertedAt = performance.now();
    document.documentElement.dataset.rung = String(Number(document.documentElement.dataset.rung ?? 0) + 1);
    if (this.#sound.error) this.#sound.load();
    this.#sound.currentTime = 0;
    // Browsers block sound until the first click on a page; the title and the notification still work.
    this.#sound.play().catch(() => {});
  }
}

/** @param {Row} one @param {Row} other */
function isLater(one, other) {
  return (one.last_message_at ?? "") >= (other.last_message_at ?? "");
}

function iconUrl() {
  return /** @type {HTMLLinkElement | null} */ (document.querySelector("link[rel=icon]"))?.href;
}

