/** Which conversation is before the agent: opening one, going to the next, leaving it. The address follows. */

import { toast } from "./connection-status.js";
import { secondsWaiting } from "./conversation-lists.js";
import { BASE } from "../requests.js";
import { mine } from "./state.js";

export class Desk {
  #store;
  #words;
  #live;
  #lists;
  #onOpen;
  #columns = /** @type {HTMLElement} */ (document.getElementById("main"));

  /**
   * @param {import("./store.js").Store} store
   * @param {{words: ChatWords, live: import("./live-connection.js").Live, lists: import("./conversation-lists.js").Lists,
   *          onOpen: () => void}} options `onOpen`: a conversation is open to be answered
   */
  constructor(store, { words, live, lists, onOpen }) {
    this.#store = store;
    this.#words = words;
    this.#live = live;
    this.#lists = lists;
    this.#onOpen = onOpen;
    addEventListener("popstate", () => {
      const id = /conversations\/([0-9a-f-]{36})\//.exec(location.pathname)?.[1] ?? "";
      if (id !== store.current) this.choose(id);
    });
  }

  /** @param {string} id @param {{push?: boolean, write?: boolean}} [options] */
  async show(id, { push = true, write = true } = {}) {
    const store = this.#store;
    const address = `${BASE}conversations/${id}/`;
    if (push && location.pathname !== address) history.pushState({ id }, "", address);
    this.#columns.dataset.column = "talk";
    this.#columns.removeAttribute("data-card");
    store.choose(id);
    const answer = await this.#live.load(id);
    if (!answer.ok && store.current === id) {
      toast(answer.refused?.words ?? this.#words.offline_write);
      if (answer.status === 404) this.choose("");
    }
    if (write && store.current === id) requestAnimationFrame(this.#onOpen);
  }

  /** @param {string} id "" for none */
  choose(id) {
    if (id) return void this.show(id, { push: false });
    if (location.pathname !== BASE) history.pushState({}, "", BASE);
    this.#columns.dataset.column = "lists";
    this.#store.choose("");
  }

  /** What was before the agent has gone: to the one who waits longest, or to nobody. @param {string} id */
  leave(id) {
    const rest = mine(this.#store.state).filter((row) => row.id !== id && row.status === "active");
    const next = longest(rest) ?? rest[0];
    if (next) void this.show(next.id);
    else this.choose("");
  }

  /** To the one who has waited longest for my answer. */
  toLongest() {
    const row = longest(mine(this.#store.state));
    if (row) void this.show(row.id);
  }

  /** @param {number} step down or up the lists */
  move(step) {
    const order = this.#lists.order();
    if (!order.length) return;
    const at = order.indexOf(this.#store.current);
    const index = at < 0 ? (step > 0 ? 0 : order.length - 1) : (at + step + order.length) % order.length;
    void this.show(order[index], { write: false });
    document.querySelector(`#row-${CSS.escape(order[index])} .row-link`)?.scrollIntoView({ block: "nearest" });
  }

  toggleCard() {
    const isOpen = this.#columns.dataset.card === "open";
    if (isOpen) delete this.#columns.dataset.card;
    else this.#columns.dataset.card = "open";
    document.querySelector("[data-do=card]")?.setAttribute("aria-expanded", String(!isOpen));
  }
}

/** @param {ConsoleRow[]} rows */
function longest(rows) {
  return rows
    .filter((row) => secondsWaiting(row) !== null)
    .sort((one, other) => Number(secondsWaiting(other)) - Number(secondsWaiting(one)))[0];
}
