/** Notice, bell and title: they repeat until the words are read, and in one tab only. */

import { spokenName } from "./conversation-lists.js";
import { isBarred, mine, waiting } from "./state.js";

const REPEAT_MS = 15_000;

export class Alerts {
  #store;
  #words;
  #onOpen;
  #title = document.title;
  #sound = /** @type {HTMLAudioElement} */ (document.getElementById("sound"));
  /** Whether this tab is the one that rings. */
  #isLeader = false;
  #unread = 0;
  #waiting = 0;
  #rungAt = -Infinity;
  /** @type {Notification | null} */
  #notice = null;

  /** @param {import("./store.js").Store} store @param {ChatWords} words @param {(id: string) => void} onOpen */
  constructor(store, words, onOpen) {
    this.#store = store;
    this.#words = words;
    this.#onOpen = onOpen;
    this.#waiting = waiting(store.state).length;
    store.subscribe(() => this.#look());
    setInterval(() => this.#look(), 1000);
    // Held as long as this tab lives; then the next tab gets it. Without locks every tab rings.
    if (!navigator.locks) this.#isLeader = true;
    else void navigator.locks.request("lianxin-alerts", () => this.#lead());
  }

  /** Asks once, at a press of the agent's: before that browsers refuse. */
  static ask() {
    if ("Notification" in window && Notification.permission === "default") void Notification.requestPermission();
  }

  #lead() {
    this.#isLeader = true;
    return new Promise(() => {});
  }

  #look() {
    const rows = mine(this.#store.state).filter((row) => row.unread > 0 && row.status === "active");
    const unread = rows.reduce((sum, row) => sum + row.unread, 0);
    const title = unread ? `(${unread}) ${this.#title}` : this.#title;
    if (document.title !== title) document.title = title;
    const line = waiting(this.#store.state).filter((row) => !isBarred(this.#store.state, row)).length;
    const isNew = unread > this.#unread;
    const isLonger = line > this.#waiting && this.#store.state.presence === "online";
    this.#unread = unread;
    this.#waiting = line;
    if (!unread && this.#notice) {
      this.#notice.close();
      this.#notice = null;
    }
    if (!this.#isLeader) return;
    const isDue = unread > 0 && performance.now() - this.#rungAt > REPEAT_MS;
    if (isNew || isDue) this.#ring(rows.reduce((one, other) => (isLater(one, other) ? one : other)));
    else if (isLonger) this.#bell();
  }

  /** @param {ConsoleRow} row */
  #ring(row) {
    this.#bell();
    if (document.hasFocus() || !("Notification" in window) || Notification.permission !== "granted") return;
    // The name and no more: notices lie open on screens, and stay in the system's list.
    const options = { body: spokenName(row, this.#words), tag: "lianxin", renotify: true, icon: iconUrl() };
    this.#notice = new Notification(this.#words.new_message, options);
    this.#notice.onclick = () => {
      window.focus();
      this.#onOpen(row.id);
    };
  }

  #bell() {
    this.#rungAt = performance.now();
    document.documentElement.dataset.rung = String(Number(document.documentElement.dataset.rung ?? 0) + 1);
    if (this.#sound.error) this.#sound.load();
    this.#sound.currentTime = 0;
    // Browsers keep a page silent until its first press; the title and the notice tell meanwhile.
    this.#sound.play().catch(() => {});
  }
}

/** @param {ConsoleRow} one @param {ConsoleRow} other */
function isLater(one, other) {
  return (one.last_message_at ?? "") >= (other.last_message_at ?? "");
}

function iconUrl() {
  return /** @type {HTMLLinkElement | null} */ (document.querySelector("link[rel=icon]"))?.href;
}

